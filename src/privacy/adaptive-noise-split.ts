// How much noise the gradients get when a noisy count of clipped ones, which steers the clip norm, shares their budget.

import { SpecError } from '../errors.ts';

/**
 * Noise multiplier of the gradients, z_Delta = (z^-2 - (2 sigma_b)^-2)^(-1/2), such that gradients and count together cost
 * as much as one Gaussian with `noiseMultiplier` z (Andrew, Thakkar, McMahan and Ramaswamy 2021, theorem 1). Accountants
 * are told z, never z_Delta. `countNoiseStd` is sigma_b, the noise on the sum of (b_i - 1/2), in records. Throws SpecError
 * unless 0 <= z < 2 sigma_b.
 */
export function splitNoise(budget: { readonly noiseMultiplier: number; readonly countNoiseStd: number }): number {
  const { noiseMultiplier: z, countNoiseStd } = budget;
  const countMultiplier = 2 * countNoiseStd; // one record moves the count by 1/2
  if (!(z >= 0 && countMultiplier < Infinity && z < countMultiplier)) {
    throw new SpecError(
      `The noise multiplier (${z}) must be at least 0 and below twice the standard deviation of the count's noise ` +
        `(${countNoiseStd}): raise countNoiseStd above ${z / 2}.`,
      { noiseMultiplier: z, countNoiseStd },
    );
  }
  const share = z / countMultiplier; // of the budget, squared
  return z / Math.sqrt((1 - share) * (1 + share));
}
