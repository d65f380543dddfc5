// A decoder that came to the server, made to prove itself and then opened: what both pools draw from.

import type { Engine } from '../engine/engine.ts';
import { type OpenDecoder, openDecoder } from '../exchange/open-decoder.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { proveDecoder, type WantedDecoder } from './prove-decoder.ts';

/** Makes a release's file prove itself, and opens it. It is untrusted input until then. Throws ReleaseError. */
export async function openReceived(
  engine: Engine,
  { silo, decoder, privacy }: ReceivedRelease,
  wanted: WantedDecoder,
): Promise<OpenDecoder> {
  const onnx = await decoder.bytes();
  const contract = await proveDecoder(engine, onnx, { decoder, privacy }, wanted);
  return openDecoder(engine, onnx, contract, { label: `decoder of ${silo}` });
}
