// How large a probability may be, given how often something happened: exact binomial bounds (Clopper and Pearson 1934).

import { ShapeError } from '../errors.ts';

/** `successes` of `trials` independent trials with the same probability. */
export interface Count {
  readonly successes: number;
  readonly trials: number;
}

/**
 * Upper Clopper-Pearson bound: above the true probability except with probability at most `significance`. It is the p with
 * P[Bin(trials, p) <= successes] = significance, and 1 where every trial succeeded. One-sided. Throws ShapeError where the
 * count is impossible or `significance` is not in (0, 1).
 */
export function binomialUpper(count: Count, significance: number): number {
  check(count, significance);
  const { successes: k, trials: n } = count;
  if (k === n) return 1;
  if (k === 0) return -Math.expm1(Math.log(significance) / n);
  return crossing(k / n, 1, (p) => regularisedBeta(n - k, k + 1, 1 - p) > significance);
}

/** Lower Clopper-Pearson bound: the p with P[Bin(trials, p) >= successes] = significance, and 0 without successes. */
export function binomialLower(count: Count, significance: number): number {
  check(count, significance);
  const { successes: k, trials: n } = count;
  if (k === 0) return 0;
  if (k === n) return Math.exp(Math.log(significance) / n);
  return crossing(0, k / n, (p) => regularisedBeta(k, n - k + 1, p) < significance);
}

/**
 * Regularised incomplete beta function I_x(a, b) for a, b > 0 and x in [0, 1], by its continued fraction (Abramowitz and
 * Stegun 26.5.8). For whole numbers P[Bin(n, p) >= k] = I_p(k, n - k + 1).
 */
export function regularisedBeta(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularisedBeta(b, a, 1 - x); // there the fraction of the other tail is quick
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  return front / continuedFraction(a, b, x);
}

/** ln C(n, k). */
export function logChoose(n: number, k: number): number {
  return -Math.log(n + 1) - logBeta(n - k + 1, k + 1);
}

// --- internal ---

/** Where `below` turns false between `low` and `high`, to the last bits. */
function crossing(start: number, end: number, below: (p: number) => boolean): number {
  let low = start;
  let high = end;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high || high - low < 1e-15 * high) return high;
    if (below(middle)) low = middle;
    else high = middle;
  }
}

/** The denominator 1 + d1/(1 + d2/(1 + ...)), from the front by the method of Lentz (1976). */
function continuedFraction(a: number, b: number, x: number): number {
  let c = 1;
  let d = 0;
  let value = 1;
  for (let j = 1; j < 100_000; j++) {
    const m = Math.floor(j / 2);
    const term =
      j % 2 === 0
        ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
        : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / notZero(1 + term * d);
    c = notZero(1 + term / c);
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return value;
}

function notZero(value: number): number {
  return Math.abs(value) < 1e-300 ? 1e-300 : value;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series from 12 on, shifted there by the recurrence; relative error near 1e-15. */
function logGamma(z: number): number {
  let shift = 0;
  let x = z;
  for (; x < 12; x++) shift += Math.log(x);
  const y = 1 / (x * x);
  const series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - (y * 691) / 360360))))) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

function check({ successes, trials }: Count, significance: number): void {
  const possible = Number.isInteger(successes) && Number.isInteger(trials) && successes >= 0 && successes <= trials;
  if (!possible || trials === 0) {
    throw new ShapeError(`Expected whole successes of at least one trial, but got ${successes} of ${trials}.`);
  }
  if (!(significance > 0 && significance < 1)) {
    throw new ShapeError(`A significance lies between 0 and 1, but got ${significance}.`);
  }
}
