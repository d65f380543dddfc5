// Limited-memory BFGS for smooth functions of a few thousand numbers: what the probe is fitted with.

import { NumericalError } from '../errors.ts';
import { addScaled, dot } from './vectors.ts';

/** Value at `point`; writes the gradient there into `gradient` (all of it, whatever it held). */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimiseOptions {
  /** Where to begin. Not changed. */
  readonly start: Float64Array;
  /** Remembered pairs of step and gradient change. Default 10. */
  readonly memory?: number;
  /** Default 1,000. */
  readonly maxIterations?: number;
  /** Done when no entry of the gradient is larger than this in absolute value. Default 1e-4. */
  readonly gradientTolerance?: number;
  /**
   * Multiplies a vector, in place, by a symmetric positive definite guess of the inverse Hessian. The nearer the guess,
   * the fewer iterations; without it the guess is a multiple of the identity.
   */
  readonly precondition?: (vector: Float64Array) => void;
}

export interface Minimum {
  readonly point: Float64Array;
  readonly value: number;
  /** Largest absolute entry of the gradient at `point`. */
  readonly gradientMax: number;
  readonly iterations: number;
  /** Calls of the objective. */
  readonly evaluations: number;
  /** False where it stopped at `maxIterations`, or where rounding left nothing to gain. */
  readonly converged: boolean;
}

/**
 * Minimises `objective` by the two-loop recursion (Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5)
 * with steps that meet the weak Wolfe conditions. Throws NumericalError when the value at the start is not finite.
 */
export function minimise(objective: Objective, options: MinimiseOptions): Minimum {
  const { memory = 10, maxIterations = 1000, gradientTolerance = 1e-4, precondition } = options;
  let evaluations = 0;
  const visit = (point: Float64Array): Place => {
    evaluations++;
    const gradient = new Float64Array(point.length);
    return { point, gradient, value: objective(point, gradient) };
  };
  const guess = (gradient: Float64Array): Float64Array => {
    const guessed = Float64Array.from(gradient);
    precondition?.(guessed);
    return guessed;
  };

  let here = visit(Float64Array.from(options.start));
  if (!Number.isFinite(here.value)) {
    throw new NumericalError(`Cannot minimise from a start of value ${here.value}; look for NaN in the inputs.`);
  }
  let guessed = guess(here.gradient); // H0 g
  let pairs: readonly Pair[] = [];
  let iterations = 0;
  while (iterations < maxIterations && largest(here.gradient) > gradientTolerance) {
    const direction = descend(here.gradient, guessed, pairs);
    const unscaled = pairs.length === 0 && precondition === undefined;
    const firstStep = unscaled ? Math.min(1, 1 / Math.sqrt(dot(here.gradient, here.gradient))) : 1;
    const next = searchLine(visit, here, direction, firstStep);
    if (next === undefined) {
      if (pairs.length === 0) break; // not even the plain way down: rounding has the last word
      pairs = [];
      continue;
    }
    const nextGuessed = guess(next.gradient);
    const pair = learn(here, next, difference(nextGuessed, guessed));
    if (pair !== undefined) pairs = [...pairs, pair].slice(-memory);
    here = next;
    guessed = nextGuessed;
    iterations++;
  }
  const gradientMax = largest(here.gradient);
  const converged = gradientMax <= gradientTolerance;
  return { point: here.point, value: here.value, gradientMax, iterations, evaluations, converged };
}

// --- internal ---

interface Place {
  readonly point: Float64Array;
  readonly gradient: Float64Array;
  readonly value: number;
}

/** s: a step. y: how the gradient changed along it. */
interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  /** H0 y, H0 being the guessed inverse Hessian. Kept, so that each iteration applies H0 once. */
  readonly guessedY: Float64Array;
  /** 1 / (s . y) */
  readonly rho: number;
  /** (s . y) / (y . H0 y): how far H0 is off along this step. */
  readonly scale: number;
}

const SUFFICIENT_DECREASE = 1e-4;
const CURVATURE = 0.9;
const MAX_TRIALS = 40;
/** Differences of values below this share of the value are rounding. */
const VALUE_ROUNDING = 1e-13;

/** -H g by the two-loop recursion, newest pair last; the first loop runs on g and on H0 g side by side. */
function descend(gradient: Float64Array, guessed: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = Float64Array.from(gradient);
  const direction = Float64Array.from(guessed);
  const alphas: number[] = [];
  for (const { s, y, guessedY, rho } of pairs.toReversed()) {
    const alpha = rho * dot(s, q);
    alphas.push(alpha);
    addScaled(q, -alpha, y);
    addScaled(direction, -alpha, guessedY);
  }
  const scale = pairs.at(-1)?.scale ?? 1;
  for (let i = 0; i < direction.length; i++) direction[i] = scale * (direction[i] as number);
  for (const { s, y, rho } of pairs) addScaled(direction, (alphas.pop() as number) - rho * dot(y, direction), s);
  for (let i = 0; i < direction.length; i++) direction[i] = -(direction[i] as number);
  return direction;
}

/** Undefined where the step showed no curvature beyond rounding. */
function learn(from: Place, to: Place, guessedY: Float64Array): Pair | undefined {
  const s = difference(to.point, from.point);
  const y = difference(to.gradient, from.gradient);
  const sy = dot(s, y);
  const scale = sy / dot(y, guessedY);
  return scale > 1e-16 ? { s, y, guessedY, rho: 1 / sy, scale } : undefined;
}

/**
 * A place on the line that meets the weak Wolfe conditions, by bracketing (Lewis and Overton 2013) with cubic
 * interpolation, or the approximate conditions (Hager and Zhang 2005) where values differ by rounding only.
 */
function searchLine(
  visit: (point: Float64Array) => Place,
  from: Place,
  direction: Float64Array,
  firstStep: number,
): Place | undefined {
  const slope = dot(from.gradient, direction);
  if (!(slope < 0)) return undefined;
  const slack = VALUE_ROUNDING * Math.abs(from.value);
  let low: Trial = { at: 0, value: from.value, slope };
  let high: Trial | undefined;
  let at = firstStep;
  for (let trial = 0; trial < MAX_TRIALS; trial++) {
    const point = Float64Array.from(from.point);
    addScaled(point, at, direction);
    const place = visit(point);
    const here: Trial = { at, value: place.value, slope: dot(place.gradient, direction) };
    const lower = here.value <= from.value + SUFFICIENT_DECREASE * at * slope;
    const level = here.value <= from.value + slack && here.slope <= (2 * SUFFICIENT_DECREASE - 1) * slope;
    if (!lower && !level) high = here;
    else if (here.slope < CURVATURE * slope) low = here;
    else return place;
    at = high === undefined ? 2 * at : between(low, high);
  }
  return undefined;
}

interface Trial {
  readonly at: number;
  readonly value: number;
  readonly slope: number;
}

/** Minimum of the cubic through both trials, kept off their ends; the middle where there is none. */
function between(low: Trial, high: Trial): number {
  const width = high.at - low.at;
  const d1 = low.slope + high.slope - (3 * (high.value - low.value)) / width;
  const d2 = Math.sqrt(d1 * d1 - low.slope * high.slope);
  const share = 1 - (high.slope + d2 - d1) / (high.slope - low.slope + 2 * d2);
  return low.at + width * (share >= 0 && share <= 1 ? Math.min(0.9, Math.max(0.1, share)) : 0.5);
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] as number));
}

function largest(vector: Float64Array): number {
  let max = 0;
  for (let i = 0; i < vector.length; i++) {
    const size = Math.abs(vector[i] as number);
    if (Number.isNaN(size)) return size; // ends the loop, as not converged
    if (size > max) max = size;
  }
  return max;
}
