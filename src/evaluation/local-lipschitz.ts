// How steep a decoder is where it is used: the largest slope over draws from the prior, from its ONNX file alone.

import { setImmediate } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { type Key, normals } from '../engine/keys.ts';
import type { Program } from '../engine/program.ts';
import { AbortedError } from '../errors.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { symmetricEigen } from '../models/symmetric-eigen.ts';

/** Slopes of images (Euclidean, pixels 0 to 1) with respect to codes. */
export interface LocalLipschitz {
  /** Codes looked at. */
  readonly draws: number;
  /**
   * Largest ||J(z)||_2 over the draws, as a difference quotient along the steepest direction: the Lipschitz constant is at
   * least this, up to rounding of some 1e-4, so it must not be above a certified bound.
   */
  readonly largest: number;
  /** Mean ||J(z)||_2 over the draws. */
  readonly mean: number;
  /** Mean |J(z)^T 1|, the slope of the sum of all pixels: what the paper's penalty pulls towards 1. */
  readonly meanPixelSum: number;
}

export interface LocalLipschitzOptions {
  readonly engine: Pick<Engine, 'openModel'>;
  /** A decoder that passed inspection: `z [n, latent] -> x [n, channels, height, width]`. */
  readonly onnx: Uint8Array;
  readonly latent: number;
  readonly shape: ImageShape;
  /** Images of one run where the file fixes it; null where n is free. */
  readonly batch?: number | null;
  readonly key: Key;
  /** Codes z ~ N(0, I) to look at. The default is 256. */
  readonly draws?: number;
  readonly signal?: AbortSignal;
}

/**
 * Measures by central differences: all latent directions at each code, then once along the steepest of them (found by power
 * iteration beyond 64 latents, which may find a little less). Takes
 * 2 (L + 1) images a draw. Throws what the engine throws where the file does not run, AbortedError on abort.
 */
export async function localLipschitz(options: LocalLipschitzOptions): Promise<LocalLipschitz> {
  const { engine, onnx, latent, shape, key, draws = 256, signal } = options;
  const rows = options.batch ?? Math.min(MAX_ROWS, 2 * latent); // one run for all directions at a code
  const sides = [shape.channels, shape.height, shape.width];
  const decoder = await engine.openModel(onnx, {
    label: 'decoder',
    inputs: [{ name: DECODER_INPUT, dtype: 'float32', shape: [rows, latent] }],
    outputs: [{ name: DECODER_OUTPUT, dtype: 'float32', shape: [rows, ...sides] }],
  });
  try {
    const pixels = pixelCount(shape);
    const decode = decoding(decoder, { rows, latent, pixels });
    const codes = normals(key, draws * latent); // [draws, L]
    let [largest, sum, pixelSums] = [0, 0, 0];
    for (let draw = 0; draw < draws; draw++) {
      await setImmediate(); // lets signals and messages in between
      if (signal?.aborted) throw new AbortedError("Stopped while measuring a decoder's slope.");
      const z = codes.subarray(draw * latent, (draw + 1) * latent);
      const { direction, pixelSum } = steepest(await decode(around(z)), { latent, pixels });
      const slope = await slopeAlong(decode, z, direction);
      largest = Math.max(largest, slope);
      sum += slope;
      pixelSums += pixelSum;
    }
    return { draws, largest, mean: sum / draws, meanPixelSum: pixelSums / draws };
  } finally {
    await decoder.close();
  }
}

// --- internal ---

/** Half the distance of a central difference: 1e-4 of rounding, and little of the curvature. */
const HALF_STEP = 1e-2;

/** Up to here the steepest direction is computed exactly; beyond by power iteration. */
const EXACT_LATENTS = 64;
const POWER_ITERATIONS = 20;

/** Most images decoded at once where the file leaves it open. */
const MAX_ROWS = 64;

type Decode = (codes: Float32Array) => Promise<Float32Array>;

/** `[N, L] -> [N, D]` in runs of a fixed number of rows. */
function decoding(
  program: Program,
  { rows, latent, pixels }: { readonly rows: number; readonly latent: number; readonly pixels: number },
): Decode {
  const z = new Float32Array(rows * latent);
  const x = new Float32Array(rows * pixels);
  const run = program.bind({ [DECODER_INPUT]: z }, { [DECODER_OUTPUT]: x });
  return async (codes) => {
    const count = codes.length / latent;
    const images = new Float32Array(count * pixels);
    for (let row = 0; row < count; row += rows) {
      const part = codes.subarray(row * latent, Math.min(count, row + rows) * latent);
      z.fill(0).set(part);
      await run();
      images.set(x.subarray(0, (part.length / latent) * pixels), row * pixels);
    }
    return images;
  };
}

/** z with each coordinate moved up, then down: [2 L, L]. */
function around(z: Float32Array): Float32Array {
  const latent = z.length;
  const points = new Float32Array(2 * latent * latent);
  for (let l = 0; l < latent; l++) {
    for (const [sign, row] of [
      [1, 2 * l],
      [-1, 2 * l + 1],
    ] as const) {
      points.set(z, row * latent);
      points[row * latent + l] = (z[l] as number) + sign * HALF_STEP;
    }
  }
  return points;
}

/** The unit vector v that J stretches most, and |J^T 1|, from images at `around(z)`. */
function steepest(
  images: Float32Array,
  { latent, pixels }: { readonly latent: number; readonly pixels: number },
): { readonly direction: Float64Array; readonly pixelSum: number } {
  const jacobian = new Float64Array(latent * pixels); // J^T [L, D]
  let sumSquares = 0;
  for (let l = 0; l < latent; l++) {
    let sum = 0;
    for (let d = 0; d < pixels; d++) {
      const up = images[2 * l * pixels + d] as number;
      const down = images[(2 * l + 1) * pixels + d] as number;
      const slope = (up - down) / (2 * HALF_STEP);
      jacobian[l * pixels + d] = slope;
      sum += slope;
    }
    sumSquares += sum * sum;
  }
  const pixelSum = Math.sqrt(sumSquares);
  if (latent > EXACT_LATENTS) return { direction: powerDirection(jacobian, { latent, pixels }), pixelSum };
  const gram = new Float64Array(latent * latent); // J^T J
  for (let a = 0; a < latent; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let d = 0; d < pixels; d++) {
        sum += (jacobian[a * pixels + d] as number) * (jacobian[b * pixels + d] as number);
      }
      gram[a * latent + b] = sum;
      gram[b * latent + a] = sum;
    }
  }
  return { direction: symmetricEigen(gram, latent).vectors.slice(0, latent), pixelSum };
}

/** Nearly the same by power iteration on J^T J, from equal steps along all codes: in time L D, where eigenvectors take L^3. */
function powerDirection(
  jacobian: Float64Array,
  { latent, pixels }: { readonly latent: number; readonly pixels: number },
): Float64Array {
  let direction = new Float64Array(latent).fill(1 / Math.sqrt(latent));
  for (let iteration = 0; iteration < POWER_ITERATIONS; iteration++) {
    const image = new Float64Array(pixels);
    const next = new Float64Array(latent);
    for (let l = 0; l < latent; l++) {
      for (let d = 0; d < pixels; d++) {
        image[d] = (image[d] as number) + (direction[l] as number) * (jacobian[l * pixels + d] as number);
      }
    }
    for (let l = 0; l < latent; l++) {
      for (let d = 0; d < pixels; d++) {
        next[l] = (next[l] as number) + (image[d] as number) * (jacobian[l * pixels + d] as number);
      }
    }
    const norm = Math.sqrt(next.reduce((sum, value) => sum + value * value, 0));
    if (norm === 0) return direction;
    direction = next.map((value) => value / norm);
  }
  return direction;
}

/** |x(z + h v) - x(z - h v)| over the distance of the two codes, as float32 has them. */
async function slopeAlong(decode: Decode, z: Float32Array, direction: Float64Array): Promise<number> {
  const latent = z.length;
  const ends = new Float32Array(2 * latent);
  for (let l = 0; l < latent; l++) {
    ends[l] = (z[l] as number) + HALF_STEP * (direction[l] as number);
    ends[latent + l] = (z[l] as number) - HALF_STEP * (direction[l] as number);
  }
  const images = await decode(ends);
  return distanceOfHalves(images) / distanceOfHalves(ends);
}

function distanceOfHalves(both: Float32Array): number {
  const half = both.length / 2;
  let squares = 0;
  for (let i = 0; i < half; i++) squares += ((both[i] as number) - (both[half + i] as number)) ** 2;
  return Math.sqrt(squares);
}
