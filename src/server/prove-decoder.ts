// What a decoder that came to the server must prove before anyone draws from it: in a process of its own, and where it is opened.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { type DeclaredDecoder, requireAsDeclared } from '../exchange/as-declared.ts';
import { type DecoderContract, inspectDecoder } from '../exchange/inspect.ts';
import { requireOffers } from '../exchange/offered-classes.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import { probeDecoder } from '../exchange/probe.ts';
import { verifyClaims } from '../exchange/verify-claims.ts';
import type { ImageShape } from '../models/image-shape.ts';

/** What was said of a decoder by whoever sent it. */
export interface DecoderHeader {
  readonly decoder: DeclaredDecoder;
  readonly privacy: PrivacyStatement;
}

export interface WantedDecoder {
  readonly shape: ImageShape;
  /** C where labelled images are wanted, of which the decoder must offer some; null where labels are not. */
  readonly classes: number | null;
  readonly key: Key;
}

/**
 * Inspects the file, compares it with its header, checks what its statement claims of the weights, and draws from it on trial.
 * Executes a stranger's graph in this process. Throws ReleaseError.
 */
export async function proveDecoder(
  engine: Pick<Engine, 'openModel'>,
  onnx: Uint8Array,
  { decoder, privacy }: DecoderHeader,
  { shape, classes, key }: WantedDecoder,
): Promise<DecoderContract> {
  const contract = inspectDecoder(onnx, { shape, classes });
  requireAsDeclared(contract, decoder);
  if (classes !== null) requireOffers(contract, decoder.classes, classes);
  verifyClaims(onnx, privacy);
  await probeDecoder(engine, onnx, contract, { key: childKey(key, 'probe'), offered: decoder.classes?.offered });
  return contract;
}
