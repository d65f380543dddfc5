// The paper's metric: how well a linear classifier, taught with real labels, reads the classes off the global encoder's codes.

import { childKey, type Key } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { scorePredictions } from './classification.ts';
import { fitLogisticRegression, predictClasses } from './logistic-probe.ts';
import { fewestImagesToProbe, paperSubset, type Split, stratifiedSplit } from './split.ts';

export interface ProbeOptions {
  /** [N, L] One code a test image, in the order of `labels`: the encoder's mean, or any features. */
  readonly codes: Float32Array;
  /** L */
  readonly dim: number;
  /** [N] */
  readonly labels: ArrayLike<number>;
  /** C */
  readonly classes: number;
  /** The same key gives the same splits, whatever the codes: results under one key are comparable image by image. */
  readonly key: Key;
  /** How many random splits to average over. */
  readonly seeds: number;
  /** Random splits of the full set, where they take longer than they are worth. Default `seeds`. */
  readonly seedsOnAll?: number;
  /** Of the fit. Default 1,000. */
  readonly maxIterations?: number;
}

/** The metric in the paper's size and in an honest one. */
export interface ProbeReport {
  /** A random fifth of the images, split 80/20: of 10,000, taught with 1,600 and scored on 400. Null: too few for that. */
  readonly paper: ProbeResult | null;
  /** All images, split 80/20: of 10,000, taught with 8,000 and scored on 2,000. */
  readonly all: ProbeResult;
}

export interface ProbeResult {
  /** 0 to 1. */
  readonly accuracy: Spread;
  /** 0 to 1. */
  readonly f1Weighted: Spread;
  /** [C] Means over the splits that held images of the class out, 0 to 1; null where none did. */
  readonly recallPerClass: readonly (number | null)[];
  readonly trainCount: number;
  readonly testCount: number;
  /** Random splits averaged over. */
  readonly splits: number;
  /** Fits that stopped at the limit of iterations rather than at the optimum. */
  readonly unconverged: number;
}

/** Over random splits of the same images. Says nothing of how training would vary. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation (n - 1); null for a single split. */
  readonly std: number | null;
}

/**
 * Fits and scores the probe on `seeds` random splits of both kinds. Source: the paper, section on evaluation; the fit
 * and the split are scikit-learn's (`logistic-probe.ts`, `split.ts`). A fifth smaller than `fewestImagesToProbe` is not
 * probed. Throws ShapeError where sizes do not fit or there
 * are too few images to split, NumericalError where a code is not finite.
 */
export function probeCodes(options: ProbeOptions): ProbeReport {
  const { labels, key, seeds, seedsOnAll = seeds } = options;
  const all = Array.from({ length: seedsOnAll }, (_, s) =>
    probeOnce(options, stratifiedSplit({ labels, key: childKey(key, `split-${s}`, 'all') })),
  );
  return { paper: probeFifth(options), all: average(all) };
}

/** Mean and sample standard deviation. Throws ShapeError for no values. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0)
    throw new ShapeError('Expected at least one split to average over; ask for 1 or more seeds.');
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, std: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / (values.length - 1)) };
}

// --- internal ---

/** The paper's protocol. */
function probeFifth(options: ProbeOptions): ProbeResult | null {
  const { labels, classes, key, seeds } = options;
  const trials: Trial[] = [];
  for (let s = 0; s < seeds; s++) {
    const splitKey = childKey(key, `split-${s}`, 'paper');
    const rows = paperSubset(childKey(splitKey, 'subset'), labels.length);
    if (rows.length < fewestImagesToProbe(classes)) return null;
    trials.push(probeOnce(options, stratifiedSplit({ labels, rows, key: splitKey })));
  }
  return average(trials);
}

interface Trial {
  readonly accuracy: number;
  readonly f1Weighted: number;
  readonly recallPerClass: readonly (number | null)[];
  readonly trainCount: number;
  readonly testCount: number;
  readonly converged: boolean;
}

function probeOnce(options: ProbeOptions, { train, test }: Split): Trial {
  const { codes, dim, labels, classes, maxIterations } = options;
  const limit = maxIterations === undefined ? {} : { maxIterations };
  const model = fitLogisticRegression({ features: codes, dim, labels, classes, rows: train, ...limit });
  const truth = test.map((row) => labels[row] as number);
  const scores = scorePredictions(truth, predictClasses(model, codes, test), classes);
  return { ...scores, trainCount: train.length, testCount: test.length, converged: model.converged };
}

function average(trials: readonly Trial[]): ProbeResult {
  const accuracy = spreadOf(trials.map((trial) => trial.accuracy));
  const first = trials[0] as Trial;
  return {
    accuracy,
    f1Weighted: spreadOf(trials.map((trial) => trial.f1Weighted)),
    recallPerClass: first.recallPerClass.map((_, c) => meanOrNull(trials.map((trial) => trial.recallPerClass[c]))),
    trainCount: first.trainCount,
    testCount: first.testCount,
    splits: trials.length,
    unconverged: trials.filter((trial) => !trial.converged).length,
  };
}

function meanOrNull(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value) => typeof value === 'number');
  return known.length === 0 ? null : spreadOf(known).mean;
}
