// How sure the measures of outliers are: shares with exact binomial intervals, means with bootstrap intervals, all at 95 %.

import { childKey, fillBits, type Key } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { binomialLower, binomialUpper } from '../privacy/clopper-pearson.ts';

/** Two-sided confidence of every interval here. */
export const CONFIDENCE = 0.95;

/** A number with its interval. */
export interface Estimate {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

/** `count` of `of` images, 0 to 1, with its Clopper-Pearson interval (Clopper and Pearson 1934). */
export interface Share {
  readonly count: number;
  readonly of: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** The share of flags that are set. Throws ShapeError where there are none at all. `confidence` defaults to 95 %. */
export function shareOf(flags: ArrayLike<number | boolean>, confidence = CONFIDENCE): Share {
  let count = 0;
  for (let i = 0; i < flags.length; i++) if (flags[i]) count++;
  const binomial = { successes: count, trials: flags.length };
  const tail = (1 - confidence) / 2;
  const low = binomialLower(binomial, tail);
  return { count, of: flags.length, share: count / flags.length, low, high: binomialUpper(binomial, tail) };
}

/** Share of `a` minus share of `b`, -1 to 1. The interval joins two exact ones of 97.5 %, so it is wider than need be. */
export function differenceOfShares(a: ArrayLike<number | boolean>, b: ArrayLike<number | boolean>): Estimate {
  const each = 1 - (1 - CONFIDENCE) / 2; // together they hold at 95 %
  const [first, second] = [shareOf(a, each), shareOf(b, each)];
  return {
    estimate: first.share - second.share,
    low: first.low - second.high,
    high: first.high - second.low,
  };
}

/** Mean of at least one value, with the percentile bootstrap interval of 2,000 resamples (Efron and Tibshirani 1993, 13.3). */
export function bootstrapMean(values: ArrayLike<number>, key: Key): Estimate {
  return { estimate: meanOf(values), ...percentiles(resampledMeans(values, key)) };
}

/** Mean of `a` minus mean of `b`, unpaired: each is resampled on its own. */
export function bootstrapDifference(a: ArrayLike<number>, b: ArrayLike<number>, key: Key): Estimate {
  const others = resampledMeans(b, childKey(key, 'b'));
  const differences = resampledMeans(a, childKey(key, 'a')).map((mean, i) => mean - (others[i] as number));
  return { estimate: meanOf(a) - meanOf(b), ...percentiles(differences) };
}

// --- internal ---

const RESAMPLES = 2000;
/** Resamples drawn at a time: few keys, and little memory. */
const AT_ONCE = 100;

function resampledMeans(values: ArrayLike<number>, key: Key): Float64Array {
  const count = values.length;
  const bits = new Uint32Array(AT_ONCE * count);
  return Float64Array.from({ length: RESAMPLES }, (_, b) => {
    const from = (b % AT_ONCE) * count;
    if (from === 0) fillBits(childKey(key, b / AT_ONCE), bits);
    let sum = 0;
    for (let i = from; i < from + count; i++) {
      sum += values[Math.floor(((bits[i] as number) / 2 ** 32) * count)] as number;
    }
    return sum / count;
  });
}

function percentiles(draws: Float64Array): { readonly low: number; readonly high: number } {
  const sorted = draws.sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] as number;
  return { low: at((1 - CONFIDENCE) / 2), high: at((1 + CONFIDENCE) / 2) };
}

function meanOf(values: ArrayLike<number>): number {
  if (values.length === 0) throw new ShapeError('Expected at least one value to average, but got none.');
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}
