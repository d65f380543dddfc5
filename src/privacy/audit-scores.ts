// How well canaries can be told from absent ones: evidence gathered step by step, then error rates that hold with confidence.
//
// Every bound of an audit follows from two numbers, the largest plausible false positive and false negative rates of one
// threshold, which was chosen on other canaries than those it is judged by.

import { NumericalError, ShapeError } from '../errors.ts';
import { binomialUpper } from './clopper-pearson.ts';
import { logAdd } from './log-arithmetic.ts';

/** One score for each canary, larger where it looks more as if it had been trained on. Scores are independent. */
export interface AuditScores {
  /** Of canaries that were among the examples. */
  readonly present: Float64Array;
  /** Of canaries that were not. */
  readonly absent: Float64Array;
}

/** What a step of DP-SGD claims to be. */
export interface StepClaim {
  /** In (0, 1]. */
  readonly samplingRate: number;
  /** Noise over clip norm; above 0. */
  readonly noiseMultiplier: number;
}

/** Upper bounds on both error rates of "score >= threshold means present"; they hold together with `confidence`. */
export interface ErrorRates {
  readonly threshold: number;
  /** Of calling an absent canary present. */
  readonly falsePositive: number;
  /** Of calling a present canary absent. */
  readonly falseNegative: number;
  readonly confidence: number;
  /** Canaries they were measured on, which had no part in the choice of the threshold. */
  readonly trials: { readonly present: number; readonly absent: number };
}

/**
 * ln of how much likelier one step's noisy coordinate is with the canary among the examples than without:
 * ln(1 - q + q exp((2y - 1) / (2 s^2))) (Mironov, Talwar and Zhang 2019). Summed over steps it is the most
 * powerful statistic against an honest mechanism (Neyman and Pearson 1933). `y` is in units of the clip norm, so that an
 * honest canary adds 1.
 */
export function logLikelihoodRatio(y: number, { samplingRate, noiseMultiplier }: StepClaim): number {
  const gain = (2 * y - 1) / (2 * noiseMultiplier * noiseMultiplier);
  return samplingRate === 1 ? gain : logAdd(Math.log1p(-samplingRate), Math.log(samplingRate) + gain);
}

/** Adds one step's evidence to the running `scores`, canary by canary. `coordinates` are as `y` of `logLikelihoodRatio`. */
export function addEvidence(scores: Float64Array, coordinates: ArrayLike<number>, step: StepClaim): void {
  if (coordinates.length !== scores.length) {
    throw new ShapeError(`Expected ${scores.length} coordinates, one for each canary, but got ${coordinates.length}.`);
  }
  for (let i = 0; i < scores.length; i++) {
    scores[i] = (scores[i] as number) + logLikelihoodRatio(coordinates[i] as number, step);
  }
}

/** Scores of all canaries, sorted out by whether each was among the examples (not 0 in `isPresent`). */
export function sortedOut(scores: Float64Array, isPresent: ArrayLike<number>): AuditScores {
  return {
    present: scores.filter((_, i) => isPresent[i] !== 0),
    absent: scores.filter((_, i) => isPresent[i] === 0),
  };
}

/**
 * Error rates of the threshold that is worth most. Every fifth canary serves to choose it: among some hundred candidates
 * the one with the largest `worth` of the rates measured there; the others measure it, each rate by Clopper and Pearson
 * with half of the allowed error. Throws ShapeError with fewer than 50 canaries on a side, NumericalError for NaN scores.
 */
export function measureErrors(
  scores: AuditScores,
  options: {
    readonly confidence: number;
    readonly worth: (rates: Pick<ErrorRates, 'falsePositive' | 'falseNegative'>) => number;
  },
): ErrorRates {
  const { confidence, worth } = options;
  check(scores, confidence);
  const choosing = pick(scores, (i) => i % HELD_OUT_EVERY === 0);
  const judging = pick(scores, (i) => i % HELD_OUT_EVERY !== 0);
  let best: ErrorRates | undefined;
  let most = -Infinity;
  for (const threshold of candidates(choosing)) {
    const rates = ratesAt(threshold, choosing, confidence);
    const value = worth(rates);
    if (best !== undefined && !(value > most)) continue;
    best = rates;
    most = value;
  }
  return ratesAt((best as ErrorRates).threshold, judging, confidence);
}

/** The rates of an audit in which nothing was mistaken: the most that `count` canaries on each side can show. */
export function flawlessRates(count: number, confidence: number): ErrorRates {
  const trials = count - Math.ceil(count / HELD_OUT_EVERY);
  const rate = binomialUpper({ successes: 0, trials }, (1 - confidence) / 2);
  const both = { present: trials, absent: trials };
  return { threshold: 0, falsePositive: rate, falseNegative: rate, confidence, trials: both };
}

// --- internal ---

const HELD_OUT_EVERY = 5;
const FEWEST = 50;

function pick({ present, absent }: AuditScores, isPicked: (i: number) => boolean): AuditScores {
  const part = (scores: Float64Array) => scores.filter((_, i) => isPicked(i)).toSorted();
  return { present: part(present), absent: part(absent) };
}

/** Both arms sorted upwards. */
function ratesAt(threshold: number, { present, absent }: AuditScores, confidence: number): ErrorRates {
  const significance = (1 - confidence) / 2;
  const missed = below(present, threshold);
  const mistaken = absent.length - below(absent, threshold);
  return {
    threshold,
    falsePositive: binomialUpper({ successes: mistaken, trials: absent.length }, significance),
    falseNegative: binomialUpper({ successes: missed, trials: present.length }, significance),
    confidence,
    trials: { present: present.length, absent: absent.length },
  };
}

/** Thresholds with 0, 1, 2, ... and then ever coarser numbers of false positives, and the same of false negatives. */
function candidates({ present, absent }: AuditScores): readonly number[] {
  const pooled = Float64Array.of(...present, ...absent).toSorted();
  const between = (low: number, high: number) => (low < (low + high) / 2 ? (low + high) / 2 : high);
  const above = (score: number) => pooled[below(pooled, score, 'or equal')];
  const found: number[] = [];
  for (const k of coarserCounts(absent.length)) {
    const first = absent[absent.length - 1 - k] as number; // the largest that is to be called absent
    found.push(between(first, above(first) ?? Infinity));
  }
  for (const k of coarserCounts(present.length)) {
    const last = present[k] as number; // the smallest that is to be called present
    found.push(between(pooled[below(pooled, last) - 1] ?? -Infinity, last));
  }
  return found;
}

function coarserCounts(limit: number): readonly number[] {
  const counts: number[] = [];
  for (let k = 0; k < limit; k = Math.ceil(Math.max(k + 1, 1.15 * k))) counts.push(k);
  return counts;
}

/** How many of `sorted` are smaller than `value`, or not larger. */
function below(sorted: Float64Array, value: number, ties?: 'or equal'): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const at = sorted[middle] as number;
    if (at < value || (ties !== undefined && at === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function check({ present, absent }: AuditScores, confidence: number): void {
  if (present.length < FEWEST || absent.length < FEWEST) {
    throw new ShapeError(
      `An audit needs ${FEWEST} canaries on either side, but has ${present.length} present and ${absent.length} absent.`,
    );
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new ShapeError(`A confidence lies between 0 and 1, such as 0.999, but got ${confidence}.`);
  }
  if (present.some(Number.isNaN) || absent.some(Number.isNaN)) {
    throw new NumericalError(
      'An audit score is not a number: look for overflow in the noisy gradients of the canaries.',
    );
  }
}
