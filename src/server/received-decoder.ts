// A decoder that came to the server, made to prove itself and then opened: what both pools draw from.

import type { Engine } from '../engine/engine.ts';
import { ReleaseError } from '../errors.ts';
import { type OpenDecoder, openDecoder } from '../exchange/open-decoder.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { proveDecoder, type WantedDecoder } from './prove-decoder.ts';

/**
 * Makes a release's file prove itself, and opens it for as long as `work` takes. It is untrusted input until then, and later:
 * throws ReleaseError with `facts.silo`, also for what comes to light only in the middle of a draw.
 */
export async function withReceived<T>(
  engine: Engine,
  release: ReceivedRelease,
  wanted: WantedDecoder,
  work: (decoder: OpenDecoder) => Promise<T>,
): Promise<T> {
  try {
    const decoder = await openReceived(engine, release, wanted);
    try {
      return await work(decoder);
    } finally {
      await decoder.close();
    }
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    throw new ReleaseError(error.message, { ...error.facts, silo: release.silo }, { cause: error });
  }
}

// --- internal ---

async function openReceived(
  engine: Engine,
  { silo, decoder, privacy }: ReceivedRelease,
  wanted: WantedDecoder,
): Promise<OpenDecoder> {
  const onnx = await decoder.bytes();
  const contract = await proveDecoder(engine, onnx, { decoder, privacy }, wanted);
  return openDecoder(engine, onnx, contract, { label: `decoder of ${silo}` });
}
