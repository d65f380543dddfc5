// What comes back from a silo: a release, or, in a baseline's simulation, all weights.

import type { ReceivedRelease, Release } from './release.ts';
import type { WeightsUpdate } from './weights-update.ts';

/** Told apart by `kind`: `decoder` or `weights`. */
export type Upload = Release | WeightsUpdate;

/** An upload as its receiver has it. */
export type ReceivedUpload = ReceivedRelease | WeightsUpdate;
