import { describe, expect, test } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { normUpperBound, powerStep, startDirection } from './spectral-norm.ts';

const KEY = seedKey('spectral-norm');
const drawn = (name: string, rows: number, columns: number) => ({
  values: normals(childKey(KEY, name), rows * columns),
  rows,
  columns,
});

/** The norm by a thousand steps of the slow, obvious way in float64. */
function slowNorm({ values, rows, columns }: ReturnType<typeof drawn>): number {
  let v = new Float64Array(columns).fill(1).map((_, j) => 1 + 0.3 * Math.cos(j));
  let norm = 0;
  for (let step = 0; step < 400; step++) {
    const u = Float64Array.from({ length: rows }, (_, i) =>
      v.reduce((sum, x, j) => sum + values[i * columns + j]! * x, 0),
    );
    norm = Math.hypot(...u) / Math.hypot(...v);
    const next = Float64Array.from({ length: columns }, (_, j) =>
      u.reduce((sum, x, i) => sum + values[i * columns + j]! * x, 0),
    );
    const length = Math.hypot(...next);
    v = next.map((x) => x / length);
  }
  return norm;
}

describe('the upper bound of a spectral norm', () => {
  test.each([
    ['a diagonal', [3, 0, 0, -4], 2, 2, 4],
    ['one row', [3, 4], 1, 2, 5],
    ['one column', [3, 4], 2, 1, 5],
    ['rank one', [1, 2, 2, 4], 2, 2, 5],
    ['zeros', [0, 0, 0, 0, 0, 0], 2, 3, 0],
    ['the golden ratio', [1, 1, 0, 1], 2, 2, (1 + Math.sqrt(5)) / 2],
  ])('of %s is known by hand', (_, values, rows, columns, norm) => {
    const bound = normUpperBound({ values: Float32Array.from(values), rows, columns });
    expect(bound).toBeGreaterThanOrEqual(norm);
    expect(bound).toBeLessThanOrEqual(norm * (1 + 1e-6));
  });

  test.each([
    [20, 50],
    [50, 20],
    [33, 33],
  ])('of a random %d x %d matrix is above the norm by less than one in ten thousand', (rows, columns) => {
    const matrix = drawn(`${rows}x${columns}`, rows, columns);
    const norm = slowNorm(matrix);
    const bound = normUpperBound(matrix);
    expect(bound).toBeGreaterThanOrEqual(norm * (1 - 1e-13));
    expect(bound).toBeLessThanOrEqual(norm * (1 + 1e-4));
  });

  test('holds where power iteration is blind: the start has no part in the largest direction', () => {
    const start = new Float32Array(2);
    startDirection(start);
    const [x, y] = start as unknown as [number, number];
    const values = Float32Array.of(-10 * y, 10 * x, x, y); // singular values 10, across the start, and 1, along it
    expect(normUpperBound({ values, rows: 2, columns: 2 })).toBeGreaterThanOrEqual(10 * (1 - 1e-7));
  });

  test('refuses what is no finite matrix', () => {
    const values = Float32Array.of(1, Number.NaN, 2, 3);
    expect(() => normUpperBound({ values, rows: 2, columns: 2 })).toThrow(ShapeError);
    expect(() => normUpperBound({ values: new Float32Array(3), rows: 2, columns: 2 })).toThrow(ShapeError);
  });
});

describe('a power step', () => {
  test('comes near the norm from below, step by step', () => {
    const matrix = drawn('power', 30, 12);
    const direction = new Float32Array(12);
    startDirection(direction);
    const found = Array.from({ length: 60 }, () => powerStep(matrix, direction));
    const norm = slowNorm(matrix);
    for (let i = 1; i < found.length; i++) expect(found[i]).toBeGreaterThanOrEqual(found[i - 1]! * (1 - 1e-6));
    expect(found.at(-1)! / norm).toBeCloseTo(1, 3);
    expect(Math.max(...found)).toBeLessThanOrEqual(norm * (1 + 1e-6));
  });

  test('starts from a unit vector', () => {
    for (const size of [1, 2, 100]) {
      const direction = new Float32Array(size);
      startDirection(direction);
      expect(Math.hypot(...direction)).toBeCloseTo(1, 6);
    }
  });

  test('of a zero matrix is zero and leaves the direction as it was', () => {
    const direction = Float32Array.of(0.6, 0.8);
    expect(powerStep({ values: new Float32Array(4), rows: 2, columns: 2 }, direction)).toBe(0);
    expect([...direction]).toEqual([...Float32Array.of(0.6, 0.8)]);
  });
});
