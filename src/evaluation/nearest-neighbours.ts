// Exact nearest neighbours by squared distance, in plain typed arrays: 600 images among 12,000 of 784 pixels in seconds.

import { NumericalError, ShapeError } from '../errors.ts';

export interface NeighbourOptions {
  /** [Q, D] */
  readonly queries: Float32Array;
  /** [R, D], R at least 1. */
  readonly references: Float32Array;
  /** D */
  readonly dim: number;
}

/** For each query the nearest reference, the first of equals. */
export interface Neighbours {
  /** [Q] Rows of the references. */
  readonly rows: Uint32Array;
  /** [Q] Euclidean distances, exactly 0 for a copy. */
  readonly distances: Float64Array;
}

/**
 * The nearest reference r of a query q has the largest 2 q.r - |r|^2. Products are taken two queries by four references at
 * a time, in references that fit into the cache; the distance of the winner is then summed from differences. Throws
 * ShapeError where sizes do not fit or there is no reference, NumericalError where a number is not finite.
 */
export function nearestNeighbours({ queries, references, dim }: NeighbourOptions): Neighbours {
  const count = rowsOf('queries', queries, dim);
  const referenceCount = rowsOf('references', references, dim);
  if (referenceCount === 0) throw new ShapeError('Expected at least one reference to be near to, but got none.');
  const padded = new Float64Array((count + (count % 2)) * dim); // [Q or Q + 1, D]
  padded.set(queries);
  const best: Best = {
    scores: new Float64Array(count + 1).fill(Number.NEGATIVE_INFINITY),
    rows: new Uint32Array(count + 1),
  };
  const block = new Float64Array(BLOCK * dim); // [BLOCK, D]
  const norms = new Float64Array(BLOCK);
  for (let start = 0; start < referenceCount; start += BLOCK) {
    const rows = Math.min(BLOCK, referenceCount - start);
    block.fill(0).set(references.subarray(start * dim, (start + rows) * dim));
    for (let j = 0; j < BLOCK; j++) norms[j] = j < rows ? squaredNorm(block, j * dim, dim) : Number.POSITIVE_INFINITY;
    for (let q = 0; q < count; q += 2) compare({ padded, q, block, norms, rows, start, dim }, best);
  }
  const rows = best.rows.subarray(0, count);
  const distances = Float64Array.from(rows, (row, q) => distance(queries, q * dim, references, row * dim, dim));
  const at = distances.findIndex((value) => !Number.isFinite(value));
  if (at === -1) return { rows, distances };
  throw new NumericalError(`Row ${at} of the queries or its neighbour holds a number that is not finite.`, { row: at });
}

// --- internal ---

/** References compared at a time; a multiple of 4. 64 rows of 784 numbers are 400 kB. */
const BLOCK = 64;

interface Best {
  readonly scores: Float64Array;
  readonly rows: Uint32Array;
}

interface Comparison {
  readonly padded: Float64Array;
  /** First of two queries. */
  readonly q: number;
  readonly block: Float64Array;
  readonly norms: Float64Array;
  /** References in the block. */
  readonly rows: number;
  /** Row of the first among all references. */
  readonly start: number;
  readonly dim: number;
}

function compare({ padded, q, block, norms, rows, start, dim }: Comparison, best: Best): void {
  const from = q * dim;
  for (let j = 0; j < rows; j += 4) {
    let [a0, a1, a2, a3, b0, b1, b2, b3] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let d = 0, u = from, v = j * dim; d < dim; d++, u++, v++) {
      const a = padded[u] as number;
      const b = padded[u + dim] as number;
      const r0 = block[v] as number;
      const r1 = block[v + dim] as number;
      const r2 = block[v + 2 * dim] as number;
      const r3 = block[v + 3 * dim] as number;
      a0 += a * r0;
      a1 += a * r1;
      a2 += a * r2;
      a3 += a * r3;
      b0 += b * r0;
      b1 += b * r1;
      b2 += b * r2;
      b3 += b * r3;
    }
    offer(best, q, start + j, 2 * a0 - (norms[j] as number));
    offer(best, q, start + j + 1, 2 * a1 - (norms[j + 1] as number));
    offer(best, q, start + j + 2, 2 * a2 - (norms[j + 2] as number));
    offer(best, q, start + j + 3, 2 * a3 - (norms[j + 3] as number));
    offer(best, q + 1, start + j, 2 * b0 - (norms[j] as number));
    offer(best, q + 1, start + j + 1, 2 * b1 - (norms[j + 1] as number));
    offer(best, q + 1, start + j + 2, 2 * b2 - (norms[j + 2] as number));
    offer(best, q + 1, start + j + 3, 2 * b3 - (norms[j + 3] as number));
  }
}

function offer({ scores, rows }: Best, query: number, row: number, score: number): void {
  if (!(score > (scores[query] as number))) return;
  scores[query] = score;
  rows[query] = row;
}

function squaredNorm(values: Float64Array, from: number, dim: number): number {
  let sum = 0;
  for (let i = from; i < from + dim; i++) sum += (values[i] as number) * (values[i] as number);
  return sum;
}

function distance(a: Float32Array, atA: number, b: Float32Array, atB: number, dim: number): number {
  let sum = 0;
  for (let d = 0; d < dim; d++) {
    const difference = (a[atA + d] as number) - (b[atB + d] as number);
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}

function rowsOf(what: string, values: Float32Array, dim: number): number {
  const count = values.length / dim;
  if (Number.isInteger(count)) return count;
  throw new ShapeError(`Expected whole ${what} of ${dim} numbers each, but got ${values.length} numbers.`, {
    length: values.length,
    dim,
  });
}
