// One round's training of one model, resumable: what a silo does at home and the server on its pool.

import { performance } from 'node:perf_hooks';
import type { Key } from '../engine/keys.ts';
import { StateError } from '../errors.ts';
import type { Examples } from './examples.ts';
import { loadState, saveState } from './state-file.ts';
import { freshState, type EpochTerms, type NamedArrays, type Trainer, type TrainingHooks } from './trainer.ts';

export interface RoundTraining {
  /** Where the model's state is kept. */
  readonly file: string;
  /** Counted from 1. */
  readonly round: number;
  /** Parameters to begin the round with, given those at the end of the last round (null before the first). */
  readonly begin: (previous: NamedArrays | null) => NamedArrays;
  /** Called only where training is still to be done. */
  readonly examples: () => Promise<Examples> | Examples;
  readonly key: Key;
}

export interface RoundHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: TrainingHooks['onStep'];
  readonly onEpoch?: ((epoch: number, terms: EpochTerms) => void) | undefined;
}

/**
 * Trains until the round is complete and on disk, and returns its parameters. A round that is complete already is not
 * trained again; one that was interrupted goes on after its last saved epoch, to the same result.
 */
export async function trainRound(trainer: Trainer, job: RoundTraining, hooks: RoundHooks = {}): Promise<NamedArrays> {
  const stored = await loadState(job.file);
  if (stored && stored.round > job.round) {
    throw new StateError(
      `${job.file} is at round ${stored.round}, past the asked-for round ${job.round}. States never go back; ` +
        'use another run folder to start afresh.',
      { file: job.file, round: job.round, storedRound: stored.round },
    );
  }
  const isThisRound = stored?.round === job.round;
  if (isThisRound && stored.finished) return stored.parameters;
  const start = isThisRound ? stored : freshState(job.begin(stored?.parameters ?? null));
  let savedAt = performance.now();
  const end = await trainer.train(
    { examples: await job.examples(), start, key: job.key },
    {
      signal: hooks.signal,
      ...(hooks.onStep && { onStep: hooks.onStep }),
      onEpoch: async (epoch, terms, state) => {
        hooks.onEpoch?.(epoch, terms);
        if (performance.now() - savedAt < CHECKPOINT_EVERY_MS) return;
        await saveState(job.file, { ...state(), round: job.round, finished: false });
        savedAt = performance.now();
      },
    },
  );
  await saveState(job.file, { ...end, round: job.round, finished: true });
  return end.parameters;
}

// --- internal ---

/** How much work a crash may cost; the clock decides only what is saved, never a number. */
const CHECKPOINT_EVERY_MS = 20_000;
