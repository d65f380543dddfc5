// KID by hand, pair by pair, and over subsets; numpy's numbers are in generation-reference.test.ts.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import type { FeatureRows } from './feature-rows.ts';
import { kernelDistance, squaredDiscrepancy } from './kernel-distance.ts';

const KEY = seedKey('kernel distance');
const rowsOf = (size: number, ...values: number[]): FeatureRows => ({ values: Float32Array.from(values), size });
const drawn = (name: string, count: number, size: number): FeatureRows => ({
  values: normals(childKey(KEY, name), count * size),
  size,
});

/** Every pair in turn. */
function slowTwin(real: FeatureRows, synthetic: FeatureRows): number {
  const { size } = real;
  const rows = ({ values }: FeatureRows) =>
    Array.from({ length: values.length / size }, (_, i) => [...values.subarray(i * size, (i + 1) * size)]);
  const kernel = (x: readonly number[], y: readonly number[]) =>
    (x.reduce((sum, value, d) => sum + value * (y[d] as number), 0) / size + 1) ** 3;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [rows(real), rows(synthetic)];
  const within = (a: readonly (readonly number[])[]) =>
    mean(a.flatMap((p, i) => a.filter((_, j) => j !== i).map((q) => kernel(p, q))));
  return within(x) + within(y) - 2 * mean(x.flatMap((p) => y.map((q) => kernel(p, q))));
}

describe('squaredDiscrepancy', () => {
  it('is right by hand', () => {
    // (x y + 1)^3: among {0, 1} it is 1, among {1, 2} it is 27, across 1, 1, 8 and 27
    expect(squaredDiscrepancy(rowsOf(1, 0, 1), rowsOf(1, 1, 2))).toBeCloseTo(1 + 27 - (2 * 37) / 4, 12);
  });

  it.each([
    [5, 4, 3],
    [140, 131, 2], // more than one block of each
  ])('agrees with a sum over pairs for %d and %d images of %d features', (n, m, size) => {
    const [a, b] = [drawn('a', n, size), drawn('b', m, size)];
    expect(squaredDiscrepancy(a, b)).toBeCloseTo(slowTwin(a, b), 10);
  });

  it('refuses single images, other numbers of features and what is not finite', () => {
    const a = drawn('a', 4, 2);
    expect(() => squaredDiscrepancy(a, rowsOf(2, 1, 2))).toThrow(/at least 2 synthetic images, got 1/);
    expect(() => squaredDiscrepancy(a, rowsOf(1, 1, 2))).toThrow(ShapeError);
    expect(() => squaredDiscrepancy(a, rowsOf(2, 1, Number.NaN, 1, 2))).toThrow(NumericalError);
  });
});

describe('kernelDistance', () => {
  it('is about zero between samples of one distribution, and is not where a mean is shifted', () => {
    const a = drawn('a', 300, 4);
    const near = kernelDistance(a, drawn('b', 300, 4), { key: KEY, subsets: 10 });
    expect(near).toMatchObject({ subsets: 10, subsetSize: 150 });
    expect(Math.abs(near.mean)).toBeLessThan(0.1);
    const b = drawn('b', 300, 4);
    const shifted = { ...b, values: b.values.map((value) => value + 0.5) };
    const far = kernelDistance(a, shifted, { key: KEY, subsets: 10 });
    expect(far.mean).toBeGreaterThan(0.5);
    expect(far.std).toBeGreaterThan(0);
    expect(far.mean - 5 * (far.std as number)).toBeGreaterThan(near.mean - 5 * (near.std as number));
  });

  it('is the whole discrepancy where the subset is everything, and the same under the same key only', () => {
    const [a, b] = [drawn('a', 30, 3), drawn('b', 30, 3)];
    const whole = kernelDistance(a, b, { key: KEY, subsets: 1, subsetSize: 30 });
    expect(whole.mean).toBeCloseTo(squaredDiscrepancy(a, b), 10);
    expect(whole.std).toBeNull();
    const once = kernelDistance(a, b, { key: KEY, subsets: 3 });
    expect(kernelDistance(a, b, { key: KEY, subsets: 3 })).toEqual(once);
    expect(kernelDistance(a, b, { key: childKey(KEY, 'other'), subsets: 3 }).mean).not.toBe(once.mean);
  });

  it.each([31, 1, 2.5])('refuses subsets of %d among 30 images', (subsetSize) => {
    const [a, b] = [drawn('a', 40, 3), drawn('b', 30, 3)];
    expect(() => kernelDistance(a, b, { key: KEY, subsetSize })).toThrow(/subsets of 2 to 30/);
    expect(() => kernelDistance(a, b, { key: KEY, subsets: 0 })).toThrow(/one or more subsets/);
  });
});
