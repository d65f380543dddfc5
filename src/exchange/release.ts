// The one thing a silo gives away in ALIGN-FL: a decoder, and what is claimed about its privacy.
//
// No encoder, no latent code, no count and no statistic of the examples has a field here.

import type { ImageShape } from '../models/image-shape.ts';
import type { PrivacyStatement } from './privacy-statement-schema.ts';

/** The classes that a silo gives images of. They are public: declared by its owner, or paid for in its ledger. */
export interface OfferedClasses {
  /** C: all classes of the federation. */
  readonly count: number;
  /** Ascending, each from 0 to C - 1, at least one. */
  readonly offered: readonly number[];
}

/** A decoder as it travels. */
export interface ReleasedDecoder {
  /** The file: `z [n, latent] -> x [n, channels, height, width]`, or `z, class [n, C] -> x` where it can be asked for a class. */
  readonly onnx: Uint8Array;
  /** SHA-256 of `onnx`, hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** L */
  readonly latent: number;
  readonly shape: ImageShape;
  /** Null where images come without labels. A file that takes no class has one class at most to offer. */
  readonly classes: OfferedClasses | null;
}

/** A sealed decoder of one silo and round. Only `seal` makes one: the brand is known to no other file. */
export interface Release {
  readonly [SEALED]: true;
  readonly kind: 'decoder';
  readonly silo: string;
  readonly round: number;
  readonly decoder: ReleasedDecoder;
  readonly privacy: PrivacyStatement;
}

/** A decoder as its receiver has it: its file may lie on a disk until it is needed, and need not stay in memory after. */
export interface ReceivedDecoder extends Omit<ReleasedDecoder, 'onnx'> {
  /** The file. To be asked for one decoder at a time, and dropped: the decoders of all silos need not fit into memory. */
  bytes(): Promise<Uint8Array>;
}

/** A release as its receiver has it: untrusted until it is inspected. Not every one was sealed by us. */
export interface ReceivedRelease extends Omit<Release, typeof SEALED | 'decoder'> {
  readonly decoder: ReceivedDecoder;
}

/** A release that was handed over in this process, as its receiver has it. */
export function receivedRelease({ kind, silo, round, decoder, privacy }: Release): ReceivedRelease {
  const { onnx, ...about } = decoder;
  return { kind, silo, round, decoder: { ...about, bytes: async () => onnx }, privacy };
}

// --- internal ---

/** Exists for the compiler alone, and is not exported: an object literal elsewhere can never have it. */
declare const SEALED: unique symbol;
