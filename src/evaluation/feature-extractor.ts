// What sees images for those who compare sets of them: a network's features, whatever network it is.

import { ShapeError } from '../errors.ts';

/** Turns images into features. Distances between features of different extractors must never be compared. */
export interface FeatureExtractor {
  /** Says what it is, beside every number that rests on it: `cnn trained on mnist training images`. */
  readonly name: string;
  /** F */
  readonly size: number;
  /** `images [N, D] in [0, 1] -> [N, F]`, each image by itself. Throws ShapeError for images of another size. */
  features(images: Float32Array): Promise<Float32Array>;
}

/** A network, or a part of one, that takes a fixed number of rows at a time. */
export interface BatchRun {
  /** Rows of one run. */
  readonly rows: number;
  /** Numbers of a row that goes in: D of an image. */
  readonly inputs: number;
  /** Numbers of a row that comes out. */
  readonly outputs: number;
  /** Reads `x` [rows, inputs] and fills `out` [rows, outputs]. */
  run(x: Float32Array, out: Float32Array): Promise<void>;
}

/** Maps any number of rows, [N, inputs] to [N, outputs]; the last run is filled up with zeros. */
export async function inBatches(network: BatchRun, x: Float32Array): Promise<Float32Array> {
  const { rows, inputs, outputs } = network;
  const count = wholeRows(x, inputs);
  const batch = new Float32Array(rows * inputs);
  const found = new Float32Array(rows * outputs);
  const out = new Float32Array(count * outputs);
  for (let start = 0; start < count; start += rows) {
    const part = x.subarray(start * inputs, (start + rows) * inputs);
    batch.set(part);
    batch.fill(0, part.length);
    await network.run(batch, found);
    out.set(found.subarray(0, (part.length / inputs) * outputs), start * outputs);
  }
  return out;
}

/** Rows of `size` numbers each. Throws ShapeError where the last one is not whole. */
export function wholeRows(values: Float32Array, size: number): number {
  const count = values.length / size;
  if (Number.isInteger(count)) return count;
  throw new ShapeError(`Expected rows of ${size} numbers, got ${values.length} numbers.`, { size });
}
