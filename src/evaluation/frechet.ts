// The Frechet distance between two sets of images: how far apart Gaussians fitted to their features are (FID).

import { factoriseSemidefiniteInPlace } from './cholesky.ts';
import { checkedCount, type FeatureRows } from './feature-rows.ts';
import { ShapeError } from '../errors.ts';
import { symmetricEigenvalues } from './symmetric-eigenvalues.ts';

/** A Gaussian fitted to N feature vectors. */
export interface GaussianFit {
  /** N */
  readonly count: number;
  /** F */
  readonly size: number;
  /** [F] */
  readonly mean: Float64Array;
  /** Of the covariance. */
  readonly trace: number;
  /** [rank, F] R with R^T R = covariance (divided by N - 1); rank = min(N, F). */
  readonly root: Float64Array;
  readonly rank: number;
  /** Whether row i of the root is zero before column i. */
  readonly triangular: boolean;
}

/**
 * Mean and covariance (divisor N - 1) of the features. Where there are fewer images than features the covariance is never
 * formed: the centred rows are a root of it. Throws ShapeError for fewer than two images, NumericalError for a feature
 * that is not finite. `what` names the images in messages.
 */
export function fitGaussian(rows: FeatureRows, what: string): GaussianFit {
  const count = checkedCount(rows, what, 2);
  const { size } = rows;
  const mean = meanOf(rows, count);
  if (count < size) {
    const scale = 1 / Math.sqrt(count - 1);
    const root = Float64Array.from(rows.values, (value, at) => scale * (value - (mean[at % size] as number)));
    return { count, size, mean, trace: squares(root), root, rank: count, triangular: false };
  }
  const covariance = covarianceOf(rows, { count, mean });
  let trace = 0;
  for (let d = 0; d < size; d++) trace += covariance[d * size + d] as number;
  const { lower } = factoriseSemidefiniteInPlace(covariance, size);
  const root = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) root[j * size + i] = lower[i * size + j] as number;
  return { count, size, mean, trace, root, rank: size, triangular: true };
}

/**
 * |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), from 0 (Heusel et al. 2017, equation 6). The last trace is the sum of the
 * singular values of R1 R2^T, that is of the square roots of the eigenvalues of a symmetric matrix as large as the
 * smaller root: no matrix square root is taken. Biased upwards for few images (Binkowski et al. 2018): compare distances
 * of equal numbers of images only. Throws ShapeError where the features differ in number.
 */
export function frechetDistance(a: GaussianFit, b: GaussianFit): number {
  if (a.size !== b.size) {
    throw new ShapeError(`Expected features of one extractor, got ${a.size} and ${b.size} of an image.`, {
      sizes: [a.size, b.size],
    });
  }
  let meansApart = 0;
  for (let d = 0; d < a.size; d++) meansApart += ((a.mean[d] as number) - (b.mean[d] as number)) ** 2;
  const shared = sharedTrace(a.rank <= b.rank ? a : b, a.rank <= b.rank ? b : a);
  return Math.max(0, meansApart + a.trace + b.trace - 2 * shared); // rounding may take it below
}

// --- internal ---

/** Rows whose products are summed at once: they stay in the processor's cache. */
const BLOCK = 64;

function meanOf({ values, size }: FeatureRows, count: number): Float64Array {
  const mean = new Float64Array(size);
  for (let row = 0; row < count; row++) {
    for (let d = 0; d < size; d++) mean[d] = (mean[d] as number) + (values[row * size + d] as number);
  }
  return mean.map((sum) => sum / count);
}

/** The lower triangle of the covariance [F, F]. */
function covarianceOf(
  { values, size }: FeatureRows,
  { count, mean }: { readonly count: number; readonly mean: Float64Array },
): Float64Array {
  const sums = new Float64Array(size * size);
  const columns = new Float64Array(size * BLOCK); // [F, BLOCK] centred
  for (let start = 0; start < count; start += BLOCK) {
    const rows = Math.min(BLOCK, count - start);
    columns.fill(0);
    for (let r = 0; r < rows; r++) {
      const from = (start + r) * size;
      for (let d = 0; d < size; d++) columns[d * BLOCK + r] = (values[from + d] as number) - (mean[d] as number);
    }
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let r = 0; r < BLOCK; r++) {
          sum += (columns[i * BLOCK + r] as number) * (columns[j * BLOCK + r] as number);
        }
        sums[i * size + j] = (sums[i * size + j] as number) + sum;
      }
    }
  }
  return sums.map((sum) => sum / (count - 1));
}

/** tr (S1 S2)^(1/2), where `a` has the smaller root. */
function sharedTrace(a: GaussianFit, b: GaussianFit): number {
  const { size } = a;
  const products = new Float64Array(a.rank * b.rank); // R1 R2^T [a.rank, b.rank]
  for (let i = 0; i < a.rank; i++) {
    for (let j = 0; j < b.rank; j++) {
      const from = Math.max(a.triangular ? i : 0, b.triangular ? j : 0);
      let sum = 0;
      for (let k = from; k < size; k++) sum += (a.root[i * size + k] as number) * (b.root[j * size + k] as number);
      products[i * b.rank + j] = sum;
    }
  }
  const squared = new Float64Array(a.rank * a.rank); // products products^T, its lower triangle
  for (let i = 0; i < a.rank; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < b.rank; k++) {
        sum += (products[i * b.rank + k] as number) * (products[j * b.rank + k] as number);
      }
      squared[i * a.rank + j] = sum;
    }
  }
  const values = symmetricEigenvalues(squared, a.rank);
  return values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

function squares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
