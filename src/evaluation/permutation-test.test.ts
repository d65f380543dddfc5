import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { MAX_VALUES, permutationTest } from './permutation-test.ts';

describe('the exact permutation test', () => {
  it('is 2 / 252 for five against five that do not overlap, whichever comes first', () => {
    expect(permutationTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(2 / 252, 15);
    expect(permutationTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBeCloseTo(2 / 252, 15);
  });

  it('counts the ways by hand for groups that overlap and differ in size', () => {
    // A pair of 1, 4, 2, 6, 7 with sum s lies |s / 2 - (20 - s) / 3| = |5 s - 40| / 6 from the other three: 2.5 or more
    // for s <= 5 or s >= 11, which are {1, 4}, {1, 2}, {4, 7} and {6, 7}.
    expect(permutationTest([1, 4], [2, 6, 7])).toBeCloseTo(4 / 10, 15);
  });

  it('is 1 where all values are the same, rounding aside', () => {
    expect(permutationTest([0.1, 0.1, 0.1], [0.1, 0.1])).toBe(1);
    expect(permutationTest([0.1, 0.2, 0.3], [0.3, 0.1, 0.2])).toBe(1);
  });

  it('refuses empty groups and too many values', () => {
    expect(() => permutationTest([], [1])).toThrow(ShapeError);
    expect(() => permutationTest([1], Array<number>(MAX_VALUES).fill(0))).toThrow(/at most 20/);
  });
});
