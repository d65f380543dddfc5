// Factors and solutions against hand-made ones and against the equation they solve.

import { describe, expect, it } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { NumericalError } from '../errors.ts';
import { factoriseInPlace, factoriseSemidefiniteInPlace, solveInPlace } from './cholesky.ts';

describe('Cholesky factors', () => {
  it('are right for a matrix done by hand, whatever the upper triangle holds', () => {
    const { lower } = factoriseInPlace(Float64Array.of(4, 99, 2, 3), 2); // [[4, 2], [2, 3]]
    expect(lower[0]).toBe(2);
    expect(lower[2]).toBe(1);
    expect(lower[3]).toBeCloseTo(Math.SQRT2, 14);
    expect(lower[1]).toBe(99);
  });

  it.each([1, 5, 7])('solve for %i columns', (columns) => {
    const size = 12;
    const g = normals(seedKey('cholesky'), size * size);
    const matrix = Float64Array.from({ length: size * size }, (_, at) => {
      const [i, j] = [Math.floor(at / size), at % size];
      let sum = i === j ? 0.5 : 0; // G G^T + 0.5 I
      for (let k = 0; k < size; k++) sum += (g[i * size + k] as number) * (g[j * size + k] as number);
      return sum;
    });
    const right = Float64Array.from(normals(seedKey('right'), size * columns));
    const solution = Float64Array.from(right);
    solveInPlace(factoriseInPlace(Float64Array.from(matrix), size), solution, columns);
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let k = 0; k < size; k++) sum += (matrix[i * size + k] as number) * (solution[k * columns + c] as number);
        expect(sum).toBeCloseTo(right[i * columns + c] as number, 9);
      }
    }
  });

  it('do not exist for a matrix that is not positive definite', () => {
    expect(() => factoriseInPlace(Float64Array.of(1, 2, 2, 1), 2)).toThrow(NumericalError);
    expect(() => factoriseInPlace(Float64Array.of(Number.NaN), 1)).toThrow(NumericalError);
  });
});

describe('Cholesky factors of semidefinite matrices', () => {
  it('are the usual ones where there is an inverse', () => {
    const matrix = [4, 0, 2, 3];
    const found = factoriseSemidefiniteInPlace(Float64Array.from(matrix), 2);
    expect(found).toEqual(factoriseInPlace(Float64Array.from(matrix), 2));
  });

  it('have a column of zeros where a direction is missing', () => {
    const { lower } = factoriseSemidefiniteInPlace(Float64Array.of(1, 0, 0, 2, 4, 0, 3, 6, 10), 3); // rows 1 and 2 agree
    expect([...lower]).toEqual([1, 0, 0, 2, 0, 0, 3, 0, 1]);
    expect([...factoriseSemidefiniteInPlace(new Float64Array(4), 2).lower]).toEqual([0, 0, 0, 0]);
    const rounded = factoriseSemidefiniteInPlace(Float64Array.of(1, 0, 1, 1 + Number.EPSILON), 2);
    expect([...rounded.lower]).toEqual([1, 0, 1, 0]); // what rounding leaves is no direction
  });

  it('multiply to the matrix, up to rounding, where the rank is low', () => {
    const [size, rank] = [15, 6];
    const g = normals(seedKey('semidefinite'), size * rank);
    const matrix = Float64Array.from({ length: size * size }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < rank; k++) {
        sum += (g[Math.floor(at / size) * rank + k] as number) * (g[(at % size) * rank + k] as number);
      }
      return sum;
    });
    const { lower } = factoriseSemidefiniteInPlace(Float64Array.from(matrix), size);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k <= j; k++) sum += (lower[i * size + k] as number) * (lower[j * size + k] as number);
        expect(sum).toBeCloseTo(matrix[i * size + j] as number, 6);
      }
    }
  });

  it('refuse what is not finite', () => {
    expect(() => factoriseSemidefiniteInPlace(Float64Array.of(Number.NaN), 1)).toThrow(NumericalError);
    expect(() => factoriseSemidefiniteInPlace(Float64Array.of(1, 0, Infinity, 1), 2)).toThrow(NumericalError);
    expect(() => factoriseSemidefiniteInPlace(Float64Array.of(Infinity), 1)).toThrow(NumericalError);
  });
});
