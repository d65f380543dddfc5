// Sparse products against the plain triple loop.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { addTransposedProduct, augmentedGram, compressRows, multiplyRows } from './compressed-rows.ts';

const key = seedKey('rows');
const COUNT = 9;
const DIM = 6;
/** Half of the entries are zero. */
const features = normals(childKey(key, 'features'), COUNT * DIM).map((x) => (x > 0 ? x : 0));
const feature = (row: number, d: number): number => features[row * DIM + d] as number;

describe('compressed rows', () => {
  it('hold the entries that are not zero, in order', () => {
    const rows = compressRows(Float32Array.of(0, 2, 0, 3, 0, 4), 3);
    expect(rows).toMatchObject({ count: 2, dim: 3 });
    expect([...rows.starts]).toEqual([0, 1, 3]);
    expect([...rows.columns]).toEqual([1, 0, 2]);
    expect([...rows.values]).toEqual([2, 3, 4]);
  });

  it.each([1, 4, 5, 12])('multiply like dense rows, %i columns wide', (width) => {
    const chosen = [4, 0, 8];
    const rows = compressRows(features, DIM, chosen);
    const right = Float64Array.from(normals(childKey(key, 'right'), DIM * width));
    const out = new Float64Array(chosen.length * width).fill(7);
    multiplyRows(rows, { factor: right, width, out });
    const left = Float64Array.from(normals(childKey(key, 'left'), chosen.length * width));
    const back = new Float64Array(DIM * width).fill(1);
    addTransposedProduct(rows, { factor: left, width, out: back });
    for (let c = 0; c < width; c++) {
      chosen.forEach((row, r) => {
        let sum = 0;
        for (let d = 0; d < DIM; d++) sum += feature(row, d) * (right[d * width + c] as number);
        expect(out[r * width + c]).toBeCloseTo(sum, 12);
      });
      for (let d = 0; d < DIM; d++) {
        const sum = chosen.reduce((all, row, r) => all + feature(row, d) * (left[r * width + c] as number), 1);
        expect(back[d * width + c]).toBeCloseTo(sum, 12);
      }
    }
  });

  it('give second moments, sums and the count', () => {
    const gram = augmentedGram(compressRows(features, DIM), 0.5);
    const size = DIM + 1;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let row = 0; row < COUNT; row++) sum += (i < DIM ? feature(row, i) : 1) * (j < DIM ? feature(row, j) : 1);
        expect(gram[i * size + j]).toBeCloseTo(j <= i ? 0.5 * sum : 0, 12);
      }
    }
  });

  it('refuse features that are not whole rows, and rows that are not there', () => {
    expect(() => compressRows(features, 5)).toThrow(ShapeError);
    expect(() => compressRows(features, DIM, [COUNT])).toThrow(ShapeError);
  });
});
