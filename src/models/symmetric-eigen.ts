// Eigenvalues and eigenvectors of small symmetric matrices, by Jacobi rotations.

import { NumericalError, ShapeError } from '../errors.ts';

export interface SymmetricEigen {
  /** [size] Largest first. */
  readonly values: Float64Array;
  /** [size, size] Row i is the unit eigenvector of value i. */
  readonly vectors: Float64Array;
}

/**
 * All of a symmetric matrix [size, size], to rounding (cyclic Jacobi; Golub and Van Loan, Matrix Computations, 8.5). Time
 * grows with size^3: 100 take some 50 ms. The matrix is not changed. Throws ShapeError, and NumericalError on NaN.
 */
export function symmetricEigen(matrix: Float64Array, size: number): SymmetricEigen {
  if (matrix.length !== size * size) {
    throw new ShapeError(`Expected ${size} x ${size} entries, got ${matrix.length}.`, { size, entries: matrix.length });
  }
  const work: Work = { a: Float64Array.from(matrix), v: new Float64Array(size * size), size };
  const { a, v } = work;
  const squares = a.reduce((sum, x) => sum + x * x, 0);
  if (!Number.isFinite(squares)) throw new NumericalError('Expected finite entries in a symmetric matrix.', { size });
  for (let i = 0; i < size; i++) v[i * size + i] = 1;
  for (let sweep = 0; sweep < MAX_SWEEPS && offDiagonalSquares(work) > 1e-30 * squares; sweep++) {
    for (let p = 0; p < size - 1; p++) for (let q = p + 1; q < size; q++) rotate(work, p, q);
  }
  const order = Array.from({ length: size }, (_, i) => i).sort(
    (i, j) => (a[j * size + j] as number) - (a[i * size + i] as number),
  );
  const vectors = new Float64Array(size * size);
  order.forEach((from, to) => {
    vectors.set(v.subarray(from * size, (from + 1) * size), to * size);
  });
  return { values: Float64Array.from(order, (i) => a[i * size + i] as number), vectors };
}

// --- internal ---

/** Convergence is quadratic: six to ten sweeps do. */
const MAX_SWEEPS = 40;

interface Work {
  /** [size, size], becomes diagonal. */
  readonly a: Float64Array;
  /** [size, size], rows become eigenvectors. */
  readonly v: Float64Array;
  readonly size: number;
}

function offDiagonalSquares({ a, size }: Work): number {
  let sum = 0;
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) sum += 2 * (a[i * size + j] as number) ** 2;
  return sum;
}

/** Turns the plane of axes p and q so that a[p, q] becomes zero: a <- J^T a J, and the rows of v with it. */
function rotate({ a, v, size }: Work, p: number, q: number): void {
  const rowP = p * size;
  const rowQ = q * size;
  const apq = a[rowP + q] as number;
  if (apq === 0) return;
  const theta = ((a[rowQ + q] as number) - (a[rowP + p] as number)) / (2 * apq);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cos = 1 / Math.sqrt(t * t + 1);
  const sin = t * cos;
  const app = (a[rowP + p] as number) - t * apq;
  const aqq = (a[rowQ + q] as number) + t * apq;
  for (let k = 0; k < size; k++) {
    const x = a[rowP + k] as number;
    const y = a[rowQ + k] as number;
    const turnedX = cos * x - sin * y;
    const turnedY = sin * x + cos * y;
    a[rowP + k] = turnedX;
    a[rowQ + k] = turnedY;
    a[k * size + p] = turnedX;
    a[k * size + q] = turnedY;
    const vx = v[rowP + k] as number;
    const vy = v[rowQ + k] as number;
    v[rowP + k] = cos * vx - sin * vy;
    v[rowQ + k] = sin * vx + cos * vy;
  }
  a[rowP + p] = app;
  a[rowQ + q] = aqq;
  a[rowP + q] = 0;
  a[rowQ + p] = 0;
}
