// A way to reach a silo. The round knows this interface only: a thread, this process or a network stands behind it.

import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';

/** How far a silo has come with a task. */
export interface SiloProgress {
  readonly step: number;
  readonly steps: number;
  /** Counted from 1. */
  readonly epoch: number;
  /** Of the last step. */
  readonly loss: number;
}

export interface PortHooks {
  readonly signal?: AbortSignal | undefined;
  /** Every step, or a few of them a second where the silo is far; the last step always. Must be quick. */
  readonly onProgress?: ((progress: SiloProgress) => void) | undefined;
  /** After each epoch, with the mean of the loss terms. */
  readonly onEpoch?: ((epoch: number, terms: Readonly<Record<string, number>>) => void) | undefined;
}

export interface SiloPort {
  readonly name: string;
  /** Hands a task in and waits for what the silo gives back. The same task may be handed in again: nothing counts twice. */
  play(task: Task, hooks?: PortHooks): Promise<Upload>;
}
