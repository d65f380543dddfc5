// From noisy moments of groups of records to a Gaussian each, as far as noise lets them be seen.

import { symmetricEigen } from '../models/symmetric-eigen.ts';
import type { ReleaseStage } from '../privacy/gaussian-release.ts';
import { momentNoise, type Moments } from '../privacy/noisy-moments.ts';

/** Which groups show enough records above the noise [G]; noise alone does so once in 30,000 times. */
export function groupsSeen({ counts }: Moments, stage: ReleaseStage): readonly boolean[] {
  const enough = Math.max(LEAST_RECORDS, 4 * momentNoise(stage).count);
  return Array.from(counts, (count) => count >= enough);
}

/** Centres [G, d] moved to the means of those groups that are seen; the others stay. */
export function movedCentres(centres: Float64Array, moments: Moments, seen: readonly boolean[]): Float64Array {
  const size = centres.length / seen.length;
  return centres.map((centre, at) => {
    const group = Math.floor(at / size);
    return seen[group] ? centre + (moments.sums[at] as number) / (moments.counts[group] as number) : centre;
  });
}

/** How often each group is drawn [G] among the `components` groups of its class, one class after another; 0 for those not seen. */
export function sharesOf({ counts }: Moments, seen: readonly boolean[], components: number): Float64Array {
  const shown = counts.map((count, group) => (seen[group] ? count : 0));
  return shown.map((count, group) => {
    const from = group - (group % components);
    return count && count / shown.subarray(from, from + components).reduce((sum, one) => sum + one, 0);
  });
}

/**
 * Factors [r, d] of a group that is seen, with A^T A near its covariance: eigenvectors times the roots of their eigenvalues, the
 * largest first, and zeros. Eigenvalues that noise is likely to have made are left out. Symmetric noise of standard deviation s
 * on the diagonal and s / sqrt(2) beside it has eigenvalues up to s sqrt(2 d) (Wigner's semicircle). The limit is 0.7 of that,
 * which was better than all of it: a little noise in what is drawn harms less than directions that are missing
 * (docs/decisions/0011).
 */
export function factorsOf(
  { counts, sums, products }: Moments,
  group: number,
  { stage, size, rank }: { readonly stage: ReleaseStage; readonly size: number; readonly rank: number },
): Float64Array {
  const count = counts[group] as number;
  const mean = sums.subarray(group * size, (group + 1) * size).map((sum) => sum / count);
  const second = (products as Float64Array).subarray(group * size * size, (group + 1) * size * size);
  const covariance = second.map(
    (product, at) => product / count - (mean[Math.floor(at / size)] as number) * (mean[at % size] as number),
  );
  const { values, vectors } = symmetricEigen(covariance, size);
  const limit = (NOISE_SHARE * momentNoise(stage).product * Math.sqrt(2 * size)) / count;
  const factors = new Float64Array(rank * size);
  for (let a = 0; a < rank && (values[a] as number) > limit; a++) {
    const root = Math.sqrt(values[a] as number);
    for (let j = 0; j < size; j++) factors[a * size + j] = root * (vectors[a * size + j] as number);
  }
  return factors;
}

// --- internal ---

/** Fewer say nothing of a covariance. */
const LEAST_RECORDS = 10;

/** Of the largest eigenvalue of noise. */
const NOISE_SHARE = 0.7;
