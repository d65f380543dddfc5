// A decoder that came to the server, made to prove itself and then opened: what both pools draw from.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import { requireOffers } from '../exchange/offered-classes.ts';
import { type OpenDecoder, openDecoder } from '../exchange/open-decoder.ts';
import { probeDecoder } from '../exchange/probe.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { verifyClaims } from '../exchange/verify-claims.ts';
import type { ImageShape } from '../models/image-shape.ts';

/**
 * Inspects a release's file, checks what its statement claims of the weights, draws from it on trial, and opens it. It is
 * untrusted input until then. `classes`: C where labelled images are wanted, of which the release must offer some; null where
 * labels are not. Throws ReleaseError.
 */
export async function openReceived(
  engine: Engine,
  { silo, decoder, privacy }: ReceivedRelease,
  { shape, classes, key }: { readonly shape: ImageShape; readonly classes: number | null; readonly key: Key },
): Promise<OpenDecoder> {
  const { onnx, classes: offers } = decoder;
  const contract = inspectDecoder(onnx, { shape, classes });
  if (classes !== null) requireOffers(contract, offers, classes);
  verifyClaims(onnx, privacy);
  await probeDecoder(engine, onnx, contract, { key: childKey(key, 'probe'), offered: offers?.offered });
  return openDecoder(engine, onnx, contract, { label: `decoder of ${silo}` });
}
