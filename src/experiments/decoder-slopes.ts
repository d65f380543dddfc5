// How steep the decoders of a round are: measured by whoever received them, from their files alone.

import { NumericalError, ReleaseError } from '../errors.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { localLipschitz } from '../evaluation/local-lipschitz.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import type { ImageShape } from '../models/image-shape.ts';

/** By name of the silo; those whose upload is no decoder are not in it. */
export type DecoderSlopes = Readonly<
  Record<string, { readonly draws: number; readonly largest: number; readonly mean: number }>
>;

/**
 * Looks at every decoder among `uploads` at the same number of draws from the prior. Throws what inspection and the engine
 * throw, AbortedError on abort.
 */
export async function decoderSlopes(options: {
  readonly engine: Engine;
  readonly uploads: readonly ReceivedUpload[];
  readonly round: number;
  readonly shape: ImageShape;
  readonly key: Key;
  readonly signal?: AbortSignal;
}): Promise<DecoderSlopes> {
  const { engine, uploads, round, shape, signal } = options;
  const found: [string, DecoderSlopes[string]][] = [];
  for (const upload of uploads) {
    if (upload.kind !== 'decoder') continue;
    const onnx = await upload.decoder.bytes();
    const { latent, batch } = inspectDecoder(onnx, { shape });
    const key = childKey(options.key, `round-${round}`, upload.silo);
    const request = { engine, onnx, latent, batch, shape, key, draws: DRAWS, ...(signal && { signal }) };
    try {
      const { draws, largest, mean } = await localLipschitz(request);
      found.push([upload.silo, { draws, largest, mean }]);
    } catch (error) {
      // One that misbehaves for just these codes has no slope, and ends nobody's run.
      if (!(error instanceof ReleaseError) && !(error instanceof NumericalError)) throw error;
    }
  }
  return Object.fromEntries(found);
}

// --- internal ---

/** Well under a second for a decoder of the paper. */
const DRAWS = 32;
