// The kernel distance between two sets of images (KID): unbiased for any number of images, and with a deviation.

import { childKey, type Key, permutation } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { blocksOf, checkedCount, checkSameSize, type FeatureRows, innerProducts, selectRows } from './feature-rows.ts';
import { type Spread, spreadOf } from './probe.ts';

export interface KernelDistanceOptions {
  /** Decides the subsets. */
  readonly key: Key;
  /** How many subsets to average over. Default 20. */
  readonly subsets?: number;
  /** Images of each kind in a subset. Default 1,000, or half of the smaller set where that is less. */
  readonly subsetSize?: number;
}

/** KID over subsets; `std` is their sample deviation, not the error of the mean, since subsets share images. */
export interface KernelDistance extends Spread {
  readonly subsets: number;
  readonly subsetSize: number;
}

/**
 * The squared maximum mean discrepancy of all images, unbiased (so it may be below 0), under the kernel
 * (x . y / F + 1)^3: Binkowski et al. 2018, and Gretton et al. 2012, equation 3. Throws ShapeError for fewer
 * than two images of a kind or features that differ in number, NumericalError for a feature that is not finite.
 */
export function squaredDiscrepancy(real: FeatureRows, synthetic: FeatureRows): number {
  checkSameSize(real, synthetic);
  const n = checkedCount(real, 'real', 2);
  const m = checkedCount(synthetic, 'synthetic', 2);
  const within = kernelSumWithin(real, n) / (n * (n - 1)) + kernelSumWithin(synthetic, m) / (m * (m - 1));
  return within - (2 * kernelSumAcross(real, synthetic)) / (n * m);
}

/**
 * Mean and deviation of `squaredDiscrepancy` over random subsets of both, each drawn without repetition (Binkowski et al.
 * 2018). Throws as it does, and ShapeError where a subset would be larger than a set.
 */
export function kernelDistance(
  real: FeatureRows,
  synthetic: FeatureRows,
  options: KernelDistanceOptions,
): KernelDistance {
  checkSameSize(real, synthetic);
  const counts = [checkedCount(real, 'real', 2), checkedCount(synthetic, 'synthetic', 2)] as const;
  const least = Math.min(...counts);
  const { key, subsets = 20, subsetSize = Math.max(2, Math.min(1000, Math.floor(least / 2))) } = options;
  if (!(Number.isInteger(subsetSize) && subsetSize >= 2 && subsetSize <= least)) {
    throw new ShapeError(
      `Expected subsets of 2 to ${least} images, as many as there are of the rarer kind; got ${subsetSize}.`,
      { subsetSize, real: counts[0], synthetic: counts[1] },
    );
  }
  const part = (rows: FeatureRows, count: number, subsetKey: Key) =>
    selectRows(rows, permutation(subsetKey, count).subarray(0, subsetSize));
  if (!(Number.isInteger(subsets) && subsets >= 1)) {
    throw new ShapeError(`Expected one or more subsets to average over, got ${subsets}.`, { subsets });
  }
  const found = Array.from({ length: subsets }, (_, i) => {
    const subsetKey = childKey(key, `subset-${i}`);
    return squaredDiscrepancy(
      part(real, counts[0], childKey(subsetKey, 'real')),
      part(synthetic, counts[1], childKey(subsetKey, 'synthetic')),
    );
  });
  return { ...spreadOf(found), subsets, subsetSize };
}

// --- internal ---

/** Rows of a block of products. */
const BLOCK = 128;

/** Sum of the kernel over ordered pairs of different rows. */
function kernelSumWithin(rows: FeatureRows, count: number): number {
  const products = new Float64Array(BLOCK * BLOCK);
  const blocks = blocksOf(rows, count, BLOCK);
  let total = 0;
  blocks.forEach((a, first) => {
    blocks.slice(first).forEach((b) => {
      innerProducts(a, b, products);
      let sum = 0;
      for (let i = 0; i < a.count; i++) {
        const from = a === b ? i + 1 : 0; // each pair once
        for (let j = from; j < b.count; j++) sum += cubed((products[i * b.count + j] as number) / rows.size + 1);
      }
      total += 2 * sum;
    });
  });
  return total;
}

function kernelSumAcross(real: FeatureRows, synthetic: FeatureRows): number {
  const products = new Float64Array(BLOCK * BLOCK);
  const others = blocksOf(synthetic, synthetic.values.length / synthetic.size, BLOCK);
  let total = 0;
  for (const a of blocksOf(real, real.values.length / real.size, BLOCK)) {
    for (const b of others) {
      innerProducts(a, b, products);
      for (let at = 0; at < a.count * b.count; at++) total += cubed((products[at] as number) / real.size + 1);
    }
  }
  return total;
}

/** Some ten times as fast as `** 3`. */
function cubed(x: number): number {
  return x * x * x;
}
