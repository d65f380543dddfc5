import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { outlierFigure } from './outliers-figure.ts';

const SHAPE = { channels: 1, height: 1, width: 1 };

describe('the figure of outliers', () => {
  it('has the images on top, then reconstructions and the nearest synthetic image of each model', () => {
    const png = outlierFigure({
      shape: SHAPE,
      foreign: Float32Array.of(0.2, 0.8),
      models: [
        { reconstructions: Float32Array.of(0.4, 0.6), synthetic: Float32Array.of(1, 0) },
        { reconstructions: Float32Array.of(0, 1), synthetic: Float32Array.of(0.2, 0.6, 0.8) },
      ],
    });
    const { data, width } = decode(png);
    // tiles of two pixels with gaps of two: pixel (2 + 4 c, 2 + 4 r) is image (r, c)
    const rows = Array.from({ length: 5 }, (_, r) => [0, 1].map((c) => data[(2 + 4 * r) * width + 2 + 4 * c]));
    expect(rows).toEqual([
      [51, 204],
      [102, 153],
      [0, 255],
      [0, 255],
      [51, 204],
    ]);
  });

  it('refuses rows of different lengths', () => {
    const models = [{ reconstructions: Float32Array.of(1), synthetic: Float32Array.of(1) }];
    expect(() => outlierFigure({ shape: SHAPE, foreign: Float32Array.of(0, 1), models })).toThrow(/2 images a row/);
  });
});
