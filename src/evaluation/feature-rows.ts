// Feature vectors as rows of one array, and the sums over pairs of rows that distances between sets of images rest on.

import { NumericalError, ShapeError } from '../errors.ts';

/** N feature vectors of F numbers. */
export interface FeatureRows {
  /** [N, F] */
  readonly values: Float32Array;
  /** F */
  readonly size: number;
}

/** Some of the rows, one after another. */
export interface RowBlock extends FeatureRows {
  readonly start: number;
  readonly count: number;
}

/**
 * N of the rows. Throws ShapeError where they are no whole rows or fewer than `least`, NumericalError where a feature is
 * not finite. `what` names the rows in messages.
 */
export function checkedCount({ values, size }: FeatureRows, what: string, least: number): number {
  const count = values.length / size;
  if (!(Number.isInteger(size) && size >= 1 && Number.isInteger(count))) {
    throw new ShapeError(`Expected rows of ${size} features of ${what} images, got ${values.length} numbers.`, {
      size,
      values: values.length,
    });
  }
  if (count < least) {
    throw new ShapeError(`Expected features of at least ${least} ${what} images, got ${count}. Draw more.`, {
      count,
      least,
    });
  }
  const odd = values.findIndex((value) => !Number.isFinite(value));
  if (odd !== -1) {
    const row = Math.floor(odd / size);
    throw new NumericalError(`Feature ${odd % size} of ${what} image ${row} is ${values[odd]}; expected numbers.`, {
      row,
    });
  }
  return count;
}

/** Throws ShapeError unless both have vectors of one length. */
export function checkSameSize(real: FeatureRows, synthetic: FeatureRows): void {
  if (real.size === synthetic.size) return;
  throw new ShapeError(
    `Real images have ${real.size} features and synthetic ones ${synthetic.size}; compare features of one extractor.`,
    { real: real.size, synthetic: synthetic.size },
  );
}

/** The rows, copied one after another. */
export function selectRows({ values, size }: FeatureRows, rows: ArrayLike<number>): FeatureRows {
  const out = new Float32Array(rows.length * size);
  for (let i = 0; i < rows.length; i++) {
    const start = (rows[i] as number) * size;
    out.set(values.subarray(start, start + size), i * size);
  }
  return { values: out, size };
}

/** The rows of `a`, then those of `b`. */
export function joinRows(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** |a_i - b_j|^2 into `out` [a.count, b.count]. Exactly 0 for equal rows, and the same for (b, a). */
export function squaredDistances(a: RowBlock, b: RowBlock, out: Float64Array): void {
  const { size } = a;
  const [x, y] = [a.values, b.values];
  for (let i = 0; i < a.count; i += 2) {
    const second = Math.min(i + 1, a.count - 1); // where the number is odd, the last row serves twice
    const i0 = (a.start + i) * size;
    const i1 = (a.start + second) * size;
    for (let j = 0; j < b.count; j += 2) {
      const other = Math.min(j + 1, b.count - 1);
      const j0 = (b.start + j) * size;
      const j1 = (b.start + other) * size;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      for (let k = 0; k < size; k++) {
        const p = x[i0 + k] as number;
        const q = x[i1 + k] as number;
        const u = y[j0 + k] as number;
        const v = y[j1 + k] as number;
        s00 += (p - u) * (p - u);
        s01 += (p - v) * (p - v);
        s10 += (q - u) * (q - u);
        s11 += (q - v) * (q - v);
      }
      out[i * b.count + j] = s00;
      out[i * b.count + other] = s01;
      out[second * b.count + j] = s10;
      out[second * b.count + other] = s11;
    }
  }
}

/** a_i . b_j into `out` [a.count, b.count]. */
export function innerProducts(a: RowBlock, b: RowBlock, out: Float64Array): void {
  const { size } = a;
  const [x, y] = [a.values, b.values];
  for (let i = 0; i < a.count; i += 2) {
    const second = Math.min(i + 1, a.count - 1);
    const i0 = (a.start + i) * size;
    const i1 = (a.start + second) * size;
    for (let j = 0; j < b.count; j += 2) {
      const other = Math.min(j + 1, b.count - 1);
      const j0 = (b.start + j) * size;
      const j1 = (b.start + other) * size;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      for (let k = 0; k < size; k++) {
        const p = x[i0 + k] as number;
        const q = x[i1 + k] as number;
        const u = y[j0 + k] as number;
        const v = y[j1 + k] as number;
        s00 += p * u;
        s01 += p * v;
        s10 += q * u;
        s11 += q * v;
      }
      out[i * b.count + j] = s00;
      out[i * b.count + other] = s01;
      out[second * b.count + j] = s10;
      out[second * b.count + other] = s11;
    }
  }
}

/** Blocks of at most `length` rows that cover the first `count` rows in order. */
export function blocksOf(rows: FeatureRows, count: number, length: number): readonly RowBlock[] {
  return Array.from({ length: Math.ceil(count / length) }, (_, b) => {
    const start = b * length;
    return { values: rows.values, size: rows.size, start, count: Math.min(length, count - start) };
  });
}
