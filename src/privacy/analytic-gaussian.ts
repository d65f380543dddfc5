// The Gaussian mechanism without sampling, in closed form (Balle and Wang 2018): exact, so nothing else is needed for it.
//
// `shift` is mu: how far one record moves the output, over the noise. Steps compose to sqrt(sum of mu_i^2).

import { logSubtract } from './log-arithmetic.ts';
import { logNormalCdf, quantileOfLog } from './normal-distribution.ts';

/**
 * ln delta(epsilon) = ln(Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)), theorem 8 of the paper.
 * -Infinity where nothing is released (shift 0) or delta is below the smallest number.
 */
export function gaussianLogDelta(shift: number, epsilon: number): number {
  if (shift === 0) return -Infinity;
  if (shift === Infinity) return 0;
  const above = logNormalCdf(shift / 2 - epsilon / shift);
  const below = epsilon + logNormalCdf(-shift / 2 - epsilon / shift);
  return below < above ? logSubtract(above, below) : -Infinity;
}

/** The smallest epsilon >= 0 at `delta` in (0, 1), rounded up: relative error about 1e-13. */
export function gaussianEpsilon(shift: number, delta: number): number {
  if (shift === Infinity) return Infinity;
  const logDelta = Math.log(delta);
  if (gaussianLogDelta(shift, 0) <= logDelta) return 0;
  // delta(epsilon) <= Phi(mu/2 - epsilon/mu), so this end is large enough
  let high = Math.max(0, shift * (shift / 2 - lowerQuantile(delta)));
  let low = 0;
  for (let step = 0; step < 200 && high - low > 2e-15 * high; step++) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (gaussianLogDelta(shift, middle) <= logDelta) high = middle;
    else low = middle;
  }
  return high;
}

// --- internal ---

function lowerQuantile(delta: number): number {
  return delta <= 0.5 ? quantileOfLog(Math.log(delta)) : -quantileOfLog(Math.log1p(-delta));
}
