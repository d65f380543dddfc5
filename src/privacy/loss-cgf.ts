// Cumulants of the privacy loss and what follows from them without composing anything: where a tail begins, how heavy it
// is, and a close estimate of epsilon and delta by the saddle-point method (Alghamdi et al. 2023). Estimates, not bounds.

import { millsRatio, quantileOfLog } from './normal-distribution.ts';
import { type RatioGrid, ratioGrid } from './ratio-grid.ts';
import type { SampledPhase } from './sampled-phases.ts';

/**
 * Which data set has the record: the loss is ln(P / Q) under P when it is removed, ln(Q / P) under Q when it is added,
 * with P = (1 - q) N(0, s^2) + q N(1, s^2) and Q = N(0, s^2).
 */
export type Direction = 'remove' | 'add';

/** ln E[e^(tilt L)] of a loss L and its first two derivatives: mean and variance of the loss under the tilted law. */
export interface Cumulants {
  readonly value: number;
  readonly mean: number;
  readonly variance: number;
}

/** For every tilt >= 0. */
export type LossCgf = (tilt: number) => Cumulants;

/**
 * Upper bounds of adding a record by Chernoff at one `tilt` > 0 (the conversion of Canonne, Kamath and Steinke 2020), where
 * no grid and no tail is cut: ln delta = intercept - tilt * epsilon.
 */
export function addedChernoff(phases: readonly SampledPhase[], tilt: number): { readonly intercept: number } {
  const moment = phases.reduce((sum, phase) => sum + phase.count * addedMoment(phase, tilt), 0);
  return { intercept: moment - Math.log1p(tilt) - tilt * Math.log1p(1 / tilt) };
}

/** A tilt and the law there. */
export interface SaddlePoint extends Cumulants {
  readonly tilt: number;
}

/**
 * Of the sum of losses of all `phases`, by quadrature over outcomes whose tails below e^`logTail` are cut, as loss grids do
 * it: rare and huge losses would rule the cumulants at large tilts. Ask one function for many tilts.
 */
export function lossCgf(phases: readonly SampledPhase[], direction: Direction, logTail: number): LossCgf {
  const parts = phases.map((phase) => ({ count: phase.count, cgf: stepCgf(phase, direction, logTail) }));
  return (tilt) => sumOfCumulants(parts, tilt);
}

/** Cumulants add, `count` times each. */
export function sumOfCumulants(
  parts: readonly { readonly count: number; readonly cgf: LossCgf }[],
  tilt: number,
): Cumulants {
  return parts.reduce<Cumulants>(
    (sum, { count, cgf }) => {
      const { value, mean, variance } = cgf(tilt);
      return {
        value: sum.value + count * value,
        mean: sum.mean + count * mean,
        variance: sum.variance + count * variance,
      };
    },
    { value: 0, mean: 0, variance: 0 },
  );
}

/**
 * ln delta(epsilon) near epsilon = the tilted mean, where the tilted law is taken as normal: E[e^(-tilt Y) (1 - e^-Y)+]
 * of a normal Y is a difference of Mills ratios.
 */
export function logDeltaEstimate({ tilt, value, mean, variance }: SaddlePoint, epsilon = mean): number {
  const std = Math.sqrt(variance);
  const off = (mean - epsilon) / std; // how far the tilted law sits above epsilon
  const above = millsRatio(tilt * std - off) - millsRatio((tilt + 1) * std - off);
  return value - tilt * epsilon - 0.5 * off * off + Math.log(above) - LOG_SQRT_2PI;
}

/** The tilt >= 0 at whose mean delta is about e^`logDelta`: 0 where the untilted mean has less already. */
export function saddlePointOfDelta(cgf: LossCgf, logDelta: number, guess: number): SaddlePoint {
  return falling(cgf, (point) => logDeltaEstimate(point) - logDelta, guess);
}

/** The tilt >= 0 that moves the mean loss to `epsilon`: 0 where it is there or above untilted. */
export function saddlePointOfEpsilon(cgf: LossCgf, epsilon: number, guess: number): SaddlePoint {
  return falling(cgf, (point) => (epsilon - point.mean) / Math.sqrt(point.variance), guess);
}

// --- internal ---

const LOG_SQRT_2PI = 0.9189385332046727;
/** Of the functions searched: hundredths of a standard deviation, or percents of delta. */
const CLOSE = 1e-3;
/** Of the untilted variance. */
const LEAST_SPREAD = 1e-9;

/** The zero of a function that falls with the tilt: false position with the Illinois rule. */
function falling(cgf: LossCgf, valueAt: (point: SaddlePoint) => number, guess: number): SaddlePoint {
  const visit = (tilt: number): Visit => {
    const point = { tilt, ...cgf(tilt) };
    return { point, value: valueAt(point) };
  };
  let low = visit(0);
  if (!(low.value > 0)) return low.point;
  const spread = low.point.variance;
  let high = visit(guess > 0 ? guess : 1);
  while (high.value > CLOSE) {
    const next = visit(2 * high.point.tilt);
    if (!(next.point.variance > LEAST_SPREAD * spread)) return high.point; // nothing but the largest loss is left
    [low, high] = [high, next];
  }
  let [atLow, atHigh] = [low.value, high.value];
  for (let i = 0; Math.abs(high.value) > CLOSE && i < 64; i++) {
    const share = atLow / (atLow - atHigh);
    const middle = visit(low.point.tilt + (share > 0 && share < 1 ? share : 0.5) * (high.point.tilt - low.point.tilt));
    if (Math.abs(middle.value) <= CLOSE || Number.isNaN(middle.value)) return middle.point;
    if (middle.value > 0) {
      [low, atLow] = [middle, middle.value];
      atHigh /= 2;
    } else {
      [high, atHigh] = [middle, middle.value];
      atLow /= 2;
    }
  }
  return high.point;
}

interface Visit {
  readonly point: SaddlePoint;
  readonly value: number;
}

function stepCgf(phase: SampledPhase, direction: Direction, logTail: number): LossCgf {
  const { samplingRate: q, noiseMultiplier: s } = phase;
  if (q === 1) {
    const square = 1 / (s * s);
    return (tilt) => ({ value: (tilt * (tilt + 1) * square) / 2, mean: (tilt + 0.5) * square, variance: square });
  }
  const sign = direction === 'remove' ? 1 : -1;
  const cut = -quantileOfLog(logTail) * s;
  const grid = ratioGrid(phase, [-cut, direction === 'remove' ? 1 + cut : cut]);
  return (tilt) => {
    const { value, mean, variance } = gridCumulants(grid, direction === 'remove' ? tilt + 1 : -tilt);
    return { value, mean: sign * mean, variance };
  };
}

/** ln E[(Q / P)^tilt] over Q. Below where P / Q is about 1 - q it falls no further, however large the tilt. */
function addedMoment(phase: SampledPhase, tilt: number): number {
  const { samplingRate: q, noiseMultiplier: s } = phase;
  if (q === 1) return (tilt * (tilt + 1)) / (2 * s * s);
  const flat = Math.min(0, s * s * Math.log((1 - q) / q) + 0.5);
  return gridCumulants(ratioGrid(phase, [Math.max(-tilt, flat) - 12 * s, 12 * s]), -tilt).value;
}

function gridCumulants({ logWeight, loss }: RatioGrid, power: number): Cumulants {
  let high = -Infinity;
  for (let i = 0; i < loss.length; i++) high = Math.max(high, (logWeight[i] as number) + power * (loss[i] as number));
  let [sum, first, second] = [0, 0, 0];
  for (let i = 0; i < loss.length; i++) {
    const li = loss[i] as number;
    const exponent = (logWeight[i] as number) + power * li - high;
    if (exponent < -80) continue;
    const weight = Math.exp(exponent);
    sum += weight;
    first += weight * li;
    second += weight * li * li;
  }
  const mean = first / sum;
  return { value: high + Math.log(sum), mean, variance: Math.max(second / sum - mean * mean, 1e-300) };
}
