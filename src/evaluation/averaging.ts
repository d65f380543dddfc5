// Failure signature: a global model that averages. Whatever goes in, and whatever code is drawn, the same blur comes out.

import { NumericalError, ShapeError } from '../errors.ts';

/** What `averagingByAccident` measured, as plain JSON. */
export interface Averaging {
  /** `classContrast` is below CLASS_CONTRAST_THRESHOLD, or `sampleVariance` below SAMPLE_VARIANCE_THRESHOLD. */
  readonly seen: boolean;
  /** Variance between the classes' mean reconstructions over that between their mean images: 1 keeps them apart, 0 merges all. */
  readonly classContrast: number;
  /** Variance of synthetic images over that of test images, summed over pixels: 0 where all of them are one image. */
  readonly sampleVariance: number;
  /** Test images looked at. */
  readonly images: number;
}

/** Below it, more than half of what tells the classes' mean images apart is lost. */
export const CLASS_CONTRAST_THRESHOLD = 0.5;

/** Below it, synthetic images vary less than a twentieth as much as real ones. */
export const SAMPLE_VARIANCE_THRESHOLD = 0.05;

export interface AveragingOptions {
  /** [N, D] Test images: bytes 0 to 255, which count as 0 to 1. */
  readonly images: Uint8Array;
  /** [N, D] Of the test images, from their mean codes, in [0, 1]. */
  readonly reconstructions: Float32Array;
  /** [N] */
  readonly labels: ArrayLike<number>;
  /** C */
  readonly classes: number;
  /** [M, D] What the decoder makes of z ~ N(0, I), in [0, 1]. */
  readonly samples: Float32Array;
}

/**
 * Compares what the classes have apart before and after the autoencoder, and how much its samples differ. Blur alone lowers
 * neither much: the mean of blurred images of a class is still its mean. Null where that cannot be told: fewer than ten
 * images a class, one class, test images that are all alike, fewer than two samples. Throws ShapeError where sizes do not
 * fit, NumericalError for a pixel that is no number.
 */
export function averagingByAccident(options: AveragingOptions): Averaging | null {
  const { images, reconstructions, labels, classes, samples } = options;
  const count = labels.length;
  const pixels = images.length / count;
  if (images.length !== reconstructions.length || !Number.isInteger(samples.length / pixels)) {
    throw new ShapeError(
      `Expected as many reconstructed pixels as pixels of ${count} images, and whole samples; got ` +
        `${reconstructions.length}, ${images.length} and ${samples.length}.`,
      { images: images.length, reconstructions: reconstructions.length, samples: samples.length },
    );
  }
  const present = new Set(Array.from(labels)).size;
  if (present < 2 || count < LEAST_PER_CLASS * present || samples.length < 2 * pixels) return null;
  const real = { between: betweenClasses(images, labels, classes), total: totalVariance(images, pixels) };
  if (real.between === 0 || real.total === 0) return null;
  const classContrast = (betweenClasses(reconstructions, labels, classes) / real.between) * 255 ** 2;
  const sampleVariance = (totalVariance(samples, pixels) / real.total) * 255 ** 2;
  if (!Number.isFinite(classContrast + sampleVariance)) {
    throw new NumericalError('A reconstruction or a synthetic image of the global model holds what is no number.');
  }
  const seen = classContrast < CLASS_CONTRAST_THRESHOLD || sampleVariance < SAMPLE_VARIANCE_THRESHOLD;
  return { seen, classContrast, sampleVariance, images: count };
}

// --- internal ---

/** Means of fewer images differ by chance, of test images more than of their blurred reconstructions. */
const LEAST_PER_CLASS = 10;

type Pixels = Uint8Array | Float32Array;

/** Mean over images of the squared distance from the mean image of their class to the mean of all. */
function betweenClasses(images: Pixels, labels: ArrayLike<number>, classes: number): number {
  const pixels = images.length / labels.length;
  const sums = new Float64Array(classes * pixels); // [C, D]
  const counts = new Uint32Array(classes);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] as number;
    counts[label] = (counts[label] as number) + 1;
    const [from, to] = [row * pixels, label * pixels];
    for (let d = 0; d < pixels; d++) sums[to + d] = (sums[to + d] as number) + (images[from + d] as number);
  }
  let between = 0;
  for (let d = 0; d < pixels; d++) {
    let all = 0;
    for (let c = 0; c < classes; c++) all += sums[c * pixels + d] as number;
    const mean = all / labels.length;
    counts.forEach((n, c) => {
      if (n > 0) between += n * ((sums[c * pixels + d] as number) / n - mean) ** 2;
    });
  }
  return between / labels.length;
}

/** Mean over images of the squared distance to their mean. */
function totalVariance(images: Pixels, pixels: number): number {
  const count = images.length / pixels;
  const sums = new Float64Array(pixels);
  for (let i = 0; i < images.length; ) {
    for (let d = 0; d < pixels; d++, i++) sums[d] = (sums[d] as number) + (images[i] as number);
  }
  let total = 0;
  for (let i = 0; i < images.length; ) {
    for (let d = 0; d < pixels; d++, i++) total += ((images[i] as number) - (sums[d] as number) / count) ** 2;
  }
  return total / count;
}
