// Failure signature: classes overlap in the latent space, so that an image's neighbours there are of other classes.

import { type Key, permutation } from '../engine/keys.ts';
import { blocksOf, checkedCount, type FeatureRows, selectRows, squaredDistances } from './feature-rows.ts';

/** What `latentOverlap` measured, as plain JSON. */
export interface LatentOverlap {
  /** `overlap` is above OVERLAP_THRESHOLD. */
  readonly seen: boolean;
  /** `otherNeighbours` over `chance`: 0 for classes apart, about 1 for codes that say nothing of the class. */
  readonly overlap: number;
  /** Mean share of other classes among the NEIGHBOURS nearest codes, 0 to 1. */
  readonly otherNeighbours: number;
  /** That share among neighbours drawn at random. */
  readonly chance: number;
  /** Codes looked at. */
  readonly images: number;
}

/** Codes are compared with so many nearest ones. */
export const NEIGHBOURS = 10;

/** Above it, neighbours are nearer to a random draw than to a class of its own. */
export const OVERLAP_THRESHOLD = 0.5;

export interface OverlapOptions {
  /** [N, L] Of test images; their Euclidean distances count, as the prior N(0, I) has one scale in all directions. */
  readonly codes: Float32Array;
  /** L */
  readonly dim: number;
  /** [N] */
  readonly labels: ArrayLike<number>;
  /** Chooses among more than 2,000 codes. */
  readonly key: Key;
}

/**
 * Asks of each code how many of its nearest neighbours are of another class. Null where that cannot be told: NEIGHBOURS or
 * fewer codes, or one class only. Throws ShapeError where sizes do not fit, NumericalError for a code that is no number.
 */
export function latentOverlap({ codes, dim, labels, key }: OverlapOptions): LatentOverlap | null {
  const rows = permutation(key, labels.length).slice(0, MOST_CODES); // in no order of classes, for equal codes
  const chosen = selectRows({ values: codes, size: dim }, rows); // [n, L]
  const classes = Array.from(rows, (row) => labels[row] as number);
  const images = classes.length;
  if (images <= NEIGHBOURS) return null;
  checkedCount(chosen, 'test', images);
  const counts = new Map<number, number>();
  for (const label of classes) counts.set(label, (counts.get(label) ?? 0) + 1);
  const chance = [...counts.values()].reduce((sum, n) => sum + (n * (images - n)) / (images * (images - 1)), 0);
  if (chance === 0) return null;
  const nearest = nearestRows(chosen, images); // [n, NEIGHBOURS]
  const others = nearest.reduce(
    (sum, row, i) => sum + (classes[row] === classes[Math.floor(i / NEIGHBOURS)] ? 0 : 1),
    0,
  );
  const otherNeighbours = others / nearest.length;
  const overlap = otherNeighbours / chance;
  return { seen: overlap > OVERLAP_THRESHOLD, overlap, otherNeighbours, chance, images };
}

// --- internal ---

/** A share of so many neighbours is known to a point; all pairs of 2,000 take well under a second. */
const MOST_CODES = 2000;
const BLOCK = 100;

/** The NEIGHBOURS nearest other rows of each. */
function nearestRows(rows: FeatureRows, count: number): Uint32Array {
  const nearest = new Uint32Array(count * NEIGHBOURS);
  const block = new Float64Array(BLOCK * BLOCK);
  const distances = new Float64Array(BLOCK * count); // [BLOCK, n]
  const blocks = blocksOf(rows, count, BLOCK);
  for (const a of blocks) {
    for (const b of blocks) {
      squaredDistances(a, b, block);
      for (let i = 0; i < a.count; i++) {
        distances.set(block.subarray(i * b.count, (i + 1) * b.count), i * count + b.start);
      }
    }
    for (let i = 0; i < a.count; i++) {
      const own = distances.subarray(i * count, (i + 1) * count);
      nearest.set(smallest(own, a.start + i), (a.start + i) * NEIGHBOURS);
    }
  }
  return nearest;
}

/** Rows of the smallest distances, without `self`. Looks behind it first, so that of equal codes not all take the same. */
function smallest(distances: Float64Array, self: number): Uint32Array {
  const rows = new Uint32Array(NEIGHBOURS);
  const kept = new Float64Array(NEIGHBOURS).fill(Number.POSITIVE_INFINITY);
  for (let step = 1; step < distances.length; step++) {
    const row = (self + step) % distances.length;
    const distance = distances[row] as number;
    let place = NEIGHBOURS - 1;
    if (distance >= (kept[place] as number)) continue;
    for (; place > 0 && distance < (kept[place - 1] as number); place--) {
      kept[place] = kept[place - 1] as number;
      rows[place] = rows[place - 1] as number;
    }
    kept[place] = distance;
    rows[place] = row;
  }
  return rows;
}
