// Whether two handfuls of numbers, such as a measure over seeds with and without a mechanism, differ by more than chance.

import { ShapeError } from '../errors.ts';

/** More values than this would take too many ways to deal them. */
export const MAX_VALUES = 20;

/**
 * Two-sided p-value of the exact permutation test on the difference of means (Pitman 1937): of all ways to deal the values
 * to two groups of these sizes, the share in which the means lie at least as far apart. Assumes nothing but that the order
 * would be arbitrary if there were no difference. With five against five it cannot be below 2/252. Throws ShapeError where
 * a group is empty or there are more than `MAX_VALUES` in all.
 */
export function permutationTest(a: readonly number[], b: readonly number[]): number {
  const all = [...a, ...b];
  if (a.length === 0 || b.length === 0 || all.length > MAX_VALUES) {
    throw new ShapeError(
      `Expected two groups of one value or more, at most ${MAX_VALUES} in all, got ${a.length} and ${b.length}.`,
      { sizes: [a.length, b.length] },
    );
  }
  const total = sumOf(all);
  const distance = (sumOfFirst: number) => Math.abs(sumOfFirst / a.length - (total - sumOfFirst) / b.length);
  // Sums in another order differ in their last bits: what is equal up to these counts as equal.
  const seen = distance(sumOf(a)) - 1e-12 * all.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let ways = 0;
  let asFar = 0;
  const deal = (at: number, chosen: number, sum: number): void => {
    if (chosen === a.length) {
      ways += 1;
      if (distance(sum) >= seen) asFar += 1;
      return;
    }
    if (all.length - at < a.length - chosen) return;
    deal(at + 1, chosen + 1, sum + (all[at] as number));
    deal(at + 1, chosen, sum);
  };
  deal(0, 0, 0);
  return asFar / ways;
}

// --- internal ---

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
