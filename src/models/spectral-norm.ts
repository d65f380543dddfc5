// The largest singular value of a weight matrix: quickly from below while training, rigorously from above for a certificate.

import { ShapeError } from '../errors.ts';

/** A matrix as it lies in a weight: [rows, columns], row by row. */
export interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/**
 * One step of power iteration on M^T M, in one pass over the matrix: returns |M v| for the unit vector v in `direction
 * [columns]`, never above ||M||_2 but for rounding, and puts the next unit vector there. A zero direction stays zero.
 */
export function powerStep({ values, rows, columns }: Matrix, direction: Float32Array): number {
  const v = Float64Array.from(direction);
  const next = new Float64Array(columns); // M^T M v
  let square = 0; // |M v|^2
  let i = 0;
  for (; i + 4 <= rows; i += 4) square += powerStepOfFourRows(values, i * columns, { v, next });
  for (; i < rows; i++) {
    const at = i * columns;
    let product = 0;
    for (let j = 0; j < columns; j++) product += (values[at + j] as number) * (v[j] as number);
    square += product * product;
    for (let j = 0; j < columns; j++) next[j] = (next[j] as number) + product * (values[at + j] as number);
  }
  const length = Math.sqrt(next.reduce((sum, x) => sum + x * x, 0));
  if (length > 0) for (let j = 0; j < columns; j++) direction[j] = (next[j] as number) / length;
  return Math.sqrt(square);
}

/** A unit vector that no weight matrix is likely to be blind to: where power iteration starts, the same at every call. */
export function startDirection(direction: Float32Array): void {
  direction.set(startVector(direction.length));
}

/**
 * A number that is not below ||M||_2, whatever float64 rounds: c such that Cholesky's algorithm proves c^2 I - M M^T
 * positive definite (Rump 2006, "Verification of positive definiteness", BIT 46), with errors of the Gram matrix and of the
 * algorithm added (Higham 2002, theorem 10.3). Mostly within 1e-5 of the norm, relatively. Beyond 1,024 rows and columns, where that
 * takes minutes, the coarser min(||M||_F, sqrt(||M||_1 ||M||_inf)). Throws ShapeError where entries are not finite.
 */
export function normUpperBound(matrix: Matrix): number {
  const { values, rows, columns } = matrix;
  if (values.length !== rows * columns || rows === 0 || columns === 0 || !values.every(Number.isFinite)) {
    throw new ShapeError(`Expected ${rows} x ${columns} finite entries of a matrix, got ${values.length}.`, {
      rows,
      columns,
    });
  }
  const coarse = coarseUpperBound(matrix);
  const size = Math.min(rows, columns);
  if (coarse === 0 || size === 1 || size > MAX_GRAM) return coarse;
  const gram = gramMatrix(matrix);
  const trace = diagonalSum(gram, size);
  const gramError = gamma(Math.max(rows, columns)) * trace; // of the computed Gram matrix, in the 2-norm
  const estimate = gramNorm(gram, size);
  for (let slack = 1e-7; slack < 1; slack *= 8) {
    const bound = Math.sqrt(estimate) * (1 + slack);
    if (bound >= coarse) break;
    const lifted = bound * bound;
    const choleskyError = (2 * gamma(size + 2) + 8 * ROUNDING) * size * lifted; // trace of lifted I - G is below size * lifted
    if (isPositiveDefinite(gram, size, lifted - gramError - choleskyError)) return bound * (1 + 4 * ROUNDING);
  }
  return coarse;
}

// --- internal ---

/** Half a unit in the last place of float64. */
const ROUNDING = 2 ** -53;

/** Larger Gram matrices take minutes. */
const MAX_GRAM = 1024;

/** Steps of power iteration on the Gram matrix: what they leave out is found by the slack. */
const GRAM_STEPS = 200;

/** Relative error of a sum of n products: n u / (1 - n u) (Higham 2002, lemma 3.1). */
function gamma(n: number): number {
  return (n * ROUNDING) / (1 - n * ROUNDING);
}

/** min(||M||_F, sqrt(||M||_1 ||M||_inf)), rounded up. */
function coarseUpperBound({ values, rows, columns }: Matrix): number {
  const columnSums = new Float64Array(columns);
  let squares = 0;
  let largestRow = 0;
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) {
      const size = Math.abs(values[i * columns + j] as number);
      sum += size;
      squares += size * size;
      columnSums[j] = (columnSums[j] as number) + size;
    }
    largestRow = Math.max(largestRow, sum);
  }
  const largestColumn = columnSums.reduce((largest, sum) => Math.max(largest, sum), 0);
  return Math.sqrt(Math.min(squares, largestRow * largestColumn)) * (1 + gamma(rows * columns + 8));
}

/** M M^T or M^T M, whichever is smaller: the lower triangle of [size, size]. Products of float32 are exact in float64. */
function gramMatrix({ values, rows, columns }: Matrix): Float64Array {
  const isWide = rows <= columns;
  const [size, depth] = isWide ? [rows, columns] : [columns, rows];
  const lines = Float64Array.from({ length: size * depth }, (_, at) => {
    const [i, k] = [Math.floor(at / depth), at % depth];
    return values[isWide ? i * columns + k : k * columns + i] as number;
  });
  const gram = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) gram[i * size + j] = dotOf(lines, { i: i * depth, j: j * depth, count: depth });
  }
  return gram;
}

/** Product of two stretches of `count` numbers, from i and from j on; four sums at once keep a processor busy. */
function dotOf(
  values: Float64Array,
  { i, j, count }: { readonly i: number; readonly j: number; readonly count: number },
): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let k = 0;
  for (; k + 4 <= count; k += 4) {
    s0 += (values[i + k] as number) * (values[j + k] as number);
    s1 += (values[i + k + 1] as number) * (values[j + k + 1] as number);
    s2 += (values[i + k + 2] as number) * (values[j + k + 2] as number);
    s3 += (values[i + k + 3] as number) * (values[j + k + 3] as number);
  }
  for (; k < count; k++) s0 += (values[i + k] as number) * (values[j + k] as number);
  return s0 + s1 + s2 + s3;
}

/** Adds what four rows from `at` on have in M^T M v, and returns what they have in |M v|^2. */
function powerStepOfFourRows(
  values: Float32Array,
  at: number,
  { v, next }: { readonly v: Float64Array; readonly next: Float64Array },
): number {
  const columns = v.length;
  const [a0, a1, a2, a3] = [at, at + columns, at + 2 * columns, at + 3 * columns];
  let [p0, p1, p2, p3] = [0, 0, 0, 0];
  for (let j = 0; j < columns; j++) {
    const x = v[j] as number;
    p0 += (values[a0 + j] as number) * x;
    p1 += (values[a1 + j] as number) * x;
    p2 += (values[a2 + j] as number) * x;
    p3 += (values[a3 + j] as number) * x;
  }
  for (let j = 0; j < columns; j++) {
    const first = p0 * (values[a0 + j] as number) + p1 * (values[a1 + j] as number);
    next[j] = (next[j] as number) + first + p2 * (values[a2 + j] as number) + p3 * (values[a3 + j] as number);
  }
  return p0 * p0 + p1 * p1 + p2 * p2 + p3 * p3;
}

function diagonalSum(gram: Float64Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += gram[i * size + i] as number;
  return sum;
}

/** An estimate of the largest eigenvalue, from below. */
function gramNorm(gram: Float64Array, size: number): number {
  let v = startVector(size);
  let norm = 0;
  for (let step = 0; step < GRAM_STEPS; step++) {
    const next = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      const line = i * size;
      let sum = (gram[line + i] as number) * (v[i] as number);
      for (let j = 0; j < i; j++) {
        const entry = gram[line + j] as number;
        sum += entry * (v[j] as number);
        next[j] = (next[j] as number) + entry * (v[i] as number);
      }
      next[i] = (next[i] as number) + sum;
    }
    const length = Math.sqrt(next.reduce((sum, x) => sum + x * x, 0));
    if (!(length > 0)) return 0;
    v = next.map((x) => x / length);
    if (length < norm * (1 + 1e-12)) break;
    norm = length;
  }
  return norm;
}

/** Numbers from 1/2 to 3/2 without a pattern, scaled to length one: by exact arithmetic, the same on every machine. */
function startVector(size: number): Float64Array {
  const vector = Float64Array.from({ length: size }, (_, j) => 0.5 + (Math.imul(j + 1, 0x9e3779b1) >>> 0) * 2 ** -32);
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / length);
}

/** Whether Cholesky's algorithm runs through on `shift I - gram`. */
function isPositiveDefinite(gram: Float64Array, size: number, shift: number): boolean {
  const factor = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const row = i * size;
    for (let j = 0; j <= i; j++) {
      const other = j * size;
      const sum = (i === j ? shift : 0) - (gram[row + j] as number) - dotOf(factor, { i: row, j: other, count: j });
      if (i > j) factor[row + j] = sum / (factor[other + j] as number);
      else if (sum > 0) factor[row + i] = Math.sqrt(sum);
      else return false;
    }
  }
  return true;
}
