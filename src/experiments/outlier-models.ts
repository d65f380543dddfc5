// The models of a finished run at work again: a silo's own autoencoder and the global one reconstruct images and dream.

import type { numpy as np } from '@jax-js/jax';
import { lastRoundOf } from './participation.ts';
import { float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import { type BatchRun, inBatches } from '../evaluation/feature-extractor.ts';
import { createPriorSampler } from '../evaluation/prior-samples.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { parameterInputs, type Parameters, sigmoid } from '../models/layers.ts';
import { type Vae, vaeOf } from '../models/vae.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { finishedParameters } from './finished-state.ts';
import { globalStateFile } from './global-model.ts';
import type { RunFolder } from './run-folder.ts';
import { modelOfServer, modelOfSilo, type SiloSpec, type StrategyName, trainedUnder } from './spec.ts';

/** A trained autoencoder. */
export interface Autoencoder {
  /** Images [N, D] in [0, 1] to their reconstructions [N, D] from the mean codes. */
  reconstruct(images: Float32Array): Promise<Float32Array>;
  /** `count` images [M, D] from z ~ N(0, I). */
  dream(count: number, key: Key): Promise<Float32Array>;
}

export interface ModelsOfRun {
  readonly engine: Engine;
  readonly folder: RunFolder;
  readonly strategy: StrategyName;
  /** Name of the silo. */
  readonly silo: string;
  readonly shape: ImageShape;
}

/**
 * The models at the end of the last round, the silo's of those that it took part in; null where the strategy has no such
 * model. A silo's decoder is the one that it released. Throws StateError where a state is missing or not at that round's end.
 */
export async function modelsOfRun({ engine, folder, strategy, silo, shape }: ModelsOfRun): Promise<{
  readonly silo: Autoencoder | null;
  readonly global: Autoencoder | null;
}> {
  const { spec, layout } = folder;
  const asked = spec.silos.find(({ name }) => name === silo) as SiloSpec;
  const lastRound = lastRoundOf(spec, asked, strategy);
  const own = vaeOf(modelOfSilo(spec, asked), shape);
  const server = vaeOf(modelOfServer(spec), shape);
  const siloFile = stateFileOf({ stateDir: layout.silo(silo, trainedUnder(spec, strategy)) });
  const open = async (vae: Vae, file: string, round: number) =>
    openAutoencoder(engine, vae, await finishedParameters(file, round, OF_A_REBUILT_RUN));
  return {
    silo: strategy === 'centralised' || lastRound === null ? null : await open(own, siloFile, lastRound),
    global: strategy === 'local-only' ? null : await open(server, globalStateFile(folder, strategy), spec.rounds),
  };
}

/** Compiles an autoencoder with these parameters. */
export async function openAutoencoder(engine: Engine, vae: Vae, parameters: NamedArrays): Promise<Autoencoder> {
  const named = parameterInputs(parameters);
  const specs = { parameters: vae.parameters, x: float32(ROWS, vae.pixels) };
  const coder = await engine.compile('reconstruction', reconstruction(vae), specs);
  const sample = await createPriorSampler(engine, vae, ROWS);
  const { pixels } = vae;
  const run: BatchRun['run'] = (x, value) => coder.bind({ ...named, x }, { value })();
  return {
    reconstruct: (images) => inBatches({ rows: ROWS, inputs: pixels, outputs: pixels, run }, images),
    dream: (count, key) => sample(parameters, { count, key }),
  };
}

// --- internal ---

/** Rows computed at once. */
const ROWS = 250;

/** `align-fl forget` makes run folders without the silos' own states. */
const OF_A_REBUILT_RUN = '(One that align-fl forget made has no states of silos: judge the run that it was made from.)';

function reconstruction(vae: Vae) {
  return ({ parameters, x }: { parameters: Parameters; x: np.Array }) => {
    const { mean, logVariance } = vae.encode(parameters, x);
    logVariance.dispose();
    return sigmoid(vae.decode(parameters, mean)); // [B, D]
  };
}
