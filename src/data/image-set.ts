// What the rest of the product calls "images": bytes, labels and a shape, in memory.

import { createHash } from 'node:crypto';
import { ShapeError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';

/** N labelled images. Labels are class numbers 0..255. */
export interface ImageSet {
  /** Where they come from, for manifests and messages: `mnist/train`, `drawn-digits/test`. */
  readonly name: string;
  readonly shape: ImageShape;
  /** [N, D], 0 = background. */
  readonly images: Uint8Array;
  /** [N] */
  readonly labels: Uint8Array;
}

/** A data set as the experiments want it: something to deal out, and held-out images of the same classes. */
export interface DataSet {
  /** `mnist`, `fashion-mnist`, `drawn-digits`, or the name of an own folder. */
  readonly name: string;
  /** Name of class i at index i. */
  readonly classNames: readonly string[];
  readonly train: ImageSet;
  readonly test: ImageSet;
}

/** A class that occurs among labels, and how often. */
export interface ClassCount {
  readonly label: number;
  readonly count: number;
}

/** Label of an image that belongs to none of the classes, put in to see whether it comes back. */
export const FOREIGN_LABEL = 255;

/** The images at `rows`, in that order, copied. Throws ShapeError for a row outside of the set. */
export function selectImages(set: ImageSet, rows: ArrayLike<number>, name = set.name): ImageSet {
  const size = pixelCount(set.shape);
  const images = new Uint8Array(rows.length * size);
  const labels = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (!(row >= 0 && row < set.labels.length)) {
      throw new ShapeError(`Row ${row} is outside of ${set.name}, which has ${set.labels.length} images.`, { row });
    }
    images.set(set.images.subarray(row * size, (row + 1) * size), i * size);
    labels[i] = set.labels[row] as number;
  }
  return { name, shape: set.shape, images, labels };
}

/** Sets of one image size, one after the other. Expects at least one. */
export function joinImages(sets: readonly ImageSet[], name = (sets[0] as ImageSet).name): ImageSet {
  const [{ shape }] = sets as readonly [ImageSet, ...ImageSet[]];
  const images = new Uint8Array(sets.reduce((sum, set) => sum + set.images.length, 0)); // [N, D]
  const labels = new Uint8Array(sets.reduce((sum, set) => sum + set.labels.length, 0));
  let [image, label] = [0, 0];
  for (const set of sets) {
    images.set(set.images, image);
    labels.set(set.labels, label);
    image += set.images.length;
    label += set.labels.length;
  }
  return { name, shape, images, labels };
}

/** The classes that occur, in ascending order, each with its number of examples. */
export function classCounts(labels: ArrayLike<number>): readonly ClassCount[] {
  const counts = new Uint32Array(256);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    if (!(Number.isInteger(label) && label >= 0 && label <= 255)) {
      throw new ShapeError(`Label ${label} of example ${i} is not a whole number from 0 to 255.`, { row: i });
    }
    counts[label] = (counts[label] as number) + 1;
  }
  return Array.from(counts, (count, label) => ({ label, count })).filter(({ count }) => count > 0);
}

/** SHA-256 (hex) over shape, labels and images, in this order: says whether two runs saw the same examples. */
export function imageSetHash(set: ImageSet): string {
  const { channels, height, width } = set.shape;
  return createHash('sha256')
    .update(`align-fl/images:${set.labels.length}x${channels}x${height}x${width}:`)
    .update(set.labels)
    .update(set.images)
    .digest('hex');
}
