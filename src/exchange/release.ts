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

/** A release as its receiver has it: untrusted until it is inspected. Every release is one; not every one was sealed by us. */
export type ReceivedRelease = Omit<Release, typeof SEALED>;

// --- internal ---

/** Exists for the compiler alone, and is not exported: an object literal elsewhere can never have it. */
declare const SEALED: unique symbol;
