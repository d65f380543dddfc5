// Eigenvalues alone of symmetric matrices of any size: without eigenvectors it takes a tenth of the time and no memory.

import { NumericalError, ShapeError } from '../errors.ts';

/**
 * All eigenvalues of a symmetric matrix [size, size], largest first, to rounding of the largest: Householder reflections
 * to tridiagonal form, then implicit QL steps (Golub and Van Loan, Matrix Computations, 8.3). Only the lower triangle is
 * read, and it is overwritten. Throws ShapeError, and NumericalError where an entry is not finite.
 */
export function symmetricEigenvalues(matrix: Float64Array, size: number): Float64Array {
  if (matrix.length !== size * size) {
    throw new ShapeError(`Expected ${size} x ${size} entries, got ${matrix.length}.`, { size, entries: matrix.length });
  }
  for (let i = 0; i < size; i++) {
    if (matrix.subarray(i * size, i * size + i + 1).some((value) => !Number.isFinite(value))) {
      throw new NumericalError('Expected finite entries in a symmetric matrix.', { size, row: i });
    }
  }
  const tridiagonal = tridiagonalise(matrix, size);
  diagonalise(tridiagonal);
  return tridiagonal.diagonal.sort().reverse();
}

// --- internal ---

/** More than any matrix has been seen to need for one eigenvalue; two or three are usual. */
const MAX_STEPS = 60;

interface Tridiagonal {
  /** [size] */
  readonly diagonal: Float64Array;
  /** [size] Entry i joins i and i + 1; the last is 0. */
  readonly beside: Float64Array;
}

/** From the last row upwards, so that what is left to do is always the first rows, which lie together. */
function tridiagonalise(a: Float64Array, size: number): Tridiagonal {
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  const p = new Float64Array(size);
  for (let m = size - 1; m > 0; m--) {
    diagonal[m] = a[m * size + m] as number;
    beside[m - 1] = reflectRow(a, { row: m, size, p });
  }
  if (size > 0) diagonal[0] = a[0] as number;
  return { diagonal, beside };
}

interface Reflection {
  readonly row: number;
  readonly size: number;
  /** Room for a vector. */
  readonly p: Float64Array;
}

/**
 * Reflects row m's first m entries onto the last of them, and the m x m matrix above with them: A <- H A H with
 * H = I - 2 u u^T / |u|^2. Returns that last entry.
 */
function reflectRow(a: Float64Array, { row: m, size, p }: Reflection): number {
  const u = a.subarray(m * size, m * size + m);
  let largest = 0;
  for (let k = 0; k < m; k++) largest = Math.max(largest, Math.abs(u[k] as number));
  let beyond = 0; // squares of what is to vanish, scaled against under- and overflow
  for (let k = 0; k < m - 1; k++) beyond += ((u[k] as number) / largest) ** 2;
  const last = u[m - 1] as number;
  if (largest === 0 || beyond === 0) return last;
  const length = Math.sqrt(beyond + (last / largest) ** 2) * (last > 0 ? -1 : 1);
  for (let k = 0; k < m; k++) u[k] = (u[k] as number) / largest;
  u[m - 1] = (u[m - 1] as number) - length;
  const half = -length * (u[m - 1] as number); // |u|^2 / 2
  p.fill(0, 0, m);
  for (let i = 0; i < m; i++) {
    // p = A u from the lower triangle: each entry serves its own place and its mirror image
    const at = i * size;
    const ui = u[i] as number;
    let sum = (a[at + i] as number) * ui;
    for (let j = 0; j < i; j++) {
      const entry = a[at + j] as number;
      sum += entry * (u[j] as number);
      p[j] = (p[j] as number) + entry * ui;
    }
    p[i] = (p[i] as number) + sum;
  }
  let projection = 0;
  for (let k = 0; k < m; k++) {
    p[k] = (p[k] as number) / half;
    projection += (u[k] as number) * (p[k] as number);
  }
  const shift = projection / (2 * half);
  for (let k = 0; k < m; k++) p[k] = (p[k] as number) - shift * (u[k] as number);
  for (let i = 0; i < m; i++) {
    // A <- A - u p^T - p u^T
    const at = i * size;
    const ui = u[i] as number;
    const pi = p[i] as number;
    for (let j = 0; j <= i; j++) {
      a[at + j] = (a[at + j] as number) - ui * (p[j] as number) - pi * (u[j] as number);
    }
  }
  return length * largest;
}

/** QL steps with Wilkinson's shift until nothing is left beside the diagonal. */
function diagonalise({ diagonal: d, beside: e }: Tridiagonal): void {
  const size = d.length;
  for (let l = 0; l < size; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      while (m < size - 1 && !isNegligible(e[m] as number, d[m] as number, d[m + 1] as number)) m++;
      if (m === l) break;
      if (step === MAX_STEPS) {
        throw new NumericalError(`Eigenvalue ${l} of ${size} did not converge in ${MAX_STEPS} steps.`, { size });
      }
      qlStep({ d, e }, l, m);
    }
  }
}

function isNegligible(beside: number, above: number, below: number): boolean {
  const size = Math.abs(above) + Math.abs(below);
  return Math.abs(beside) <= Number.EPSILON * size || beside === 0;
}

/** One implicit QL step on rows l to m, by plane rotations from the bottom. */
function qlStep({ d, e }: { readonly d: Float64Array; readonly e: Float64Array }, l: number, m: number): void {
  const first = d[l] as number;
  const ratio = ((d[l + 1] as number) - first) / (2 * (e[l] as number));
  const root = Math.hypot(ratio, 1);
  let g = (d[m] as number) - first + (e[l] as number) / (ratio + (ratio < 0 ? -root : root));
  let [sin, cos, p] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = sin * (e[i] as number);
    const b = cos * (e[i] as number);
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      // splits into two
      d[i + 1] = (d[i + 1] as number) - p;
      e[m] = 0;
      return;
    }
    sin = f / r;
    cos = g / r;
    const below = (d[i + 1] as number) - p;
    const turn = ((d[i] as number) - below) * sin + 2 * cos * b;
    p = sin * turn;
    d[i + 1] = below + p;
    g = cos * turn - b;
  }
  d[l] = (d[l] as number) - p;
  e[l] = g;
  e[m] = 0;
}
