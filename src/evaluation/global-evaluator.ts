// Judges a global autoencoder on held-out images of all classes: what the paper measures, after every round.

import { imageExamples } from '../data/batches.ts';
import type { ImageSet } from '../data/image-set.ts';
import { float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import { parameterInputs, type Parameters, sigmoid } from '../models/layers.ts';
import type { Vae } from '../models/vae.ts';
import type { numpy as np } from '@jax-js/jax';
import { type ProbeReport, probeCodes } from './probe.ts';
import { type ReconstructionError, reconstructionError } from './reconstruction.ts';

export interface Judgement {
  readonly probe: ProbeReport;
  readonly reconstruction: ReconstructionError;
  /** [N, L] The codes that were judged, with L and the labels [N]. */
  readonly test: { readonly codes: Float32Array; readonly dim: number; readonly labels: ArrayLike<number> };
}

export interface GlobalEvaluator {
  /** Codes [N, L] (the encoder's means) and reconstructions [N, D] of the test images. */
  encode(
    parameters: Readonly<Record<string, Float32Array>>,
  ): Promise<{ codes: Float32Array; reconstructions: Float32Array }>;
  /** The probe on the codes, and how well images are reconstructed from their mean codes. */
  judge(parameters: Readonly<Record<string, Float32Array>>): Promise<Judgement>;
}

export interface EvaluatorOptions {
  readonly engine: Engine;
  readonly vae: Vae;
  readonly test: ImageSet;
  /** C */
  readonly classes: number;
  /** Decides the splits: the same for every model that is compared. */
  readonly key: Key;
  readonly splits: number;
}

export async function createGlobalEvaluator(options: EvaluatorOptions): Promise<GlobalEvaluator> {
  const { engine, vae, test, classes, key, splits: seeds } = options;
  const { labels } = test;
  const examples = imageExamples(test);
  const rows = Math.min(CHUNK, examples.count);
  const program = await engine.compile('global autoencoder', meansAndReconstructions(vae), {
    parameters: vae.parameters,
    x: float32(rows, vae.pixels),
  });
  const x = new Float32Array(rows * vae.pixels);
  const mean = new Float32Array(rows * vae.latent);
  const reconstruction = new Float32Array(rows * vae.pixels);

  const encode: GlobalEvaluator['encode'] = async (parameters) => {
    const named = parameterInputs(parameters);
    const run = program.bind({ ...named, x }, { mean, reconstruction });
    const codes = new Float32Array(examples.count * vae.latent);
    const reconstructions = new Float32Array(examples.count * vae.pixels);
    for (let start = 0; start < examples.count; start += rows) {
      const first = Math.min(start, examples.count - rows); // the last chunk overlaps the one before
      examples.read(
        Array.from({ length: rows }, (_, i) => first + i),
        x,
      );
      await run();
      codes.set(mean, first * vae.latent);
      reconstructions.set(reconstruction, first * vae.pixels);
    }
    return { codes, reconstructions };
  };

  return {
    encode,
    async judge(parameters) {
      const { codes, reconstructions } = await encode(parameters);
      return {
        probe: probeCodes({ codes, dim: vae.latent, labels, classes, key, seeds }),
        reconstruction: reconstructionError({ images: test.images, reconstructions, labels, classes }),
        test: { codes, dim: vae.latent, labels },
      };
    },
  };
}

// --- internal ---

const CHUNK = 500;

function meansAndReconstructions(vae: Vae) {
  return ({ parameters, x }: { parameters: Parameters; x: np.Array }) => {
    const { mean, logVariance } = vae.encode(parameters, x);
    logVariance.dispose();
    return { mean: mean.ref, reconstruction: sigmoid(vae.decode(parameters, mean)) };
  };
}
