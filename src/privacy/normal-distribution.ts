// The standard normal distribution far into its tails, where accountants live: plain erfc tables end long before.

import { SpecError } from '../errors.ts';

/** ln of the density at `x`. */
export function logNormalDensity(x: number): number {
  return -0.5 * x * x - LOG_SQRT_2PI;
}

/** ln P(X <= x), within about 1e-15 of itself or of 1, whichever is larger, wherever it is not below -1e308. */
export function logNormalCdf(x: number): number {
  if (x < -1) return logNormalDensity(x) + Math.log(millsRatio(-x));
  if (x > 1) return Math.log1p(-upperTail(x));
  return Math.log(0.5 + middle(x));
}

/** P(X <= x). */
export function normalCdf(x: number): number {
  if (x < -1) return upperTail(-x);
  return x > 1 ? 1 - upperTail(x) : 0.5 + middle(x);
}

/** Mills ratio P(X > x) / density(x), relative error about 1e-15. Near 1 / x for large `x`. */
export function millsRatio(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  if (x < 1) return normalCdf(-x) / Math.exp(logNormalDensity(x));
  if (x > 1e8) return 1 / x;
  let tail = x; // Laplace's continued fraction 1 / (x + 1 / (x + 2 / (x + 3 / ...))), from the inside out
  for (let k = 12 + Math.ceil(400 / (x * x)); k > 0; k--) tail = x + k / tail;
  return 1 / tail;
}

/** The `x` with P(X <= x) = `probability`. Throws SpecError outside [0, 1]. */
export function normalQuantile(probability: number): number {
  if (!(probability >= 0 && probability <= 1)) {
    throw new SpecError(`A probability must lie in [0, 1], not ${probability}.`, { probability });
  }
  return probability > 0.5 ? -quantileOfLog(Math.log1p(-probability)) : quantileOfLog(Math.log(probability));
}

/** The `x` with ln P(X <= x) = `logProbability`, for probabilities too small to write down. At most ln(1/2). */
export function quantileOfLog(logProbability: number): number {
  if (logProbability === -Infinity) return -Infinity;
  // ln Phi is concave and Phi(-t) <= exp(-t^2 / 2) / 2, so Newton's steps from here climb to the root and never pass it
  let x = -Math.sqrt(Math.max(0, -2 * (logProbability + Math.LN2)));
  for (let step = 0; step < 60; step++) {
    const next = x + (logProbability - logNormalCdf(x)) * millsRatio(-x);
    if (!(next > x)) break;
    x = next;
  }
  return x;
}

// --- internal ---

const LOG_SQRT_2PI = 0.9189385332046727;

/** P(X > x) for x >= 1. */
function upperTail(x: number): number {
  return Math.exp(logNormalDensity(x)) * millsRatio(x);
}

/** P(0 < X <= x) for |x| <= 1: density times x + x^3/3 + x^5/15 + ..., all of one sign (Abramowitz and Stegun 26.2.11). */
function middle(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 3; Math.abs(term) > 1e-18 * Math.abs(sum); k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return sum * Math.exp(logNormalDensity(x));
}
