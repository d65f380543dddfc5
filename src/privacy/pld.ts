// Tight epsilon and delta from the distribution of the privacy loss (Sommer, Meiser and Mohammadi 2019; Koskela, Jälkö and
// Honkela 2020), numerically on the safe side: grids that never understate, both directions, a margin for round-off.

import { gaussianEpsilon, gaussianLogDelta } from './analytic-gaussian.ts';
import { coarseLossGrid } from './coarse-loss-grid.ts';
import { lossRange } from './density-ratio.ts';
import type { DpEvent } from './dp-event.ts';
import {
  addedChernoff,
  type Direction,
  type LossCgf,
  lossCgf,
  logDeltaEstimate,
  type SaddlePoint,
  saddlePointOfDelta,
  saddlePointOfEpsilon,
} from './loss-cgf.ts';
import { type GridOptions, lossGrid } from './loss-grid.ts';
import { aimAt, composeTail, gridCgf, type LossLaw } from './pld-composition.ts';
import { LEAST_INTEGRATED_NOISE } from './rdp.ts';
import { gaussianShift, type SampledPhase, sampledPhases } from './sampled-phases.ts';

/**
 * An upper bound on epsilon at `delta` in (0, 1): exact where nothing is sampled, else within about 1e-4 of itself; plus
 * what round-off may hide (`roundOffOf`), which is all there is to bounds below about 1e-9. Infinity where the noise
 * multiplier of a phase is below 0.05, where steps are more than 1e7, or where delta is below about 1e-282.
 */
export function pldEpsilon(phases: readonly SampledPhase[], delta: number): number {
  const merged = merge(phases);
  if (totalVariationBound(merged) <= delta) return 0;
  const roundOff = roundOffOf(merged);
  if (merged.every((phase) => phase.samplingRate === 1))
    return gaussianEpsilon(gaussianShift(merged), delta) + roundOff;
  if (!supported(merged) || Math.log(delta) < LEAST_LOG_DELTA) return Infinity;
  const removing = directedEpsilon(merged, 'remove', delta);
  // mostly adding costs less, and that is quickly shown
  const bound = addedEpsilonBound(merged, Math.log(delta), removing.tilt);
  if (bound <= removing.epsilon) return removing.epsilon + roundOff;
  return Math.max(removing.epsilon, Math.min(bound, directedEpsilon(merged, 'add', delta).epsilon)) + roundOff;
}

/** An upper bound on delta at `epsilon` >= 0; as `pldEpsilon`. */
export function pldDelta(phases: readonly SampledPhase[], epsilon: number): number {
  const merged = merge(phases);
  const roundOff = roundOffOf(merged);
  const surely = Math.max(0, epsilon - roundOff); // delta falls by at most what epsilon grows
  const most = (delta: number): number =>
    Math.min(1, delta + Math.max(0, roundOff - epsilon), totalVariationBound(merged));
  if (merged.every((phase) => phase.samplingRate === 1)) {
    return most(Math.exp(gaussianLogDelta(gaussianShift(merged), surely)) * (1 + CLOSED_FORM_MARGIN));
  }
  if (!supported(merged)) return 1;
  const removing = directedDelta(merged, 'remove', surely);
  const bound = addedDeltaBound(merged, surely);
  if (bound <= removing) return most(removing);
  return most(Math.max(removing, Math.min(bound, directedDelta(merged, 'add', surely))));
}

/**
 * A lower estimate of epsilon at `delta` in (0, 1) to the same sharpness: of removing a record, by grids on the low side.
 * Undefined where the grid is too coarse for that, or numbers are too extreme.
 */
export function pldLowerEpsilon(phases: readonly SampledPhase[], delta: number): number | undefined {
  if (phases.some(isExtreme)) return undefined;
  const merged = merge(phases);
  const roundOff = roundOffOf(merged);
  if (merged.every((phase) => phase.samplingRate === 1)) {
    return Math.max(0, gaussianEpsilon(gaussianShift(merged), delta) * (1 - CLOSED_FORM_MARGIN) - roundOff);
  }
  if (!supported(merged)) return undefined;
  const logDelta = Math.log(delta) + Math.log1p(MARGIN);
  const logTail = tailOf(merged, logDelta);
  const cgf = lossCgf(merged, 'remove', logTail);
  let point = saddlePointOfDelta(cgf, logDelta, 1);
  const interval = chooseInterval(merged, { cgf, point, logDelta, logTail });
  const laws = merged.map((phase) => ({ grid: coarseLossGrid(phase, { interval, logTail }), count: phase.count }));
  // how much lower ln delta comes out: where a step's loss hardly varies, no grid of a bearable length follows it
  if (!(cgf(point.tilt).value - gridCgf(laws, point.tilt).value < MOST_LOWERED)) return undefined;
  let epsilon = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    epsilon = composeTail(laws, aimAt(cgf, point, logDelta), 'leftOut').epsilon(logDelta);
    const off = (epsilon - point.mean) / Math.sqrt(point.variance);
    if (Math.abs(off) <= 1 || epsilon === 0 || (point.tilt === 0 && off < 0)) return Math.max(0, epsilon - roundOff);
    point = saddlePointOfEpsilon(cgf, epsilon, point.tilt);
  }
  return undefined;
}

/**
 * Epsilon of `event` at `delta` in (0, 1) by the saddle-point method: in no time, mostly within a percent, and no bound.
 * Infinity where there is no estimate.
 */
export function estimateEpsilon(event: DpEvent, delta: number): number {
  const phases = sampledPhases(event);
  if (phases === 'nonPrivate') return Infinity;
  const merged = merge(phases);
  if (merged.length === 0) return 0;
  if (merged.every((phase) => phase.samplingRate === 1)) return gaussianEpsilon(gaussianShift(merged), delta);
  if (!supported(merged)) return Infinity;
  const logDelta = Math.log(delta);
  return Math.max(0, saddlePointOfDelta(lossCgf(merged, 'remove', tailOf(merged, logDelta)), logDelta, 1).mean);
}

/** One direction of `pldEpsilon`, and the tilt it was found at. `interval` sets the grid; it is chosen when left out. */
export function directedEpsilon(
  phases: readonly SampledPhase[],
  direction: Direction,
  delta: number,
  interval?: number,
): { readonly epsilon: number; readonly tilt: number } {
  const logDelta = Math.log(delta) + Math.log1p(-MARGIN);
  const logTail = tailOf(phases, logDelta);
  const cgf = lossCgf(phases, direction, logTail);
  let point = saddlePointOfDelta(cgf, logDelta, 1);
  const width = interval ?? chooseInterval(phases, { cgf, point, logDelta, logTail });
  const laws = lawsOf(phases, direction, { interval: width, logTail });
  let epsilon = Infinity;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const found = composeTail(laws, aimAt(cgf, point, logDelta)).epsilon(logDelta);
    if (Number.isNaN(found)) break;
    epsilon = Math.min(epsilon, found); // each is a bound
    const off = (found - point.mean) / Math.sqrt(point.variance);
    if (found === 0 || found === Infinity || Math.abs(off) <= 1 || (point.tilt === 0 && off < 0)) break;
    point = saddlePointOfEpsilon(cgf, found, point.tilt);
  }
  return { epsilon, tilt: point.tilt };
}

/** One direction of `pldDelta`. */
export function directedDelta(
  phases: readonly SampledPhase[],
  direction: Direction,
  epsilon: number,
  interval?: number,
): number {
  const rough = lossCgf(phases, direction, LEAST_LOG_DELTA);
  let logDelta = finiteOr(LEAST_LOG_DELTA, logDeltaEstimate(saddlePointOfEpsilon(rough, epsilon, 1), epsilon));
  let best = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const logTail = tailOf(phases, logDelta - DELTA_DOUBT);
    const cgf = lossCgf(phases, direction, logTail);
    const point = saddlePointOfEpsilon(cgf, epsilon, 1);
    const width = interval ?? chooseInterval(phases, { cgf, point, logDelta, logTail });
    const laws = lawsOf(phases, direction, { interval: width, logTail });
    const found = composeTail(laws, aimAt(cgf, point, logDelta)).logDelta(epsilon);
    best = Math.min(best, finiteOr(found === -Infinity ? found : 0, found)); // each is a bound
    if (Math.abs(best - logDelta) < DELTA_DOUBT / 2) break;
    logDelta = Math.max(LEAST_LOG_DELTA, best); // the estimate was poor, and so may be the grid it chose
  }
  return Math.min(1, Math.exp(Math.max(LEAST_LOG_DELTA, best)) * (1 + MARGIN));
}

// --- internal ---

/** Of delta, for the round-off of quadrature and transforms, which was measured far below it. */
const MARGIN = 1e-6;
const CLOSED_FORM_MARGIN = 1e-11;
const MOST_ROUNDS = 5;
/** Below e^-650 probabilities of tails leave the numbers: no delta is computed there. */
const LEAST_LOG_DELTA = -650;
/** By which factor (ln) delta may be below its estimate when tails are cut. */
const DELTA_DOUBT = 4;
/** Epsilon may grow by about this share through the grid. */
const GRID_SHARE = 2e-5;
/** ln 1e-10: the share of delta that may be cut off the tails of all steps together. */
const LOG_TAIL = -23;
/** Of ln delta. */
const MOST_LOWERED = 0.1;
/** Round-off of the composition grows with the number of steps, 1e-16 each; the margin must stay above it. */
const MOST_COMPOSED = 1e7;
const MOST_STEP_POINTS = 2 ** 17;
const MOST_SUM_POINTS = 2 ** 19;
/** Rarer sampling, and more noise, count as this: what is left of their squares is a number, and the bound holds. */
const LEAST_RATE = 1e-60;
const MOST_NOISE = 1e60;
/** Of the standard normal distribution. */
const MOST_DENSITY = 1 / Math.sqrt(2 * Math.PI);

/** Steps without sampling are one step. */
function merge(phases: readonly SampledPhase[]): readonly SampledPhase[] {
  const shift = gaussianShift(phases);
  const sampled = phases.filter((phase) => phase.samplingRate < 1);
  const merged = shift === 0 ? sampled : [...sampled, { samplingRate: 1, noiseMultiplier: 1 / shift, count: 1 }];
  return merged.map(({ samplingRate, noiseMultiplier, count }) => ({
    samplingRate: Math.max(LEAST_RATE, samplingRate),
    noiseMultiplier: Math.min(MOST_NOISE, noiseMultiplier),
    count,
  }));
}

function isExtreme({ samplingRate, noiseMultiplier }: SampledPhase): boolean {
  return samplingRate < LEAST_RATE || noiseMultiplier > MOST_NOISE;
}

/** Nats that epsilon may be off by: losses come as differences of numbers near 1, good to 2e-16 each. */
function roundOffOf(merged: readonly SampledPhase[]): number {
  return 1e-12 + 4e-16 * stepsOf(merged);
}

/** No delta is above it: a step differs only where the record is sampled, and then by at most a shift of its noise. */
function totalVariationBound(merged: readonly SampledPhase[]): number {
  return merged.reduce(
    (sum, { samplingRate, noiseMultiplier, count }) =>
      sum + count * samplingRate * Math.min(1, MOST_DENSITY / noiseMultiplier),
    0,
  );
}

function supported(phases: readonly SampledPhase[]): boolean {
  return stepsOf(phases) <= MOST_COMPOSED && phases.every((phase) => phase.noiseMultiplier >= LEAST_INTEGRATED_NOISE);
}

/** ln of the probability to cut from each tail of a step, for a delta of about e^`logDelta` of all of them. */
function tailOf(phases: readonly SampledPhase[], logDelta: number): number {
  return Math.max(LEAST_LOG_DELTA, logDelta + LOG_TAIL - Math.log(stepsOf(phases)));
}

function lawsOf(phases: readonly SampledPhase[], direction: Direction, options: GridOptions): readonly LossLaw[] {
  return phases.map((phase) => ({ grid: lossGrid(phase, direction, options), count: phase.count }));
}

interface Sharpness {
  readonly cgf: LossCgf;
  readonly point: SaddlePoint;
  readonly logDelta: number;
  readonly logTail: number;
}

/**
 * Splitting a loss between grid points a distance D apart adds at most D^2 / 4 to its variance, D^2 / 6 on average, and
 * nothing to either total mass; so epsilon grows by about (tilt + 1) / 2 times the sum of that over all steps. What the
 * transform's length, a power of two, leaves over makes the interval smaller still.
 */
function chooseInterval(phases: readonly SampledPhase[], { cgf, point, logDelta, logTail }: Sharpness): number {
  const steps = stepsOf(phases);
  const std = Math.sqrt(point.variance);
  const allowed = GRID_SHARE * Math.max(point.mean, 0.3 * std);
  const sharp = Math.sqrt((12 * allowed) / ((point.tilt + 1) * steps));
  const rule = std / Math.max(20 * Math.sqrt(steps), 2000); // where steps are few the sum keeps their shape
  const { width } = aimAt(cgf, point, logDelta);
  const points = 2 ** Math.ceil(Math.log2((1.01 * width) / Math.min(sharp, rule)));
  const range = phases.reduce((sum, phase) => sum + lossRange(phase, logTail), 0);
  return Math.max(finiteOr(0, (1.01 * width) / Math.min(points, MOST_SUM_POINTS)), range / MOST_STEP_POINTS);
}

function finiteOr(otherwise: number, value: number): number {
  return Number.isFinite(value) ? value : otherwise;
}

function stepsOf(phases: readonly SampledPhase[]): number {
  return phases.reduce((sum, { count }) => sum + count, 0);
}

/** One sampled step that adds a record loses at most -ln(1 - q). */
function mostAddedLoss(phases: readonly SampledPhase[]): number {
  return phases.reduce((sum, { samplingRate, count }) => sum - count * Math.log1p(-samplingRate), 0);
}

/** An upper bound on the epsilon of adding a record: by Chernoff, or all there is to lose. */
function addedEpsilonBound(phases: readonly SampledPhase[], logDelta: number, tilt: number): number {
  return [0.5, 0.7, 1, 1.4, 2, 2.8, 4].reduce((least, factor) => {
    const { intercept } = addedChernoff(phases, factor * tilt);
    const epsilon = Math.max(0, (intercept - logDelta + MARGIN) / (factor * tilt));
    return epsilon < least ? epsilon : least; // also where it is NaN, as at tilt 0
  }, mostAddedLoss(phases));
}

/** The same for delta. */
function addedDeltaBound(phases: readonly SampledPhase[], epsilon: number): number {
  if (epsilon >= mostAddedLoss(phases)) return 0;
  const logBounds = Array.from({ length: 20 }, (_, i) => {
    const tilt = 0.25 * 1.7 ** i;
    return addedChernoff(phases, tilt).intercept - tilt * epsilon + MARGIN;
  });
  return Math.exp(Math.min(0, ...logBounds));
}
