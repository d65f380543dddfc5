// Decoders become images: the server's only data.

import { sizeOf } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key, normals } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import { checkPixels, probeDecoder } from '../exchange/probe.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { verifyClaims } from '../exchange/verify-claims.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';

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
    await decodeInto(engine, release, { shape, key: childKey(key, release.silo), out });
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

// --- internal ---

/** Rows decoded at once where the decoder leaves it open. */
const CHUNK = 250;

async function decodeInto(
  engine: Engine,
  release: ReceivedRelease,
  { shape, key, out }: { readonly shape: ImageShape; readonly key: Key; readonly out: Float32Array },
): Promise<void> {
  const { onnx } = release.decoder;
  const contract = inspectDecoder(onnx, { shape });
  verifyClaims(onnx, release.privacy);
  await probeDecoder(engine, onnx, contract, childKey(key, 'probe'));
  const rows = contract.batch ?? CHUNK;
  const zSpec = { name: DECODER_INPUT, dtype: 'float32', shape: [rows, contract.latent] } as const;
  const sides = [shape.channels, shape.height, shape.width];
  const xSpec = { name: DECODER_OUTPUT, dtype: 'float32', shape: [rows, ...sides] } as const;
  const label = `decoder of ${release.silo}`;
  const decoder = await engine.openModel(onnx, { label, inputs: [zSpec], outputs: [xSpec] });
  try {
    const z = new Float32Array(sizeOf(zSpec));
    const x = new Float32Array(sizeOf(xSpec));
    const run = decoder.bind({ [DECODER_INPUT]: z }, { [DECODER_OUTPUT]: x });
    const size = pixelCount(shape);
    const draws = normals(childKey(key, 'z'), Math.ceil(out.length / size / rows) * z.length);
    for (let row = 0; row * size < out.length; row += rows) {
      z.set(draws.subarray(row * contract.latent, row * contract.latent + z.length));
      await run();
      checkPixels(x);
      const images = x.subarray(0, Math.min(x.length, out.length - row * size));
      out.set(
        images.map((pixel) => Math.min(1, Math.max(0, pixel))),
        row * size,
      ); // what rounding left outside
    }
  } finally {
    await decoder.close();
  }
}
