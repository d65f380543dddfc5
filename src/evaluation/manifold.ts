// How faithful and how diverse synthetic images are, by nearest neighbours among features: precision, recall, density
// and coverage. Distances are computed block by block, so memory does not grow with the product of the two counts.

import { ShapeError } from '../errors.ts';
import {
  blocksOf,
  checkedCount,
  checkSameSize,
  type FeatureRows,
  type RowBlock,
  squaredDistances,
} from './feature-rows.ts';

/** Features with a ball around each: as far as its k-th nearest neighbour among the others of its kind. */
export interface Manifold extends FeatureRows {
  /** N */
  readonly count: number;
  readonly k: number;
  /** [N] Of the balls. */
  readonly squaredRadii: Float64Array;
}

/** All from 0 to 1, but density, which is about 1 for samples of the real distribution and has no upper limit. */
export interface ManifoldScores {
  /** Share of synthetic images inside some real image's ball (Kynkaanniemi et al. 2019, equation 2): fidelity. */
  readonly precision: number;
  /** Share of real images inside some synthetic image's ball (Kynkaanniemi et al. 2019, equation 2): diversity. */
  readonly recall: number;
  /** Real balls that a synthetic image lies in, on average, over k (Naeem et al. 2020, section 3): fidelity. */
  readonly density: number;
  /** Share of real images with a synthetic one inside their ball (Naeem et al. 2020, section 3): diversity. */
  readonly coverage: number;
}

/**
 * The balls around features; an image is no neighbour of itself, but a copy of it is. Throws ShapeError for k or fewer
 * images, NumericalError for a feature that is not finite. `what` names the images in messages.
 */
export function manifoldOf(rows: FeatureRows, k: number, what: string): Manifold {
  if (!(Number.isInteger(k) && k >= 1)) throw new ShapeError(`Expected 1 or more nearest neighbours, got ${k}.`, { k });
  const count = checkedCount(rows, what, k + 1);
  const nearest = new Float64Array(count * k).fill(Number.POSITIVE_INFINITY); // [N, k] ascending
  const distances = new Float64Array(BLOCK * BLOCK);
  const blocks = blocksOf(rows, count, BLOCK);
  blocks.forEach((a, first) => {
    blocks.slice(first).forEach((b) => {
      squaredDistances(a, b, distances);
      for (let i = 0; i < a.count; i++) {
        const from = a === b ? i + 1 : 0; // each pair once, for both
        for (let j = from; j < b.count; j++) {
          const distance = distances[i * b.count + j] as number;
          keepNearest(nearest, (a.start + i) * k, { k, distance });
          keepNearest(nearest, (b.start + j) * k, { k, distance });
        }
      }
    });
  });
  const squaredRadii = Float64Array.from({ length: count }, (_, i) => nearest[(i + 1) * k - 1] as number);
  return { values: rows.values, size: rows.size, count, k, squaredRadii };
}

/**
 * Compares synthetic with real images. Balls contain their border, as Kynkaanniemi et al. define them (equation 1); the
 * code that Naeem et al. published leaves it out, which matters for copies only. Throws ShapeError where k or the number
 * of features differ.
 */
export function compareManifolds(real: Manifold, synthetic: Manifold): ManifoldScores {
  checkSameSize(real, synthetic);
  if (real.k !== synthetic.k) {
    throw new ShapeError(`Expected one number of nearest neighbours, got ${real.k} and ${synthetic.k}.`, {
      ks: [real.k, synthetic.k],
    });
  }
  const tally: Tally = {
    inRealBalls: new Uint32Array(synthetic.count),
    recalled: new Uint8Array(real.count),
    covered: new Uint8Array(real.count),
  };
  const distances = new Float64Array(BLOCK * BLOCK);
  const others = blocksOf(synthetic, synthetic.count, BLOCK);
  for (const a of blocksOf(real, real.count, BLOCK)) {
    for (const b of others) {
      squaredDistances(a, b, distances);
      meet(tally, { a, b, distances, real, synthetic });
    }
  }
  const { inRealBalls, recalled, covered } = tally;
  const balls = inRealBalls.reduce((sum, each) => sum + each, 0);
  return {
    precision: shareOf(inRealBalls),
    recall: shareOf(recalled),
    density: balls / (real.k * synthetic.count),
    coverage: shareOf(covered),
  };
}

// --- internal ---

/** Rows of a block of distances. */
const BLOCK = 128;

/** Puts a distance among the k smallest that begin at `start`, if it belongs there. */
function keepNearest(
  nearest: Float64Array,
  start: number,
  { k, distance }: { readonly k: number; readonly distance: number },
): void {
  let place = start + k - 1;
  if (distance >= (nearest[place] as number)) return;
  for (; place > start && distance < (nearest[place - 1] as number); place--) {
    nearest[place] = nearest[place - 1] as number;
  }
  nearest[place] = distance;
}

interface Tally {
  /** [M] Real balls that a synthetic image lies in. */
  readonly inRealBalls: Uint32Array;
  /** [N] 1 where a real image lies in a synthetic ball. */
  readonly recalled: Uint8Array;
  /** [N] 1 where a synthetic image lies in the real one's ball. */
  readonly covered: Uint8Array;
}

interface Encounter {
  readonly a: RowBlock;
  readonly b: RowBlock;
  /** [a.count, b.count] */
  readonly distances: Float64Array;
  readonly real: Manifold;
  readonly synthetic: Manifold;
}

function meet({ inRealBalls, recalled, covered }: Tally, { a, b, distances, real, synthetic }: Encounter): void {
  for (let i = 0; i < a.count; i++) {
    const row = a.start + i;
    const radius = real.squaredRadii[row] as number;
    for (let j = 0; j < b.count; j++) {
      const distance = distances[i * b.count + j] as number;
      const other = b.start + j;
      if (distance <= radius) {
        inRealBalls[other] = (inRealBalls[other] as number) + 1;
        covered[row] = 1;
      }
      if (distance <= (synthetic.squaredRadii[other] as number)) recalled[row] = 1;
    }
  }
}

function shareOf(marks: Uint8Array | Uint32Array): number {
  let marked = 0;
  for (const mark of marks) if (mark > 0) marked++;
  return marked / marks.length;
}
