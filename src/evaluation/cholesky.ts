// Cholesky factors of dense symmetric matrices: they invert the curvature that a probe's fit begins with, and take the
// root of covariances.

import { NumericalError } from '../errors.ts';

export interface CholeskyFactor {
  readonly size: number;
  /** [size, size] L in the lower triangle, where A = L L^T. The upper triangle means nothing. */
  readonly lower: Float64Array;
}

/**
 * Factorises a symmetric positive definite matrix [size, size] in place: its lower triangle is read and overwritten, the
 * upper one left alone. Throws NumericalError when the matrix is not positive definite.
 */
export function factoriseInPlace(matrix: Float64Array, size: number): CholeskyFactor {
  for (let i = 0; i < size; i++) {
    const rowI = i * size;
    for (let j = 0; j <= i; j++) {
      const rowJ = j * size;
      let sum = matrix[rowI + j] as number;
      for (let k = 0; k < j; k++) sum -= (matrix[rowI + k] as number) * (matrix[rowJ + k] as number);
      if (i > j) matrix[rowI + j] = sum / (matrix[rowJ + j] as number);
      else if (sum > 0) matrix[rowI + i] = Math.sqrt(sum);
      else
        throw new NumericalError(`Expected a positive definite matrix, but pivot ${i} of ${size} is ${sum}.`, {
          pivot: i,
        });
    }
  }
  return { size, lower: matrix };
}

/**
 * Factorises a symmetric positive semidefinite matrix [size, size] in place, as `factoriseInPlace` does. Where a pivot is
 * zero but for rounding, that column of L is zero: L L^T is A to rounding, but L has no inverse. Throws NumericalError
 * where a pivot is not finite.
 */
export function factoriseSemidefiniteInPlace(matrix: Float64Array, size: number): CholeskyFactor {
  let largest = 0;
  for (let i = 0; i < size; i++) largest = Math.max(largest, matrix[i * size + i] as number);
  const rounding = size * Number.EPSILON * largest;
  for (let i = 0; i < size; i++) {
    const rowI = i * size;
    for (let j = 0; j <= i; j++) {
      const rowJ = j * size;
      let sum = matrix[rowI + j] as number;
      for (let k = 0; k < j; k++) sum -= (matrix[rowI + k] as number) * (matrix[rowJ + k] as number);
      if (i > j) matrix[rowI + j] = matrix[rowJ + j] === 0 ? 0 : sum / (matrix[rowJ + j] as number);
      else if (Number.isFinite(sum + rounding)) matrix[rowI + i] = sum > rounding ? Math.sqrt(sum) : 0;
      else throw new NumericalError(`Expected finite entries, but pivot ${i} of ${size} is ${sum}.`, { pivot: i });
    }
  }
  return { size, lower: matrix };
}

/** Replaces each column of `right` [size, columns] by A^-1 times it, given the factor of A. */
export function solveInPlace(factor: CholeskyFactor, right: Float64Array, columns: number): void {
  let c = 0;
  for (; c + 5 <= columns; c += 5) solveFive(factor, right, { columns, c });
  for (; c < columns; c++) solveOne(factor, right, { columns, c });
}

// --- internal ---

interface Place {
  readonly columns: number;
  /** The (first) column to solve for. */
  readonly c: number;
}

function solveOne({ lower, size }: CholeskyFactor, right: Float64Array, { columns, c }: Place): void {
  for (let i = 0; i < size; i++) {
    // L y = b, from the top
    let value = right[i * columns + c] as number;
    for (let k = 0; k < i; k++) value -= (lower[i * size + k] as number) * (right[k * columns + c] as number);
    right[i * columns + c] = value / (lower[i * size + i] as number);
  }
  for (let i = size - 1; i >= 0; i--) {
    // L^T x = y, from the bottom
    const value = (right[i * columns + c] as number) / (lower[i * size + i] as number);
    right[i * columns + c] = value;
    for (let k = 0; k < i; k++) {
      right[k * columns + c] = (right[k * columns + c] as number) - value * (lower[i * size + k] as number);
    }
  }
}

/** `solveOne` for columns c to c + 4 at once, with their five numbers in registers: about four times as fast. */
function solveFive({ lower, size }: CholeskyFactor, right: Float64Array, { columns, c }: Place): void {
  for (let i = 0; i < size; i++) {
    const at = i * columns + c;
    let v0 = right[at] as number;
    let v1 = right[at + 1] as number;
    let v2 = right[at + 2] as number;
    let v3 = right[at + 3] as number;
    let v4 = right[at + 4] as number;
    for (let k = 0; k < i; k++) {
      const f = lower[i * size + k] as number;
      const p = k * columns + c;
      v0 -= f * (right[p] as number);
      v1 -= f * (right[p + 1] as number);
      v2 -= f * (right[p + 2] as number);
      v3 -= f * (right[p + 3] as number);
      v4 -= f * (right[p + 4] as number);
    }
    const pivot = lower[i * size + i] as number;
    right[at] = v0 / pivot;
    right[at + 1] = v1 / pivot;
    right[at + 2] = v2 / pivot;
    right[at + 3] = v3 / pivot;
    right[at + 4] = v4 / pivot;
  }
  for (let i = size - 1; i >= 0; i--) {
    const at = i * columns + c;
    const pivot = lower[i * size + i] as number;
    const v0 = (right[at] as number) / pivot;
    const v1 = (right[at + 1] as number) / pivot;
    const v2 = (right[at + 2] as number) / pivot;
    const v3 = (right[at + 3] as number) / pivot;
    const v4 = (right[at + 4] as number) / pivot;
    right[at] = v0;
    right[at + 1] = v1;
    right[at + 2] = v2;
    right[at + 3] = v3;
    right[at + 4] = v4;
    for (let k = 0; k < i; k++) {
      const f = lower[i * size + k] as number;
      const p = k * columns + c;
      right[p] = (right[p] as number) - v0 * f;
      right[p + 1] = (right[p + 1] as number) - v1 * f;
      right[p + 2] = (right[p + 2] as number) - v2 * f;
      right[p + 3] = (right[p + 3] as number) - v3 * f;
      right[p + 4] = (right[p + 4] as number) - v4 * f;
    }
  }
}
