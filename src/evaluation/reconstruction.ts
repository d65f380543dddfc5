// How far reconstructions are from their images, over all and per class: mean squared errors.

import { ShapeError } from '../errors.ts';

export interface ReconstructionOptions {
  /** [N, D] Numbers 0 to 1, or bytes 0 to 255, which count as 0 to 1. */
  readonly images: Float32Array | Uint8Array;
  /** [N, D] Likewise; need not be of the same kind. */
  readonly reconstructions: Float32Array | Uint8Array;
  /** [N] */
  readonly labels: ArrayLike<number>;
  /** C */
  readonly classes: number;
}

export interface SquaredError {
  /** Mean of (x - xHat)^2 over images and pixels. */
  readonly perPixel: number;
  /** Mean over images of the sum of (x - xHat)^2 over pixels: the reconstruction part of the paper's loss. */
  readonly perImage: number;
  /** Images averaged over. */
  readonly count: number;
}

export interface ReconstructionError extends SquaredError {
  /** [C] null for a class without images. */
  readonly perClass: readonly (SquaredError | null)[];
}

/** Not finite where a reconstruction is not. Throws ShapeError where sizes do not fit or a label is outside of C. */
export function reconstructionError(options: ReconstructionOptions): ReconstructionError {
  const { images, reconstructions, labels, classes } = options;
  const count = labels.length;
  const dim = images.length / count;
  if (!(Number.isInteger(dim) && dim > 0 && reconstructions.length === images.length)) {
    throw new ShapeError(
      `Expected as many reconstructed pixels as pixels, and whole images; got ${reconstructions.length} and ` +
        `${images.length} for ${count} images.`,
      { pixels: images.length, reconstructed: reconstructions.length, count },
    );
  }
  const unit = images instanceof Uint8Array ? 1 / 255 : 1;
  const reconstructedUnit = reconstructions instanceof Uint8Array ? 1 / 255 : 1;
  const sums = new Float64Array(classes);
  const counts = new Uint32Array(classes);
  for (let row = 0; row < count; row++) {
    const label = labels[row] as number;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ShapeError(`Image ${row} has label ${label}; expected 0 to ${classes - 1}.`, { label, classes });
    }
    let sum = 0;
    for (let i = row * dim; i < (row + 1) * dim; i++) {
      const difference = unit * (images[i] as number) - reconstructedUnit * (reconstructions[i] as number);
      sum += difference * difference;
    }
    sums[label] = (sums[label] as number) + sum;
    counts[label] = (counts[label] as number) + 1;
  }
  const errorOf = (sum: number, n: number): SquaredError => ({
    perPixel: sum / (n * dim),
    perImage: sum / n,
    count: n,
  });
  const total = sums.reduce((all, sum) => all + sum, 0);
  const perClass = Array.from(sums, (sum, c) => (counts[c] === 0 ? null : errorOf(sum, counts[c] as number)));
  return { ...errorOf(total, count), perClass };
}
