// The picture of outliers: foreign images, what each model makes of them, and the nearest image that it dreams.

import type { ImageShape } from '../models/image-shape.ts';
import { pixelCount } from '../models/image-shape.ts';
import { ShapeError } from '../errors.ts';
import { imageGridPng } from './image-grid.ts';
import { nearestNeighbours } from './nearest-neighbours.ts';
import { takeRows } from './outliers-groups.ts';

export interface OutlierFigureOptions {
  readonly shape: ImageShape;
  /** [N, D] in [0, 1], one a column. */
  readonly foreign: Float32Array;
  /** From top to bottom. */
  readonly models: readonly {
    /** [N, D] Of the foreign images. */
    readonly reconstructions: Float32Array;
    /** [M, D] From its decoder. */
    readonly synthetic: Float32Array;
  }[];
}

/**
 * A PNG file of N columns: the foreign images in the first row, then for each model their reconstructions and the synthetic
 * images nearest to them in pixels. Throws ShapeError where sizes do not fit.
 */
export function outlierFigure({ shape, foreign, models }: OutlierFigureOptions): Uint8Array {
  const dim = pixelCount(shape);
  const rows = [
    foreign,
    ...models.flatMap(({ reconstructions, synthetic }) => {
      const nearest = nearestNeighbours({ queries: foreign, references: synthetic, dim });
      return [reconstructions, takeRows(synthetic, nearest.rows, dim)];
    }),
  ];
  const odd = rows.find(({ length }) => length !== foreign.length);
  if (odd !== undefined) {
    throw new ShapeError(`Expected ${foreign.length / dim} images a row, but got ${odd.length / dim}.`);
  }
  const images = new Float32Array(rows.length * foreign.length);
  rows.forEach((row, i) => {
    images.set(row, i * foreign.length);
  });
  return imageGridPng({ images, shape, columns: foreign.length / dim, scale: 2 });
}
