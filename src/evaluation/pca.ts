// Principal components of images or codes: what a linear encoder could do, as a control beside the probe of a learned one.

import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import { addTransposedProduct, type CompressedRows, compressRows, multiplyRows } from './compressed-rows.ts';
import { symmetricEigen } from '../models/symmetric-eigen.ts';
import { addScaled, dot } from './vectors.ts';

export interface PcaOptions {
  /** [N, D], N at least 2. */
  readonly features: Float32Array;
  /** D */
  readonly dim: number;
  /** k, at most min(N, D). */
  readonly components: number;
}

export interface Pca {
  readonly dim: number;
  readonly components: number;
  /** [D] */
  readonly mean: Float64Array;
  /** [k, D] Orthonormal rows, largest variance first; the entry of largest absolute value in each is positive. */
  readonly axes: Float64Array;
  /** [k] Variance along each axis (n - 1), as scikit-learn's `explained_variance_`. */
  readonly variances: Float64Array;
}

/**
 * The leading k components by block Lanczos with full reorthogonalisation and Rayleigh-Ritz (Golub and Van Loan, Matrix
 * Computations, 10.3) from a fixed random start: the same numbers every time, with residuals below 1e-7 of the largest
 * variance. Throws ShapeError on sizes, NumericalError where a feature is not finite.
 */
export function fitPca({ features, dim, components }: PcaOptions): Pca {
  const rows = compressRows(features, dim);
  if (!(rows.count >= 2 && components >= 1 && components <= Math.min(rows.count, dim))) {
    throw new ShapeError(
      `Cannot take ${components} components of ${rows.count} examples with ${dim} features each; ` +
        'expected 2 or more examples, and 1 or more components, no more than examples or features.',
      { components, examples: rows.count, dim },
    );
  }
  const mean = columnMeans(rows);
  const krylov: Krylov = { basis: [], images: [], projected: [] };
  let nextCheck = components + 2 * BLOCK;
  for (;;) {
    const block = nextBlock(krylov, dim);
    const images = applyCovariance(rows, mean, block);
    block.forEach((vector, i) => {
      append(krylov, vector, images[i] as Float64Array);
    });
    const size = krylov.basis.length;
    if (size < nextCheck && size < dim) continue;
    const found = leadingPairs(krylov, components);
    if (size === dim || found.residual <= TOLERANCE * (found.variances[0] as number)) {
      return { dim, components, mean, axes: found.axes, variances: found.variances };
    }
    nextCheck = Math.ceil(1.25 * size);
  }
}

/** Coordinates of each row of `features` [N, D] along the components: [N, k]. Throws ShapeError. */
export function projectOnto(pca: Pca, features: Float32Array): Float32Array {
  const { dim, components, mean, axes } = pca;
  const rows = compressRows(features, dim);
  const factor = Float64Array.from({ length: dim * components }, (_, i) => {
    return axes[(i % components) * dim + Math.floor(i / components)] as number; // [D, k]
  });
  const shift = Array.from({ length: components }, (_, j) => {
    return mean.reduce((sum, value, d) => sum + value * (factor[d * components + j] as number), 0);
  });
  const out = new Float64Array(rows.count * components); // [N, k]
  multiplyRows(rows, { factor, width: components, out });
  return Float32Array.from(out, (value, i) => value - (shift[i % components] as number));
}

// --- internal ---

/** Five vectors suit the registers of `multiplyRows`, and find components of equal variance up to five together. */
const BLOCK = 5;
/** Of the largest variance: how far a component may be from being an eigenvector. */
const TOLERANCE = 1e-7;
/** Of a candidate's length: what is left below that is rounding, no direction. */
const NEW_DIRECTION = 1e-10;

/** The space searched so far. */
interface Krylov {
  /** Orthonormal vectors [D]. */
  readonly basis: Float64Array[];
  /** The covariance times each of them, [D]. */
  readonly images: Float64Array[];
  /** Row i: basis i . image j for j up to i. */
  readonly projected: number[][];
}

function columnMeans(rows: CompressedRows): Float64Array {
  const mean = new Float64Array(rows.dim);
  rows.columns.forEach((column, u) => {
    mean[column] = (mean[column] as number) + (rows.values[u] as number) / rows.count;
  });
  const at = mean.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new NumericalError(`Feature ${at} is not finite for every example.`, { feature: at });
  return mean;
}

/** Covariance times each vector: X^T (X v - 1 (mean . v)) / (N - 1), for all of them in one pass. */
function applyCovariance(
  rows: CompressedRows,
  mean: Float64Array,
  vectors: readonly Float64Array[],
): readonly Float64Array[] {
  const width = vectors.length;
  const factor = Float64Array.from(
    { length: rows.dim * width },
    (_, i) => (vectors[i % width] as Float64Array)[Math.floor(i / width)] as number,
  ); // [D, width]
  const shifts = vectors.map((vector) => dot(mean, vector));
  const coordinates = new Float64Array(rows.count * width); // [N, width]
  multiplyRows(rows, { factor, width, out: coordinates });
  for (let i = 0; i < coordinates.length; i++) {
    coordinates[i] = ((coordinates[i] as number) - (shifts[i % width] as number)) / (rows.count - 1);
  }
  const out = new Float64Array(rows.dim * width); // [D, width]
  addTransposedProduct(rows, { factor: coordinates, width, out });
  return vectors.map((_, c) => Float64Array.from({ length: rows.dim }, (_, d) => out[d * width + c] as number));
}

/** The newest images, and fixed random vectors where those bring nothing new, orthonormal to each other and the basis. */
function nextBlock({ basis, images }: Krylov, dim: number): readonly Float64Array[] {
  const candidates = images.slice(-BLOCK);
  const block: Float64Array[] = [];
  for (let attempt = 0; block.length < Math.min(BLOCK, dim - basis.length); attempt++) {
    const key = childKey(seedKey('principal-components'), basis.length, attempt);
    const candidate = candidates[attempt] ?? Float64Array.from(normals(key, dim));
    const vector = orthonormalised(candidate, [...basis, ...block]);
    if (vector !== undefined) block.push(vector);
  }
  return block;
}

function orthonormalised(candidate: Float64Array, against: readonly Float64Array[]): Float64Array | undefined {
  const vector = Float64Array.from(candidate);
  for (const _pass of [1, 2]) for (const other of against) addScaled(vector, -dot(vector, other), other);
  const length = Math.sqrt(dot(vector, vector));
  if (!(length > NEW_DIRECTION * Math.sqrt(dot(candidate, candidate)))) return undefined;
  return vector.map((value) => value / length);
}

function append({ basis, images, projected }: Krylov, vector: Float64Array, image: Float64Array): void {
  basis.push(vector);
  images.push(image);
  projected.push(images.map((other) => dot(vector, other)));
}

/** Rayleigh-Ritz: the best approximations of the leading eigenpairs within the space. */
function leadingPairs(
  { basis, images, projected }: Krylov,
  components: number,
): { variances: Float64Array; axes: Float64Array; residual: number } {
  const size = basis.length;
  const dim = (basis[0] as Float64Array).length;
  const small = Float64Array.from({ length: size * size }, (_, i) => {
    const row = Math.floor(i / size);
    const column = i % size;
    return projected[Math.max(row, column)]?.[Math.min(row, column)] as number;
  });
  const { values, vectors } = symmetricEigen(small, size);
  const variances = values.slice(0, components).map((value) => Math.max(0, value));
  const axes = new Float64Array(components * dim); // [k, D]
  let residual = 0;
  for (let j = 0; j < components; j++) {
    const axis = axes.subarray(j * dim, (j + 1) * dim);
    const rest = new Float64Array(dim);
    for (let i = 0; i < size; i++) {
      const share = vectors[j * size + i] as number;
      addScaled(axis, share, basis[i] as Float64Array);
      addScaled(rest, share, images[i] as Float64Array);
    }
    addScaled(rest, -(variances[j] as number), axis);
    residual = Math.max(residual, Math.sqrt(dot(rest, rest)));
    fixSign(axis);
  }
  return { variances, axes, residual };
}

function fixSign(axis: Float64Array): void {
  const largest = axis.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  if (largest < 0) for (let d = 0; d < axis.length; d++) axis[d] = -(axis[d] as number);
}
