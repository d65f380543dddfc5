// Neighbours by hand, one by one, and among copies; numpy's numbers are in generation-reference.test.ts.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import type { FeatureRows } from './feature-rows.ts';
import { compareManifolds, type ManifoldScores, manifoldOf } from './manifold.ts';

const KEY = seedKey('manifold');
const line = (...values: number[]): FeatureRows => ({ values: Float32Array.from(values), size: 1 });
const drawn = (name: string, count: number, size: number): FeatureRows => ({
  values: normals(childKey(KEY, name), count * size),
  size,
});
const compare = (real: FeatureRows, synthetic: FeatureRows, k: number) =>
  compareManifolds(manifoldOf(real, k, 'real'), manifoldOf(synthetic, k, 'synthetic'));

/** All distances sorted and looked at, as the definitions read. */
function slowTwin(real: FeatureRows, synthetic: FeatureRows, k: number): ManifoldScores {
  const { size } = real;
  const rows = ({ values }: FeatureRows) =>
    Array.from({ length: values.length / size }, (_, i) => [...values.subarray(i * size, (i + 1) * size)]);
  const apart = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, d) => sum + (value - (y[d] as number)) ** 2, 0);
  const [x, y] = [rows(real), rows(synthetic)];
  const radii = (a: readonly (readonly number[])[]) =>
    a.map(
      (p, i) =>
        a
          .filter((_, j) => j !== i)
          .map((q) => apart(p, q))
          .sort((s, t) => s - t)[k - 1] as number,
    );
  const [rx, ry] = [radii(x), radii(y)];
  const balls = y.map((q) => x.filter((p, i) => apart(p, q) <= (rx[i] as number)).length);
  return {
    precision: balls.filter((n) => n > 0).length / y.length,
    recall: x.filter((p) => y.some((q, j) => apart(p, q) <= (ry[j] as number))).length / x.length,
    density: balls.reduce((sum, n) => sum + n, 0) / (k * y.length),
    coverage: x.filter((p, i) => y.some((q) => apart(p, q) <= (rx[i] as number))).length / x.length,
  };
}

describe('manifolds', () => {
  it('have the distance to the k-th neighbour as radius, without the image itself', () => {
    expect([...manifoldOf(line(0, 1, 3, 7), 1, 'real').squaredRadii]).toEqual([1, 1, 4, 16]);
    expect([...manifoldOf(line(0, 1, 3, 7), 2, 'real').squaredRadii]).toEqual([9, 4, 9, 36]);
    expect([...manifoldOf(line(5, 5, 8), 1, 'real').squaredRadii]).toEqual([0, 0, 9]); // a copy is a neighbour
  });

  it('compare by hand', () => {
    // Real balls [-1, 1], [0, 2], [1, 5]; synthetic ones [0.5 - 3.5, 4], [0.5, 7.5] and [4, 16].
    const scores = compare(line(0, 1, 3), line(0.5, 4, 10), 1);
    expect(scores.precision).toBeCloseTo(2 / 3, 12); // 10 lies in none
    expect(scores.recall).toBeCloseTo(1, 12); // 0, 1 and 3 lie in the first ball
    expect(scores.density).toBeCloseTo((2 + 1 + 0) / 3, 12);
    expect(scores.coverage).toBeCloseTo(1, 12);
  });

  it('tell few modes from all of them, and far from near', () => {
    const real = drawn('real', 150, 3);
    const collapsed = { ...real, values: real.values.slice(0, 90).map((value) => value / 50) };
    const scores = compare(real, collapsed, 3);
    expect(scores.precision).toBeGreaterThan(0.9);
    expect(scores.recall).toBeLessThan(0.2);
    expect(scores.coverage).toBeLessThan(0.5);
    const far = { ...real, values: real.values.map((value) => value + 100) };
    expect(compare(real, far, 3)).toEqual({ precision: 0, recall: 0, density: 0, coverage: 0 });
  });

  it.each([
    [20, 13, 2, 1],
    [40, 30, 3, 4],
    [140, 131, 2, 5], // more than one block of each
  ])('agree with sorted distances for %d and %d images of %d features and %d neighbours', (n, m, size, k) => {
    const [real, synthetic] = [drawn('real', n, size), drawn('synthetic', m, size)];
    const wanted = slowTwin(real, synthetic, k);
    const found = compare(real, synthetic, k);
    for (const [name, value] of Object.entries(wanted)) {
      expect(found[name as keyof ManifoldScores], name).toBeCloseTo(value, 12);
    }
  });

  it('give a set that is its own synthetic one full marks, and copies of one point too', () => {
    const real = drawn('real', 60, 3);
    const { density, ...rest } = compare(real, real, 5);
    expect(rest).toEqual({ precision: 1, recall: 1, coverage: 1 });
    expect(density).toBeCloseTo(1.2, 12); // each ball holds its centre and five more
    expect(compare(line(2, 2, 2), line(2, 2), 1)).toEqual({ precision: 1, recall: 1, density: 3, coverage: 1 });
  });

  it('refuse k or fewer images, other numbers of neighbours or features, and what is not finite', () => {
    expect(() => manifoldOf(line(0, 1, 2), 3, 'real')).toThrow(/at least 4 real images, got 3/);
    expect(() => manifoldOf(line(0, 1), 0, 'real')).toThrow(ShapeError);
    expect(() => manifoldOf(line(0, Number.NaN), 1, 'real')).toThrow(NumericalError);
    const three = manifoldOf(line(0, 1, 2), 1, 'real');
    expect(() => compareManifolds(three, manifoldOf(line(0, 1, 2), 2, 'synthetic'))).toThrow(/got 1 and 2/);
    expect(() => compareManifolds(three, manifoldOf(drawn('b', 4, 2), 1, 'synthetic'))).toThrow(/1 features/);
  });
});
