// The low frequencies of images, as coefficients of an orthonormal cosine basis: the same for all images, so nothing of any
// data is in it.

import { ShapeError } from '../errors.ts';
import { type ImageShape, pixelCount } from './image-shape.ts';

/** Coefficients of the lowest frequencies of images of one size. */
export interface CosineTransform {
  /** Frequencies kept along each axis. */
  readonly height: number;
  readonly width: number;
  /** d = channels * height * width coefficients, channel by channel, vertical frequency by vertical frequency. */
  readonly size: number;
  /** [height, H] Row f is the f-th vertical frequency; all rows are orthonormal. */
  readonly rows: Float64Array;
  /** [width, W] The same along the other axis. */
  readonly columns: Float64Array;
  /**
   * Coefficients [N, d] of `images [N, D]`, pixels 0 to 255 taken as 0 to 1. Never longer than the image, as the basis is
   * orthonormal. Throws ShapeError where these are no whole images.
   */
  coefficientsOf(images: Uint8Array): Float64Array;
}

/** The transform that keeps `frequencies` along each axis, or as many as there are pixels along it. */
export function cosineTransform(shape: ImageShape, frequencies: number): CosineTransform {
  const height = Math.min(frequencies, shape.height);
  const width = Math.min(frequencies, shape.width);
  const rows = cosineBasis(height, shape.height);
  const columns = cosineBasis(width, shape.width);
  const size = shape.channels * height * width;
  const pixels = pixelCount(shape);
  return {
    height,
    width,
    size,
    rows,
    columns,
    coefficientsOf(images) {
      if (images.length % pixels !== 0) {
        throw new ShapeError(`Expected whole images of ${pixels} pixels, got ${images.length} bytes.`, { pixels });
      }
      const { height: down, width: across } = shape;
      const planes = images.length / (down * across); // N * channels
      const out = new Float64Array(planes * height * width);
      const along = new Float64Array(down * width); // one plane, transformed along its rows
      for (let plane = 0; plane < planes; plane++) {
        const from = plane * down * across;
        for (let y = 0; y < down; y++) {
          for (let g = 0; g < width; g++) {
            let sum = 0;
            for (let x = 0; x < across; x++) {
              sum += (images[from + y * across + x] as number) * (columns[g * across + x] as number);
            }
            along[y * width + g] = sum / 255;
          }
        }
        for (let f = 0; f < height; f++) {
          for (let g = 0; g < width; g++) {
            let sum = 0;
            for (let y = 0; y < down; y++) sum += (rows[f * down + y] as number) * (along[y * width + g] as number);
            out[(plane * height + f) * width + g] = sum;
          }
        }
      }
      return out;
    },
  };
}

/**
 * The orthonormal cosine basis (DCT-II; Ahmed, Natarajan and Rao 1974): row f of [frequencies, length] is
 * sqrt(2 / length) cos(pi (i + 1/2) f / length), and 1 / sqrt(length) for f = 0.
 */
export function cosineBasis(frequencies: number, length: number): Float64Array {
  return Float64Array.from({ length: frequencies * length }, (_, at) => {
    const f = Math.floor(at / length);
    const i = at % length;
    return f === 0 ? 1 / Math.sqrt(length) : Math.sqrt(2 / length) * Math.cos((Math.PI * (i + 0.5) * f) / length);
  });
}
