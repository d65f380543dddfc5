// Failure signature: a decoder dreams of foreign images that its silo learnt from. A cheap look; `outliers.ts` looks hard.

import { childKey, type Key } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { nearestNeighbours } from './nearest-neighbours.ts';
import { normalisedPixels } from './normalised-pixels.ts';
import { someRows, takeRows } from './outliers-groups.ts';
import { differenceOfShares, type Estimate, shareOf } from './outliers-intervals.ts';

/** What `outlierLeakage` measured, as plain JSON. */
export interface OutlierLeakage {
  /** The lower end of `excess` is above LEAKAGE_THRESHOLD. */
  readonly seen: boolean;
  /** Share of synthetic images whose nearest training image is foreign and resembles them. */
  readonly synthetic: number;
  /** The same share of real typical images that were in nobody's training: mistakes. */
  readonly heldOut: number;
  /** `synthetic` minus `heldOut`, with an interval of 95 % or more. */
  readonly excess: Estimate;
}

/** All images in [0, 1]. With 1,000 synthetic and held-out ones of 784 pixels each it takes a second. */
export interface LeakageOptions {
  /** [F, D] Foreign training images of the silo. */
  readonly foreign: Float32Array;
  /** [T, D] Its other training images. */
  readonly typical: Float32Array;
  /** [H, D] Test images of the same classes. */
  readonly heldOut: Float32Array;
  /** [M, D] What its decoder makes of z ~ N(0, I). */
  readonly synthetic: Float32Array;
  /** D */
  readonly pixels: number;
  readonly key: Key;
}

/** Below it, it may be the odd blur of a decoder that has hardly learnt yet. */
export const LEAKAGE_THRESHOLD = 0.01;

/** Squared correlation of two images above which one resembles the other: it explains half of the other's variance. */
export const RESEMBLANCE = 0.5;

/**
 * Asks of each synthetic image whether the nearest of equally many foreign and typical training images is foreign, and
 * resembles it: what a decoder under much noise makes is near to nothing, and then to anything. Brightness and contrast do
 * not count: among raw pixels a blurred digit is near to whatever is dim. Null where there are fewer than ten images of a
 * group. Throws ShapeError where sizes do not fit, NumericalError for a pixel that is no number.
 */
export function outlierLeakage({ pixels, key, ...groups }: LeakageOptions): OutlierLeakage | null {
  const counts = Object.entries(groups).map(([name, images]) => [name, images.length / pixels] as const);
  const odd = counts.find(([, count]) => !Number.isInteger(count));
  if (odd) throw new ShapeError(`Expected whole ${odd[0]} images of ${pixels} pixels, but got ${odd[1]}.`, { pixels });
  if (counts.some(([, count]) => count < LEAST)) return null;
  const synthetic: boolean[] = [];
  const heldOut: boolean[] = [];
  for (let draw = 0; draw < DRAWS; draw++) {
    const references = drawReferences(groups, pixels, childKey(key, draw));
    synthetic.push(...resemblesForeign(part(groups.synthetic, draw, pixels), references, pixels));
    heldOut.push(...resemblesForeign(part(groups.heldOut, draw, pixels), references, pixels));
  }
  const excess = differenceOfShares(synthetic, heldOut);
  return {
    seen: excess.low > LEAKAGE_THRESHOLD,
    synthetic: shareOf(synthetic).share,
    heldOut: shareOf(heldOut).share,
    excess,
  };
}

// --- internal ---

const LEAST = 10;

/** References are drawn anew for each part of the images: the answer for one image hangs on which few of them there are. */
const DRAWS = 10;
const MOST_REFERENCES = 200;

interface References {
  /** [R, D] */
  readonly foreign: Float32Array;
  /** [R, D] */
  readonly typical: Float32Array;
}

/** Equally many of both kinds, normalised. */
function drawReferences({ foreign, typical }: References, pixels: number, key: Key): References {
  const equally = Math.min(MOST_REFERENCES, foreign.length / pixels, typical.length / pixels);
  const some = (images: Float32Array, name: string) => {
    const rows = someRows(images.length / pixels, equally, childKey(key, name));
    return normalisedPixels(takeRows(images, rows, pixels), pixels);
  };
  return { foreign: some(foreign, 'foreign'), typical: some(typical, 'typical') };
}

/** The images of one draw. */
function part(images: Float32Array, draw: number, pixels: number): Float32Array {
  const count = images.length / pixels;
  const at = (of: number) => Math.floor((of * count) / DRAWS) * pixels;
  return images.subarray(at(draw), at(draw + 1));
}

function resemblesForeign(images: Float32Array, { foreign, typical }: References, pixels: number): boolean[] {
  const queries = normalisedPixels(images, pixels);
  const near = nearestNeighbours({ queries, references: foreign, dim: pixels }).distances;
  const other = nearestNeighbours({ queries, references: typical, dim: pixels }).distances;
  const reach = Math.sqrt(2 - 2 * Math.sqrt(RESEMBLANCE)); // distance of normalised images at that correlation
  return Array.from(near, (distance, i) => distance < reach && distance < (other[i] as number));
}
