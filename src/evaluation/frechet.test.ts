// The Frechet distance by hand and beside plain matrix square roots; numpy's numbers are in generation-reference.test.ts.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import type { FeatureRows } from './feature-rows.ts';
import { fitGaussian, frechetDistance } from './frechet.ts';
import { symmetricEigen } from '../models/symmetric-eigen.ts';

const KEY = seedKey('frechet');

const distance = (a: FeatureRows, b: FeatureRows) =>
  frechetDistance(fitGaussian(a, 'real'), fitGaussian(b, 'synthetic'));

const rowsOf = (size: number, ...values: number[]): FeatureRows => ({ values: Float32Array.from(values), size });

function drawn(name: string, count: number, size: number): FeatureRows {
  return { values: normals(childKey(KEY, name), count * size), size };
}

/** The covariance [F, F] of all rows, term by term. */
function covariance({ values, size }: FeatureRows): Float64Array {
  const count = values.length / size;
  const at = (row: number, d: number) => values[row * size + d] as number;
  const rows = Array.from({ length: count }, (_, row) => row);
  const mean = (d: number) => rows.reduce((sum, row) => sum + at(row, d), 0) / count;
  return Float64Array.from({ length: size * size }, (_, place) => {
    const [i, j] = [Math.floor(place / size), place % size];
    const [mi, mj] = [mean(i), mean(j)];
    return rows.reduce((sum, row) => sum + (at(row, i) - mi) * (at(row, j) - mj), 0) / (count - 1);
  });
}

function product(a: Float64Array, b: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, place) => {
    const [i, j] = [Math.floor(place / size), place % size];
    let sum = 0;
    for (let k = 0; k < size; k++) sum += (a[i * size + k] as number) * (b[k * size + j] as number);
    return sum;
  });
}

/** By eigenvectors. */
function root(matrix: Float64Array, size: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, size);
  return Float64Array.from({ length: size * size }, (_, place) => {
    const [i, j] = [Math.floor(place / size), place % size];
    let sum = 0;
    for (let k = 0; k < size; k++) {
      const scale = Math.sqrt(Math.max(0, values[k] as number));
      sum += scale * (vectors[k * size + i] as number) * (vectors[k * size + j] as number);
    }
    return sum;
  });
}

/** Means of zero taken for granted: tr(S1 + S2 - 2 (S1^(1/2) S2 S1^(1/2))^(1/2)). */
function slowTwin(a: FeatureRows, b: FeatureRows): number {
  const { size } = a;
  const [s1, s2] = [covariance(a), covariance(b)];
  const half = root(s1, size);
  const inner = root(product(product(half, s2, size), half, size), size);
  let trace = 0;
  for (let d = 0; d < size; d++) {
    const at = d * size + d;
    trace += (s1[at] as number) + (s2[at] as number) - 2 * (inner[at] as number);
  }
  return trace;
}

function centred({ values, size }: FeatureRows): FeatureRows {
  const count = values.length / size;
  const mean = Array.from({ length: size }, (_, d) => {
    let sum = 0;
    for (let row = 0; row < count; row++) sum += values[row * size + d] as number;
    return sum / count;
  });
  return { values: values.map((value, at) => value - (mean[at % size] as number)), size };
}

describe('frechetDistance', () => {
  it('is (m1 - m2)^2 + (s1 - s2)^2 of single features', () => {
    // means 0 and 10; variances (divided by N - 1) 2 and 8
    expect(distance(rowsOf(1, -1, 1), rowsOf(1, 8, 12))).toBeCloseTo(100 + (Math.sqrt(8) - Math.SQRT2) ** 2, 12);
  });

  it('adds up over features that are independent', () => {
    const a = rowsOf(2, 1, 0, -1, 0, 0, 2, 0, -2); // variances 2/3 and 8/3
    const b = rowsOf(2, 3, 5, -3, 5, 0, 5, 0, 5); // variances 6 and 0, mean (0, 5)
    const wanted = 25 + (Math.sqrt(6) - Math.sqrt(2 / 3)) ** 2 + 8 / 3;
    expect(distance(a, b)).toBeCloseTo(wanted, 12);
  });

  it.each([
    ['more', 30],
    ['fewer', 5],
  ])('is zero between a set and itself, and |c|^2 after a shift by c, with %s images than features', (_, count) => {
    const a = drawn('self', count, 8);
    const moved = { ...a, values: a.values.map((value, at) => value + (at % 8 === 0 ? 2 : 0)) };
    expect(distance(a, a)).toBeLessThan(1e-7);
    expect(distance(a, a)).toBeGreaterThanOrEqual(0);
    expect(distance(a, moved)).toBeCloseTo(4, 5);
  });

  it.each([
    ['full covariances', 40, 30],
    ['one set smaller than the number of features', 40, 6],
    ['both smaller', 4, 7],
    ['both smaller, the other way round', 7, 4],
  ])('agrees with matrix square roots for %s, both ways', (_, n, m) => {
    const a = centred(drawn('a', n, 9));
    const b = centred({ ...drawn('b', m, 9), values: drawn('b', m, 9).values.map((value) => 2 * value) });
    const wanted = slowTwin(a, b);
    expect(distance(a, b)).toBeCloseTo(wanted, 5);
    expect(distance(b, a)).toBeCloseTo(wanted, 5);
  });

  it('takes features that never vary, as dead units do', () => {
    const dead = (rows: FeatureRows) => ({
      size: 6,
      values: rows.values.map((value, at) => (at % 6 < 2 ? 0 : value)),
    });
    const [a, b] = [dead(drawn('a', 50, 6)), dead(drawn('b', 50, 6))];
    const alive = ({ values }: FeatureRows) => ({ size: 4, values: values.filter((_, at) => at % 6 >= 2) });
    expect(distance(a, b)).toBeCloseTo(distance(alive(a), alive(b)), 9);
  });

  it('refuses a single image, ragged rows, other numbers of features and what is not finite', () => {
    const a = drawn('a', 9, 3);
    expect(() => fitGaussian(rowsOf(3, 1, 2, 3), 'real')).toThrow(/at least 2 real images, got 1/);
    expect(() => fitGaussian(rowsOf(3, 1, 2, 3, 4), 'real')).toThrow(ShapeError);
    expect(() => distance(a, drawn('b', 9, 4))).toThrow(/got 3 and 4/);
    expect(() => distance(a, rowsOf(3, 1, 2, 3, 4, 5, Infinity))).toThrow(NumericalError);
  });
});
