// Eigenvalues by hand, by Jacobi rotations, and of matrices that have none to spare.

import { describe, expect, it } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import { symmetricEigen } from '../models/symmetric-eigen.ts';
import { symmetricEigenvalues } from './symmetric-eigenvalues.ts';

function near(found: Float64Array, wanted: ArrayLike<number>, tolerance = 1e-12): void {
  expect(found).toHaveLength(wanted.length);
  const scale = Math.max(1, ...Array.from(wanted, Math.abs));
  found.forEach((value, i) => expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(tolerance * scale));
}

/** X^T X of random X [rows, size]. */
function gram(name: string, rows: number, size: number): Float64Array {
  const x = normals(seedKey(name), rows * size);
  return Float64Array.from({ length: size * size }, (_, at) => {
    let sum = 0;
    for (let r = 0; r < rows; r++) {
      sum += (x[r * size + Math.floor(at / size)] as number) * (x[r * size + (at % size)] as number);
    }
    return sum;
  });
}

describe('symmetricEigenvalues', () => {
  it('has those of small matrices by hand', () => {
    near(symmetricEigenvalues(new Float64Array(0), 0), []);
    near(symmetricEigenvalues(Float64Array.of(-3), 1), [-3]);
    near(symmetricEigenvalues(Float64Array.of(2, 1, 1, 2), 2), [3, 1]);
    near(symmetricEigenvalues(Float64Array.of(1, 0, 0, 0, 7, 0, 0, 0, -2), 3), [7, 1, -2]);
    near(symmetricEigenvalues(new Float64Array(25).fill(1), 5), [5, 0, 0, 0, 0]);
  });

  it('has 2 - 2 cos(k pi / (n + 1)) of a chain of springs', () => {
    const size = 31;
    const chain = Float64Array.from({ length: size * size }, (_, at) => {
      const apart = Math.abs(Math.floor(at / size) - (at % size));
      return apart === 0 ? 2 : apart === 1 ? -1 : 0;
    });
    const wanted = Array.from({ length: size }, (_, i) => 2 - 2 * Math.cos(((size - i) * Math.PI) / (size + 1)));
    near(symmetricEigenvalues(chain, size), wanted);
  });

  it.each([
    ['of full rank', 40, 24],
    ['of low rank', 5, 24],
  ])('agrees with Jacobi rotations on a Gram matrix %s', (name, rows, size) => {
    const matrix = gram(name, rows, size);
    const { values } = symmetricEigen(matrix, size);
    near(symmetricEigenvalues(matrix, size), values);
  });

  it('reads the lower triangle alone, and survives entries near the ends of the range', () => {
    near(symmetricEigenvalues(Float64Array.of(2, Number.NaN, 1, 2), 2), [3, 1]);
    const huge = symmetricEigenvalues(Float64Array.of(2e200, 0, 0, 1e200, 2e200, 0, 0, 0, 1e-200), 3);
    near(
      huge.map((value) => value / 1e200),
      [3, 1, 0],
    );
    const tiny = symmetricEigenvalues(Float64Array.of(2e-200, 0, 0, 1e-200, 2e-200, 0, 1e-200, 0, 2e-200), 3);
    near(
      tiny.map((value) => value / 1e-200),
      [2 + Math.SQRT2, 2, 2 - Math.SQRT2],
    );
  });

  it('refuses what is not square or not finite', () => {
    expect(() => symmetricEigenvalues(new Float64Array(5), 2)).toThrow(ShapeError);
    expect(() => symmetricEigenvalues(Float64Array.of(1, 0, Number.NaN, 1), 2)).toThrow(NumericalError);
  });
});
