// Splits: exact sizes, kept shares, nothing twice, the same for the same key.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { paperSubset, stratifiedSplit } from './split.ts';

const key = seedKey('split');

function repeated(counts: readonly number[]): number[] {
  return counts.flatMap((count, label) => Array.from({ length: count }, () => label));
}

function countsOf(labels: readonly number[], rows: Iterable<number>, classes: number): number[] {
  const counts = Array.from({ length: classes }, () => 0);
  for (const row of rows) counts[labels[row] as number]!++;
  return counts;
}

describe('stratifiedSplit', () => {
  it('deals the classes out like scikit-learn', () => {
    // scikit-learn 1.2.1: y = np.repeat([0, 1, 2, 3], [7, 13, 5, 11])
    // a, b = train_test_split(np.arange(36), test_size=.2, stratify=y); np.bincount(y[a]), np.bincount(y[b])
    //   -> [5 10 4 9] [2 3 1 2], whatever the random state
    const labels = repeated([7, 13, 5, 11]);
    const { train, test } = stratifiedSplit({ labels, key });
    expect(countsOf(labels, train, 4)).toEqual([5, 10, 4, 9]);
    expect(countsOf(labels, test, 4)).toEqual([2, 3, 1, 2]);
  });

  it('breaks ties at random, as scikit-learn does', () => {
    // y = np.repeat([0, 1, 2], [5, 5, 5]), test_size=.3 -> train [3 3 4], [4 3 3] or [3 4 3]
    const labels = repeated([5, 5, 5]);
    const seen = new Set(
      Array.from({ length: 30 }, (_, s) => {
        const { train } = stratifiedSplit({ labels, key: childKey(key, s), testShare: 0.3 });
        return countsOf(labels, train, 3).join(' ');
      }),
    );
    expect([...seen].sort()).toEqual(['3 3 4', '3 4 3', '4 3 3']);
  });

  it('uses every row once and keeps each share to within one example', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        (counts, testShare) => {
          const labels = repeated(counts);
          const testCount = Math.ceil(testShare * labels.length - 1e-9);
          fc.pre(testCount > 0 && testCount < labels.length);
          const { train, test } = stratifiedSplit({ labels, key, testShare });
          expect(test.length).toBe(testCount);
          expect([...train, ...test].sort((a, b) => a - b)).toEqual([...labels.keys()]);
          countsOf(labels, test, counts.length).forEach((held, label) => {
            const exact = ((counts[label] as number) * testCount) / labels.length;
            expect(Math.abs(held - exact)).toBeLessThan(1);
          });
        },
      ),
      { numRuns: 100, seed: 7 },
    );
  });

  it('splits the given rows only', () => {
    const labels = repeated([50, 50]);
    const rows = Uint32Array.from({ length: 40 }, (_, i) => 2 * i + 1);
    const { train, test } = stratifiedSplit({ labels, rows, key });
    expect(train.length).toBe(32);
    expect([...train, ...test].sort((a, b) => a - b)).toEqual([...rows]);
  });

  it('is the same for the same key, another for another, and in no particular order', () => {
    const labels = repeated([50, 50]);
    const first = stratifiedSplit({ labels, key });
    expect(stratifiedSplit({ labels, key })).toEqual(first);
    expect(stratifiedSplit({ labels, key: childKey(key, 'other') }).test).not.toEqual(first.test);
    expect([...first.train]).not.toEqual([...first.train].sort((a, b) => a - b));
  });

  it('holds out exactly the share where floating point would add one', () => {
    expect(stratifiedSplit({ labels: repeated([15, 15]), key, testShare: 0.1 }).test.length).toBe(3);
    expect(stratifiedSplit({ labels: repeated([50, 50]), key, testShare: 0.07 }).test.length).toBe(7); // 0.07 * 100 > 7
  });

  it('refuses to leave a part empty', () => {
    expect(() => stratifiedSplit({ labels: [1], key })).toThrow(ShapeError);
    expect(() => stratifiedSplit({ labels: [1, 2], key, testShare: 0 })).toThrow(ShapeError);
    expect(() => stratifiedSplit({ labels: [1, 2], key, testShare: 1 })).toThrow(ShapeError);
  });
});

describe('paperSubset', () => {
  it('is a fifth of the images, none twice', () => {
    const rows = paperSubset(key, 10_000);
    expect(rows.length).toBe(2000);
    expect(new Set(rows).size).toBe(2000);
    expect(Math.max(...rows)).toBeLessThan(10_000);
  });
});
