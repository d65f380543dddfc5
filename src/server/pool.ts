// Decoders become images: the server's only data.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { withReceived } from './received-decoder.ts';

/** M synthetic images, silo after silo. */
export interface Pool {
  /** [M, D], in [0, 1] */
  readonly images: Float32Array;
  /** Which rows came from which silo. */
  readonly shares: readonly { readonly silo: string; readonly start: number; readonly count: number }[];
}

export interface PoolOptions {
  readonly engine: Engine;
  readonly releases: readonly ReceivedRelease[];
  /** Images to draw: from each silo, or from all together in equal shares. */
  readonly images: number;
  readonly imagesPer: 'silo' | 'total';
  readonly shape: ImageShape;
  readonly key: Key;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Draws z ~ N(0, I) and decodes it, silo by silo. Every decoder is inspected first: it is untrusted input, and so is what
 * its statement claims of its weights, which are made to prove it.
 * A silo's images depend on its decoder and the key alone, not on who else takes part.
 */
export async function drawPool(options: PoolOptions): Promise<Pool> {
  const { engine, releases, shape, key, signal } = options;
  const counts = shareOut(options.images, options.imagesPer, releases.length);
  const size = pixelCount(shape);
  const images = new Float32Array(counts.reduce((sum, count) => sum + count, 0) * size);
  const shares: { silo: string; start: number; count: number }[] = [];
  let start = 0;
  for (const [i, release] of releases.entries()) {
    if (signal?.aborted) throw new AbortedError('Stopped while drawing synthetic images.');
    const count = counts[i] as number;
    const out = images.subarray(start * size, (start + count) * size);
    const siloKey = childKey(key, release.silo);
    await withReceived(engine, release, { shape, classes: null, key: siloKey }, (decoder) =>
      decoder.draw(out, { key: childKey(siloKey, 'z'), label: null }),
    );
    shares.push({ silo: release.silo, start, count });
    start += count;
  }
  return { images, shares };
}

/** Images per silo: `images` each, or `images` in total with the remainder to the first ones. */
export function shareOut(images: number, imagesPer: 'silo' | 'total', silos: number): number[] {
  if (imagesPer === 'silo') return Array<number>(silos).fill(images);
  return Array.from({ length: silos }, (_, i) => Math.floor(images / silos) + (i < images % silos ? 1 : 0));
}
