// The Gaussian mechanism on counts, sums and second moments of groups of records.
//
// Each record's contribution is rounded to the grid of the noise before it is added, so that sums are whole numbers below
// 2^53: exact, in any order, and no low-order bit of the result tells noise from records (Mironov 2012).

import { setImmediate } from 'node:timers/promises';
import { createArena } from '../engine/arena.ts';
import { gaussianNoise, NOISE_GRID } from '../engine/gaussian-noise.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError, PrivacyError, ShapeError } from '../errors.ts';
import { type GaussianReleasePlan, type ReleaseStage, sensitivityOf } from './gaussian-release.ts';

/** Records and what is asked of them. */
export interface MomentsRequest {
  /** [N, d] */
  readonly records: Float64Array;
  /** [N] The group that each record is in; -1 for none. It may depend on the record, on nothing of any other, and on the past. */
  readonly groups: Int32Array;
  /** [G, d] c: known before the records are looked at, or by earlier stages. */
  readonly centres: Float64Array;
  /** d */
  readonly size: number;
  readonly stage: ReleaseStage;
  /** Of the plan; `secure` wants a secret key. */
  readonly noise: GaussianReleasePlan['noise'];
  /** Of the release; the noise comes from its child of the stage's name, which is used up. */
  readonly key: Key;
  readonly signal?: AbortSignal | undefined;
}

/** Estimates over the records of each group, after shortening x - c; without noise, exact. */
export interface Moments {
  /** [G] */
  readonly counts: Float64Array;
  /** [G, d] Of x - c. */
  readonly sums: Float64Array;
  /** [G, d, d] Of (x - c)(x - c)^T, symmetric; null where the stage does not ask. */
  readonly products: Float64Array | null;
}

/**
 * Adds up over groups what the stage asks, with normal noise of standard deviation noiseMultiplier times sensitivity. All of a
 * record is in one group, so one record moves the whole result by the sensitivity at most. Throws PrivacyError where secure noise
 * should come from a key that is not secret, or would be too coarse; ShapeError; AbortedError.
 */
export async function noisyMoments(request: MomentsRequest): Promise<Moments> {
  const { records, groups, centres, size, stage, key, signal } = request;
  requireShapes(request);
  if (request.noise === 'secure' && key.kind !== 'secret') throw notSecret(key);
  const isNoisy = stage.noiseMultiplier > 0;
  const width = widthOf(stage, size);
  const grid = stage.noiseMultiplier * sensitivityOf(stage) * NOISE_GRID;
  const slack = HAIR + (stage.noiseMultiplier * NOISE_GRID * Math.sqrt(width)) / 2;
  if (!(slack < 0.5)) throw tooCoarse(stage);
  const total = (centres.length / size) * width;
  const noise = isNoisy ? noiseSteps(total, childKey(key, stage.name)) : null; // before anything of the sums is known
  const steps = new Float64Array(total);
  const contribute = contributionTo(steps, stage, { size, width, unit: isNoisy ? (1 - slack) / grid : 1, isNoisy });
  for (let i = 0; i < groups.length; i++) {
    if (i % SLICE === 0 && i > 0) await setImmediate(); // lets signals and messages in between
    if (signal?.aborted) throw new AbortedError('Stopped while adding up moments.');
    const group = groups[i] as number;
    if (group >= 0) contribute(records.subarray(i * size, (i + 1) * size), group, centres);
  }
  if (noise) for (let j = 0; j < total; j++) steps[j]! += noise[j] as number;
  return momentsFrom(steps, stage, { size, width, unit: isNoisy ? (1 - slack) / grid : 1 });
}

/** Standard deviation of the noise on each count, on each element of a sum, and on each diagonal element of a product. */
export function momentNoise(stage: ReleaseStage): {
  readonly count: number;
  readonly sum: number;
  readonly product: number;
} {
  const { noiseMultiplier, weights } = stage;
  const std = noiseMultiplier * sensitivityOf(stage);
  if (std === 0) return { count: 0, sum: 0, product: 0 };
  const radius = stage.clipNorm;
  return {
    count: std / weights.count,
    sum: (std * radius) / weights.sum,
    product: (std * radius ** 2) / weights.product,
  };
}

// --- internal ---

const SLICE = 256;

/** More than float64 can lose in the length of one contribution. */
const HAIR = 1e-9;

interface Units {
  /** d */
  readonly size: number;
  /** Numbers of one group: the count, the sum and the upper triangle of the product, row by row. */
  readonly width: number;
  /** Grid steps a unit of contribution has. */
  readonly unit: number;
}

function widthOf({ weights }: ReleaseStage, size: number): number {
  return 1 + size + (weights.product > 0 ? (size * (size + 1)) / 2 : 0);
}

/** Whole numbers of grid steps [count]. */
function noiseSteps(count: number, key: Key): Float32Array {
  const arena = createArena({ noise: count });
  gaussianNoise(arena, 'noise')(key);
  return arena.vector('noise').map((value) => value / NOISE_GRID);
}

/** Adds the contribution of one record to its group; in whole grid steps where there is a grid. */
function contributionTo(
  steps: Float64Array,
  { clipNorm, weights }: ReleaseStage,
  { size, width, unit, isNoisy }: Units & { readonly isNoisy: boolean },
): (record: Float64Array, group: number, centres: Float64Array) => void {
  const offset = new Float64Array(size);
  const radius = Number.isFinite(clipNorm) ? clipNorm : 1;
  const count = isNoisy ? Math.round(unit * weights.count) : unit * weights.count;
  return (record, group, centres) => {
    let square = 0;
    for (let j = 0; j < size; j++) {
      const distance = (record[j] as number) - (centres[group * size + j] as number);
      offset[j] = distance;
      square += distance * distance;
    }
    const scale = Math.min(1, clipNorm / Math.sqrt(square)) / radius;
    for (let j = 0; j < size; j++) offset[j]! *= scale;
    const from = group * width;
    steps[from]! += count;
    addScaled(steps, from + 1, { row: offset, from: 0, scale: unit * weights.sum, isNoisy });
    if (weights.product === 0) return;
    let at = from + 1 + size;
    for (let j = 0; j < size; j++) {
      const own = unit * weights.product * (offset[j] as number);
      const square = own * (offset[j] as number);
      steps[at++]! += isNoisy ? Math.round(square) : square;
      addScaled(steps, at, { row: offset, from: j + 1, scale: Math.SQRT2 * own, isNoisy });
      at += size - j - 1;
    }
  };
}

interface Scaled {
  readonly row: Float64Array;
  readonly from: number;
  readonly scale: number;
  readonly isNoisy: boolean;
}

/** Adds `scale` times the row, from an element of it on, to `steps` from `at` on. This is where the time goes. */
function addScaled(steps: Float64Array, at: number, { row, from, scale, isNoisy }: Scaled): void {
  const { length } = row;
  for (let k = from; k < length; k++) {
    const value = scale * (row[k] as number);
    steps[at + k - from]! += isNoisy ? Math.floor(value + 0.5) : value;
  }
}

function momentsFrom(steps: Float64Array, { clipNorm, weights }: ReleaseStage, { size, width, unit }: Units): Moments {
  const groups = steps.length / width;
  const radius = Number.isFinite(clipNorm) ? clipNorm : 1;
  const counts = new Float64Array(groups);
  const sums = new Float64Array(groups * size);
  const products = weights.product > 0 ? new Float64Array(groups * size * size) : null;
  for (let group = 0; group < groups; group++) {
    let at = group * width;
    counts[group] = (steps[at++] as number) / (unit * weights.count);
    for (let j = 0; j < size; j++) sums[group * size + j] = ((steps[at++] as number) * radius) / (unit * weights.sum);
    if (!products) continue;
    for (let j = 0; j < size; j++) {
      for (let k = j; k < size; k++) {
        const weight = j === k ? weights.product : Math.SQRT2 * weights.product;
        const value = ((steps[at++] as number) * radius ** 2) / (unit * weight);
        products[(group * size + j) * size + k] = value;
        products[(group * size + k) * size + j] = value;
      }
    }
  }
  return { counts, sums, products };
}

function requireShapes({ records, groups, centres, size }: MomentsRequest): void {
  const isWhole = centres.length % size === 0 && records.length === groups.length * size;
  const known = centres.length / size;
  if (isWhole && groups.every((group) => group >= -1 && group < known)) return;
  throw new ShapeError(
    `Expected records [${groups.length}, ${size}] in groups -1 to ${known - 1} with centres of ${size}; got ` +
      `${records.length} and ${centres.length} values.`,
    { records: records.length, groups: groups.length, centres: centres.length, size },
  );
}

function notSecret(key: Key): PrivacyError {
  return new PrivacyError(
    `Secure noise needs a key from the operating system (secretKey), but '${key.path}' comes from a seed that others can ` +
      'repeat. Give a secret key, or set noise to seeded, which claims nothing.',
    { key: key.path },
  );
}

function tooCoarse({ name, noiseMultiplier }: ReleaseStage): PrivacyError {
  return new PrivacyError(
    `Noise of ${noiseMultiplier.toPrecision(4)} times the bound is coarser than the sums of stage '${name}' can be protected ` +
      'with. Allow a larger epsilon or delta, or keep fewer frequencies.',
    { stage: name, noiseMultiplier },
  );
}
