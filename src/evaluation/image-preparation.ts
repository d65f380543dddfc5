// Images as a foreign network wants them: another size, more channels, another range of values.

import { SpecError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';

/** Subtracted from and divided into pixels in [0, 1], for all channels or one a channel. */
export interface Normalisation {
  readonly mean: number | readonly number[];
  readonly std: number | readonly number[];
}

/**
 * A function that writes one image [D], `from`, as [D'], `to`, into `out` at `offset`. Sizes change bilinearly, with
 * pixel centres at halves and the border repeated, without smoothing first: PyTorch's `interpolate(mode='bilinear',
 * align_corners=False)`. One channel is repeated where three are wanted. Then (x - mean) / std. Throws SpecError where
 * channels or normalisation do not fit.
 */
export function imagePreparation(
  from: ImageShape,
  to: ImageShape,
  { mean, std }: Normalisation,
): (image: Float32Array, out: Float32Array, offset: number) => void {
  if (from.channels !== to.channels && from.channels !== 1) {
    throw new SpecError(
      `The network takes ${to.channels} channel(s), but the images have ${from.channels}; only grey images can be spread ` +
        'over more channels. Use another network.',
      { path: 'channels', images: from.channels, network: to.channels },
    );
  }
  const means = perChannel(mean, to.channels, 'mean');
  const stds = perChannel(std, to.channels, 'std');
  if (stds.some((value) => value === 0)) throw new SpecError('std must not be 0: pixels are divided by it.');
  const rows = tapsOf(from.height, to.height);
  const columns = tapsOf(from.width, to.width);
  return (image, out, offset) => {
    let at = offset;
    for (let c = 0; c < to.channels; c++) {
      const plane = from.channels === 1 ? 0 : c * from.height * from.width;
      const [shift, scale] = [means[c] as number, 1 / (stds[c] as number)];
      for (const { first: y0, second: y1, weight: wy } of rows) {
        const upper = plane + y0 * from.width;
        const lower = plane + y1 * from.width;
        for (const { first: x0, second: x1, weight: wx } of columns) {
          const top = mix(image[upper + x0] as number, image[upper + x1] as number, wx);
          const bottom = mix(image[lower + x0] as number, image[lower + x1] as number, wx);
          out[at++] = (mix(top, bottom, wy) - shift) * scale;
        }
      }
    }
  };
}

/** All of `images` [N, D] prepared for a network that takes `to`, [N, D']. */
export function prepareImages(
  images: Float32Array,
  prepare: ReturnType<typeof imagePreparation>,
  { from, to }: { readonly from: ImageShape; readonly to: ImageShape },
): Float32Array {
  const [size, wanted] = [pixelCount(from), pixelCount(to)];
  const count = images.length / size;
  const out = new Float32Array(count * wanted);
  for (let i = 0; i < count; i++) prepare(images.subarray(i * size, (i + 1) * size), out, i * wanted);
  return out;
}

// --- internal ---

/** Where a new pixel lies between two old ones. */
interface Tap {
  readonly first: number;
  readonly second: number;
  /** Of the second, 0 to 1. */
  readonly weight: number;
}

function tapsOf(from: number, to: number): readonly Tap[] {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const first = Math.min(Math.floor(place), from - 1);
    return { first, second: Math.min(first + 1, from - 1), weight: place - first };
  });
}

function mix(a: number, b: number, weight: number): number {
  return a + weight * (b - a);
}

function perChannel(value: number | readonly number[], channels: number, path: string): readonly number[] {
  const values = typeof value === 'number' ? Array<number>(channels).fill(value) : value;
  if (values.length === channels && values.every(Number.isFinite)) return values;
  throw new SpecError(
    `Expected one ${path}, or ${channels}, one a channel of the network; got [${values.join(', ')}].`,
    {
      path,
      channels,
    },
  );
}
