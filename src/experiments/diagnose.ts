// After a strategy's last round: does its global model show one of the paper's failure signatures?

import { imagePixels } from '../data/batches.ts';
import type { SiloData } from '../data/foreign.ts';
import type { ImageSet } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { averagingByAccident } from '../evaluation/averaging.ts';
import type { GlobalEvaluator } from '../evaluation/global-evaluator.ts';
import { latentOverlap } from '../evaluation/latent-overlap.ts';
import { outlierLeakage } from '../evaluation/outlier-leakage.ts';
import { someRows } from '../evaluation/outliers-groups.ts';
import { pixelCount } from '../models/image-shape.ts';
import { type Vae, vaeOf } from '../models/vae.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { loadState } from '../training/state-file.ts';
import type { Diagnostics } from './diagnostic-fields.ts';
import { globalParameters } from './global-model.ts';
import type { Materials } from './materials.ts';
import { openAutoencoder } from './outlier-models.ts';
import { isAveraging } from './participation.ts';
import type { RunFolder } from './run-folder.ts';
import { modelOfSilo, type StrategyName } from './spec.ts';

export interface DiagnoseOptions {
  /** One with a global model. */
  readonly strategy: StrategyName;
  readonly folder: RunFolder;
  readonly engine: Engine;
  /** The server's model. */
  readonly vae: Vae;
  readonly evaluator: GlobalEvaluator;
  readonly materials: Materials;
  readonly key: Key;
}

/**
 * Looks at the models as they lie on disk. Costs two or three seconds at 10,000 test images of MNIST. Outlier leakage is
 * looked for under `align` only, as under other strategies no silo's decoder leaves it; for that it reads private images.
 */
export async function diagnose(options: DiagnoseOptions): Promise<Diagnostics> {
  const { strategy, folder, engine, vae, evaluator, materials, key } = options;
  const { classes, dataSet } = materials;
  const { images, labels } = dataSet.test;
  const parameters = await globalParameters(folder, strategy);
  const { codes, reconstructions } = await evaluator.encode(parameters);
  const samples = await (await openAutoencoder(engine, vae, parameters)).dream(SAMPLES, childKey(key, 'samples'));
  const overlap = latentOverlap({ codes, dim: vae.latent, labels, key: childKey(key, 'codes') });
  const averaging = averagingByAccident({ images, reconstructions, labels, classes, samples });
  return {
    latentOverlap: overlap && { ...overlap, advice: adviceOnOverlap(strategy) },
    averaging: averaging && { ...averaging, advice: isAveraging(strategy) ? ADVICE.averaged : ADVICE.collapsed },
    outlierLeakage: strategy === 'align' ? await leakageOf(options) : null,
  };
}

// --- internal ---

/** Synthetic images of each model. */
const SAMPLES = 1000;
/** Real images of a kind for each silo. */
const MOST_REAL = 1000;

const ADVICE = {
  overlapping: 'Raise model.latent, server.epochs or server.images, or play more rounds.',
  overlappingAverage: 'Raise model.latent or play more rounds, or use align.',
  overlappingAlone: 'Raise model.latent or local.epochs, or play more rounds.',
  averaged: 'Weights of silos that saw different classes average to a model of none: use align for such silos.',
  collapsed: 'Train longer, lower loss.klWeight, or train with less noise.',
  outlierLeakage: 'Look closer with align-fl outliers, and train with privacy.mechanism dp-sgd.',
} as const;

function adviceOnOverlap(strategy: StrategyName): string {
  if (strategy === 'align') return ADVICE.overlapping;
  return isAveraging(strategy) ? ADVICE.overlappingAverage : ADVICE.overlappingAlone;
}

async function leakageOf({ folder, engine, materials, key }: DiagnoseOptions): Promise<Diagnostics['outlierLeakage']> {
  const { spec, layout } = folder;
  const { test } = materials.dataSet;
  const silos: NonNullable<Diagnostics['outlierLeakage']>['silos'] = [];
  for (const [i, { name, set, foreignRows }] of materials.silos.entries()) {
    if (foreignRows.length === 0) continue;
    const state = await loadState(stateFileOf({ stateDir: layout.silo(name, 'align') }));
    if (state === null) continue; // it never took part
    const own = modelOfSilo(spec, spec.silos[i] as (typeof spec.silos)[number]);
    const decoder = await openAutoencoder(engine, vaeOf(own, test.shape), state.parameters);
    const ownKey = childKey(key, 'outlier-leakage', name);
    const groups = groupsOf({ name, set, foreignRows }, test, ownKey);
    const synthetic = await decoder.dream(SAMPLES, childKey(ownKey, 'samples'));
    const leakage = outlierLeakage({ ...groups, synthetic, pixels: pixelCount(test.shape), key: ownKey });
    if (leakage) silos.push({ silo: name, ...leakage });
  }
  if (silos.length === 0) return null;
  return { seen: silos.some(({ seen }) => seen), silos, advice: ADVICE.outlierLeakage };
}

/** Some foreign and typical training images of a silo, and some test images of the classes of the latter. */
function groupsOf({ set, foreignRows }: SiloData, test: ImageSet, key: Key) {
  const isForeign = new Set(foreignRows);
  const ownRows = Array.from(set.labels.keys()).filter((row) => !isForeign.has(row));
  const own = new Set(ownRows.map((row) => set.labels[row]));
  const testRows = Array.from(test.labels.keys()).filter((row) => own.has(test.labels[row]));
  const some = (name: string, from: ImageSet, rows: ArrayLike<number>) => {
    const chosen = someRows(rows.length, MOST_REAL, childKey(key, name)).map((i) => rows[i] as number);
    return imagePixels(from, chosen);
  };
  return {
    foreign: some('foreign', set, foreignRows),
    typical: some('typical', set, ownRows),
    heldOut: some('held-out', test, testRows),
  };
}
