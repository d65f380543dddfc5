// The controls to print beside the probe of a trained encoder: without them 74 % looks like more than it is.

import { imagePixels } from '../data/batches.ts';
import { type ImageSet } from '../data/image-set.ts';
import { pixelCount } from '../models/image-shape.ts';
import type { Key } from '../engine/keys.ts';
import { fitPca, projectOnto } from './pca.ts';
import { type ProbeReport, probeCodes } from './probe.ts';

export interface ControlOptions {
  /** The probe's test images. */
  readonly images: ImageSet;
  /** C */
  readonly classes: number;
  /** That of the probe they stand beside: then they are scored on the same splits. */
  readonly key: Key;
  /** That of the probe they stand beside. */
  readonly seeds: number;
  /** Splits of all images for the raw pixels, whose fit takes seconds. Default 1. */
  readonly rawPixelSeeds?: number;
  /** Codes without training that the caller has, such as the untrained encoder's. */
  readonly others?: readonly { readonly name: string; readonly codes: Float32Array; readonly dim: number }[];
}

/** What was probed in place of a trained encoder's codes. */
export interface Control {
  readonly name: string;
  readonly probe: ProbeReport;
}

/**
 * Probes the raw pixels (0 to 1), their first 16 and 2 principal components, and then `others`. The components are
 * those of the given images; no label and no training image goes into them; a control with more components than there
 * are images or pixels is left out. Each takes seconds of work, so they come one by one and the caller can listen in
 * between. Throws ShapeError and NumericalError like `probeCodes`.
 */
export function* probeControls(options: ControlOptions): Generator<Control> {
  const { images, classes, key, seeds, rawPixelSeeds = 1, others = [] } = options;
  const pixels = imagePixels(images); // [N, D]
  const dim = pixelCount(images.shape);
  const probe = (codes: Float32Array, codeDim: number, seedsOnAll = seeds): ProbeReport =>
    probeCodes({ codes, dim: codeDim, labels: images.labels, classes, key, seeds, seedsOnAll });
  const most = Math.min(images.labels.length, dim);
  yield { name: 'raw pixels', probe: probe(pixels, dim, Math.min(seeds, rawPixelSeeds)) };
  for (const count of [16, 2].filter((components) => components <= most)) {
    const codes = projectOnto(fitPca({ features: pixels, dim, components: count }), pixels);
    yield { name: `PCA-${count}`, probe: probe(codes, count) };
  }
  for (const { name, codes, dim: codeDim } of others) yield { name, probe: probe(codes, codeDim) };
}
