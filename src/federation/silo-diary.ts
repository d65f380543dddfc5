// What a simulation may watch while a silo works. Not part of a port, for none of it may leave a real silo.
//
// Losses are computed from private images and no noise covers them, and the number of steps tells the number of images.
// On one machine the researcher owns all silos and may look; across machines a silo shows its diary to its own people.

import type { Spent } from '../silo/silo-account.ts';

/** How far a silo has come with a task. */
export interface SiloProgress {
  readonly step: number;
  readonly steps: number;
  /** Counted from 1. */
  readonly epoch: number;
  /** Of the last step. */
  readonly loss: number;
}

/** Listeners must be quick. `round` is that of the task. */
export interface SiloDiary {
  /** When a round is paid for, before its training; never where nobody counts. */
  readonly onSpent?: ((round: number, spent: Spent) => void) | undefined;
  /** Every step in this thread, a few of them a second from another; the last step always. */
  readonly onProgress?: ((round: number, progress: SiloProgress) => void) | undefined;
  /** After each epoch, with the mean of the loss terms. */
  readonly onEpoch?: ((round: number, epoch: number, terms: Readonly<Record<string, number>>) => void) | undefined;
}
