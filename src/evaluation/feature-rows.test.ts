// Sums over pairs of rows, one pair at a time beside them, and what is refused.

import { describe, expect, it } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import {
  blocksOf,
  checkedCount,
  checkSameSize,
  innerProducts,
  type RowBlock,
  selectRows,
  squaredDistances,
} from './feature-rows.ts';

function block(name: string, rows: number, start: number, count: number): RowBlock {
  return { values: normals(seedKey(name), rows * 3), size: 3, start, count };
}

describe.each([
  [1, 1],
  [2, 4],
  [5, 3],
])('sums over %d x %d pairs', (n, m) => {
  const a = block('a', 7, 2, n);
  const b = block('b', 6, 1, m);
  const each = (of: (x: number, y: number) => number) =>
    Array.from({ length: n * m }, (_, at) => {
      const [i, j] = [a.start + Math.floor(at / m), b.start + (at % m)];
      return [0, 1, 2].reduce((sum, d) => sum + of(a.values[i * 3 + d] as number, b.values[j * 3 + d] as number), 0);
    });

  it('are those of each pair', () => {
    const out = new Float64Array(n * m + 1).fill(-1);
    squaredDistances(a, b, out);
    each((x, y) => (x - y) ** 2).forEach((wanted, at) => expect(out[at]).toBeCloseTo(wanted, 12));
    innerProducts(a, b, out);
    each((x, y) => x * y).forEach((wanted, at) => expect(out[at]).toBeCloseTo(wanted, 12));
    expect(out[n * m]).toBe(-1);
  });

  it('are exact where rows are equal, and the same both ways', () => {
    const [there, back] = [new Float64Array(n * m), new Float64Array(n * m)];
    squaredDistances(a, b, there);
    squaredDistances(b, a, back);
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) expect(there[i * m + j]).toBe(back[j * n + i]);
    const self = new Float64Array(n * n);
    squaredDistances(a, a, self);
    for (let i = 0; i < n; i++) expect(self[i * n + i]).toBe(0);
  });
});

describe('rows', () => {
  it('are covered by blocks once each', () => {
    const rows = { values: new Float32Array(14), size: 2 };
    expect(blocksOf(rows, 7, 3).map(({ start, count }) => [start, count])).toEqual([
      [0, 3],
      [3, 3],
      [6, 1],
    ]);
  });

  it('are selected in the order asked for', () => {
    const rows = { values: Float32Array.of(1, 2, 3, 4, 5, 6), size: 2 };
    expect(selectRows(rows, [2, 0]).values).toEqual(Float32Array.of(5, 6, 1, 2));
  });

  it('are counted, unless they are ragged, too few, not finite or of different extractors', () => {
    const rows = { values: Float32Array.of(1, 2, 3, 4), size: 2 };
    expect(checkedCount(rows, 'real', 2)).toBe(2);
    expect(() => checkedCount({ ...rows, size: 3 }, 'real', 1)).toThrow(ShapeError);
    expect(() => checkedCount(rows, 'real', 3)).toThrow(/at least 3 real images, got 2/);
    const odd = { values: Float32Array.of(1, 2, 3, Number.NaN), size: 2 };
    expect(() => checkedCount(odd, 'synthetic', 2)).toThrow(NumericalError);
    expect(() => checkedCount(odd, 'synthetic', 2)).toThrow(/Feature 1 of synthetic image 1 is NaN/);
    expect(() => checkSameSize(rows, { ...rows, size: 4 })).toThrow(/2 features and synthetic ones 4/);
  });
});
