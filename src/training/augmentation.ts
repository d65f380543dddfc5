// Labelled examples that look a little different in every epoch: what a classifier should not mind, it learns not to mind.
//
// Nothing here looks at data: ranges are given, and what happens to an example follows from the epoch's key and its row
// alone. So an epoch can be repeated, and a training that was interrupted goes on to the same numbers.

import { childKey, type Key, normals, uniforms } from '../engine/keys.ts';
import { ShapeError, SpecError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import type { Examples } from './examples.ts';
import { type Warp, warpImage } from './warp-image.ts';

/** How far images may be changed, uniformly up to these limits in either direction. 0 everywhere leaves them as they are. */
export interface AugmentationOptions {
  /** Along each axis. */
  readonly shiftPixels: number;
  readonly rotationDegrees: number;
  /** 0.1: sides between 1 / 1.1 and 1.1 times what they were. Below 10. */
  readonly scale: number;
  /** Pixels sideways for each pixel downwards. */
  readonly shear: number;
  /** Whether every second image has left and right changed: not for digits or letters. */
  readonly mirror: boolean;
  /** Of Gaussian noise on every pixel; pixels stay within [0, 1]. */
  readonly pixelNoiseStd: number;
  /**
   * Share of another example, pixels and label alike, uniform from 0 to this; at most 0.5.
   * As mixup (Zhang et al. 2018, arXiv 1710.09412), which draws it from a beta distribution.
   */
  readonly mixup: number;
  /** Share of each label that is spread over all classes (Szegedy et al. 2016, arXiv 1512.00567); below 1. */
  readonly labelSmoothing: number;
}

/** Changes nothing. */
export const NO_AUGMENTATION: AugmentationOptions = {
  shiftPixels: 0,
  rotationDegrees: 0,
  scale: 0,
  shear: 0,
  mirror: false,
  pixelNoiseStd: 0,
  mixup: 0,
  labelSmoothing: 0,
};

/**
 * `examples` (rows of D pixels, then class weights: `labelledExamples`) that are changed anew in every epoch. Read outside of
 * an epoch, they are as they were. Throws SpecError for a limit out of its range, ShapeError where rows are no image of
 * `shape` and a class.
 */
export function augmentedExamples(examples: Examples, shape: ImageShape, options: AugmentationOptions): Examples {
  requireRanges(options);
  const pixels = pixelCount(shape);
  if (examples.size <= pixels) {
    throw new ShapeError(
      `Augmentation takes rows of ${pixels} pixels and the weights of classes, but these have ${examples.size} numbers.`,
      { size: examples.size, pixels },
    );
  }
  return { ...examples, forEpoch: (key) => changed(examples, { shape, options, key }) };
}

// --- internal ---

/** Uniform numbers that an example uses in an epoch. */
const DRAWS = 9;

/** Normal numbers of an epoch: each image has a stretch of them from a place of its own. */
const NOISE_LENGTH = 2 ** 17;

function changed(
  examples: Examples,
  { shape, options, key }: { shape: ImageShape; options: AugmentationOptions; key: Key },
): Examples {
  const { count, size } = examples;
  const pixels = pixelCount(shape);
  const draws = uniforms(childKey(key, 'draws'), DRAWS * count);
  const noise = options.pixelNoiseStd > 0 ? normals(childKey(key, 'noise'), NOISE_LENGTH + pixels) : null;
  const classes = size - pixels;
  const plain = new Float32Array(size);
  const other = new Float32Array(size);
  /** The row as this epoch sees it, before it is mixed with any other. */
  const view = (row: number, out: Float32Array): void => {
    examples.read([row], plain);
    warpImage(plain, out, shape, warpOf(options, draws.subarray(DRAWS * row)));
    out.set(plain.subarray(pixels), pixels);
  };
  const finish = (row: number, out: Float32Array): void => {
    const [u, partner, place] = draws.subarray(DRAWS * row + 6) as unknown as readonly [number, number, number];
    if (options.mixup > 0) {
      view(Math.floor(partner * count), other);
      const share = u * options.mixup;
      for (let i = 0; i < size; i++) out[i] = (1 - share) * (out[i] as number) + share * (other[i] as number);
    }
    if (noise) {
      const from = Math.floor(place * NOISE_LENGTH);
      for (let i = 0; i < pixels; i++) {
        const value = (out[i] as number) + options.pixelNoiseStd * (noise[from + i] as number);
        out[i] = Math.min(Math.max(value, 0), 1);
      }
    }
    const spread = options.labelSmoothing;
    if (spread > 0) for (let i = pixels; i < size; i++) out[i] = (1 - spread) * (out[i] as number) + spread / classes;
  };
  return {
    count,
    size,
    read(rows, out) {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i] as number;
        const place = out.subarray(i * size, (i + 1) * size);
        view(row, place);
        finish(row, place);
      }
    },
  };
}

/** What the first six of an example's uniform numbers mean. */
function warpOf(options: AugmentationOptions, u: Float64Array): Warp {
  const within = (at: number, limit: number) => (2 * (u[at] as number) - 1) * limit;
  return {
    shift: [within(0, options.shiftPixels), within(1, options.shiftPixels)],
    angle: within(2, (options.rotationDegrees * Math.PI) / 180),
    scale: (1 + options.scale) ** within(3, 1),
    shear: within(4, options.shear),
    isMirrored: options.mirror && (u[5] as number) < 0.5,
  };
}

function requireRanges(options: AugmentationOptions): void {
  const most: Partial<Record<keyof AugmentationOptions, number>> = { scale: 10, mixup: 0.5, labelSmoothing: 1 - 1e-9 };
  for (const [name, value] of Object.entries(options)) {
    const limit = most[name as keyof AugmentationOptions] ?? Number.MAX_VALUE;
    if (typeof value === 'boolean' || (value >= 0 && value <= limit)) continue;
    throw new SpecError(`Augmentation '${name}' must be from 0 to ${limit}; got ${value}.`, { name, value });
  }
}
