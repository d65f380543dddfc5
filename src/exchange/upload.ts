// What comes back from a silo: a release, or, in a baseline's simulation, all weights, or nothing but a statement.

import type { PrivacyStatement } from './privacy-statement-schema.ts';
import { type ReceivedRelease, receivedRelease, type Release } from './release.ts';
import type { WeightsUpdate } from './weights-update.ts';

/** A silo whose model has no decoder, and which was not asked for weights: it trained, and keeps what it has. */
export interface NothingReleased {
  readonly kind: 'nothing';
  readonly silo: string;
  readonly round: number;
  readonly privacy: PrivacyStatement;
}

/** Told apart by `kind`: `decoder`, `weights` or `nothing`. */
export type Upload = Release | WeightsUpdate | NothingReleased;

/** An upload as its receiver has it. */
export type ReceivedUpload = ReceivedRelease | WeightsUpdate | NothingReleased;

/** An upload that was handed over in this process, as its receiver has it. */
export function receivedUpload(upload: Upload): ReceivedUpload {
  return upload.kind === 'decoder' ? receivedRelease(upload) : upload;
}
