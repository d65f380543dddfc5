// Eigenpairs by hand and by their definition.

import { describe, expect, it } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

describe('symmetricEigen', () => {
  it('gives by-hand values, largest first', () => {
    const { values, vectors } = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2);
    expect(values[0]).toBeCloseTo(3, 14);
    expect(values[1]).toBeCloseTo(1, 14);
    expect(Math.abs(vectors[0] as number)).toBeCloseTo(Math.SQRT1_2, 14);
    expect(vectors[0]).toBeCloseTo(vectors[1] as number, 14);
  });

  it('meets A v = lambda v with orthonormal v', () => {
    const size = 30;
    const g = normals(seedKey('eigen'), size * size);
    const a = Float64Array.from(g, (value, at) => value + (g[(at % size) * size + Math.floor(at / size)] as number));
    const before = Float64Array.from(a);
    const { values, vectors } = symmetricEigen(a, size);
    expect(a).toEqual(before);
    const row = (i: number): Float64Array => vectors.subarray(i * size, (i + 1) * size);
    for (let i = 0; i < size; i++) {
      for (let r = 0; r < size; r++) {
        const image = row(i).reduce((sum, v, c) => sum + v * (a[r * size + c] as number), 0);
        expect(image).toBeCloseTo((values[i] as number) * (row(i)[r] as number), 11);
      }
      for (let j = 0; j <= i; j++) {
        const product = row(i).reduce((sum, v, d) => sum + v * (row(j)[d] as number), 0);
        expect(product).toBeCloseTo(i === j ? 1 : 0, 12);
      }
      if (i > 0) expect(values[i]).toBeLessThanOrEqual(values[i - 1] as number);
    }
  });

  it('leaves diagonal and zero matrices as they are', () => {
    expect([...symmetricEigen(Float64Array.of(1, 0, 0, 5), 2).values]).toEqual([5, 1]);
    expect([...symmetricEigen(new Float64Array(4), 2).values]).toEqual([0, 0]);
  });

  it('refuses what is not square or not finite', () => {
    expect(() => symmetricEigen(new Float64Array(5), 2)).toThrow(ShapeError);
    expect(() => symmetricEigen(Float64Array.of(Number.NaN), 1)).toThrow(NumericalError);
  });
});
