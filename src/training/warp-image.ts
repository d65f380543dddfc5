// Moves, turns, stretches and mirrors an image: one affine map, read back by bilinear interpolation.

import type { ImageShape } from '../models/image-shape.ts';

/** What is done to an image about its centre: sheared, turned, scaled, mirrored, then shifted. */
export interface Warp {
  /** Pixels to the right and downwards. */
  readonly shift: readonly [x: number, y: number];
  /** Radians; positive turns from the x-axis (right) to the y-axis (down), clockwise to the eye. */
  readonly angle: number;
  /** 2 is twice as large. */
  readonly scale: number;
  /** Pixels to the right for each pixel downwards. */
  readonly shear: number;
  /** Left and right change places. */
  readonly isMirrored: boolean;
}

/** Writes `source`, [channels, height, width], warped into `out`. What comes from outside of the image is 0, the background. */
export function warpImage(source: Float32Array, out: Float32Array, shape: ImageShape, warp: Warp): void {
  const { channels, height, width } = shape;
  const size = height * width;
  const [a, b, c, d] = inverse(warp);
  const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
  for (let y = 0; y < height; y++) {
    const fromCentre = y - centreY - warp.shift[1];
    let u = centreX + a * (-centreX - warp.shift[0]) + b * fromCentre; // where pixel (0, y) comes from
    let v = centreY + c * (-centreX - warp.shift[0]) + d * fromCentre;
    let to = y * width;
    for (let x = 0; x < width; x++, to++, u += a, v += c) {
      const left = Math.floor(u);
      const top = Math.floor(v);
      if (left < -1 || top < -1 || left >= width || top >= height) {
        for (let at = to; at < channels * size; at += size) out[at] = 0;
        continue;
      }
      const right = u - left;
      const low = v - top;
      // A neighbour outside counts nothing; its place is moved inside so that it may be read.
      const [x0, x1] = [left < 0 ? 0 : left, left + 1 < width ? left + 1 : left];
      const [y0, y1] = [(top < 0 ? 0 : top) * width, (top + 1 < height ? top + 1 : top) * width];
      const w0 = left < 0 ? 0 : 1 - right;
      const w1 = left + 1 < width ? right : 0;
      const h0 = top < 0 ? 0 : 1 - low;
      const h1 = top + 1 < height ? low : 0;
      for (let channel = 0; channel < channels * size; channel += size) {
        const upper = w0 * (source[channel + y0 + x0] as number) + w1 * (source[channel + y0 + x1] as number);
        const lower = w0 * (source[channel + y1 + x0] as number) + w1 * (source[channel + y1 + x1] as number);
        out[channel + to] = h0 * upper + h1 * lower;
      }
    }
  }
}

// --- internal ---

/** Rows of the matrix that leads from a place in the result, as seen from the centre, to where it comes from. */
function inverse({ angle, scale, shear, isMirrored }: Warp): readonly [number, number, number, number] {
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const mirror = isMirrored ? -1 : 1;
  // mirror first, then turn back by the angle, then take the shear away: x -> x - shear y
  const [a, b, c, d] = [mirror * cos, sin, -mirror * sin, cos];
  return [a - shear * c, b - shear * d, c, d];
}
