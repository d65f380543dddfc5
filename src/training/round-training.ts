// One round's training of one model, resumable: what a silo does at home and the server on its pool.

import { rm } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import type { Key } from '../engine/keys.ts';
import { StateError } from '../errors.ts';
import type { Examples } from './examples.ts';
import { loadState, saveState, type StoredState } from './state-file.ts';
import { freshState, type NamedArrays } from './parameter-slots.ts';
import type { EpochTerms, Trainer, TrainingHooks } from './trainer.ts';

export interface RoundTraining {
  /** Where the model's state is kept. */
  readonly file: string;
  /** Counted from 1. */
  readonly round: number;
  /** The first round that this model is trained in, whose beginning needs no state. Default 1. */
  readonly firstRound?: number;
  /** Default refused. */
  readonly gaps?: RoundGaps;
  /** What the round begins with. */
  readonly start: RoundStart;
  /** Called only where training is still to be done. */
  readonly examples: () => Promise<Examples> | Examples;
  readonly key: Key;
}

/**
 * Own: the parameters at the end of the round before; `initial` gives those of the model's first round. Given: these, whatever
 * the model had before, as parameter averaging asks.
 */
export type RoundStart =
  | { readonly kind: 'own'; readonly initial: () => NamedArrays }
  | { readonly kind: 'given'; readonly parameters: NamedArrays };

/**
 * Whether rounds may be missing before the one that is asked for. Refused: as everybody waits for everybody, a gap is a lost or
 * foreign state. Allowed: others went on while this model's training failed or was away, and it goes on from the last round that
 * it completed, or begins where there is none. What was saved of a round that is asked for no more counts for nothing: when
 * it was saved was up to the clock, and what failed may have been diverging. It is kept apart, so that it replaces nothing.
 */
export type RoundGaps = 'refused' | 'allowed';

/** What is on disk of a model. */
export interface StoredRounds {
  /** What was saved last. */
  readonly last: StoredState | null;
  /** What the asked-for round goes on with: `last`, unless that is within an earlier round and gaps are allowed. */
  readonly from: StoredState | null;
}

export interface RoundHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: TrainingHooks['onStep'];
  readonly onEpoch?: ((epoch: number, terms: EpochTerms) => void) | undefined;
}

/**
 * Trains until the round is complete and on disk, and returns its parameters. A round that is complete already is not
 * trained again; one that was interrupted goes on after its last saved epoch, to the same result. Throws StateError where
 * the state is neither of this round nor at the end of the one before (or, with gaps, of an earlier one): training on would
 * silently give another model.
 */
export async function trainRound(trainer: Trainer, job: RoundTraining, hooks: RoundHooks = {}): Promise<NamedArrays> {
  const stored = await loadRounds(job);
  const { from } = stored;
  const isThisRound = from?.round === job.round;
  if (isThisRound && from.finished) return from.parameters;
  const start = isThisRound ? from : freshState(beginning(job, from));
  let isKept = false;
  let savedAt = performance.now();
  const end = await trainer.train(
    { examples: await job.examples(), start, key: job.key },
    {
      signal: hooks.signal,
      ...(hooks.onStep && { onStep: hooks.onStep }),
      onEpoch: async (epoch, terms, state) => {
        hooks.onEpoch?.(epoch, terms);
        if (performance.now() - savedAt < CHECKPOINT_EVERY_MS) return;
        if (!isKept) await keepComplete(job, stored);
        isKept = true;
        await saveState(job.file, { ...state(), round: job.round, finished: false });
        savedAt = performance.now();
      },
    },
  );
  await saveState(job.file, { ...end, round: job.round, finished: true });
  if (job.gaps === 'allowed') await rm(completeFile(job.file), { force: true });
  return end.parameters;
}

/** Throws StateError where a file is damaged. */
export async function loadRounds({
  file,
  round,
  gaps,
}: Pick<RoundTraining, 'file' | 'round' | 'gaps'>): Promise<StoredRounds> {
  const last = await loadState(file);
  const isGivenUp = gaps === 'allowed' && last !== null && !last.finished && last.round < round;
  return { last, from: isGivenUp ? await loadState(completeFile(file)) : last };
}

/** Throws StateError unless `stored` is of the asked-for round already, or something that it can begin from. */
export function requireRound(
  {
    start,
    ...at
  }: Pick<RoundTraining, 'file' | 'round' | 'firstRound' | 'gaps'> & {
    readonly start: Pick<RoundStart, 'kind'>;
  },
  stored: Pick<StoredState, 'round' | 'finished'> | null,
): void {
  if (stored?.round === at.round) return;
  if (start.kind === 'given' && (stored?.round ?? 0) < at.round) return;
  if (at.gaps === 'allowed' && isEarlier(at, stored)) return;
  requireRoundBefore(at, stored);
}

/**
 * Throws StateError unless the state is at the end of the round before the asked-for one. At the model's first round none
 * may be there, and must not: it would be another's.
 */
export function requireRoundBefore(
  { file, round, firstRound = 1 }: Pick<RoundTraining, 'file' | 'round' | 'firstRound'>,
  stored: Pick<StoredState, 'round' | 'finished'> | null,
): void {
  const before = round - 1;
  if (stored === null ? round === firstRound : round > firstRound && stored.finished && stored.round === before) return;
  const found =
    stored === null ? 'is missing' : `is ${stored.finished ? 'at the end of' : 'within'} round ${stored.round}`;
  const origin =
    round === firstRound
      ? 'is the first and begins without a state'
      : `goes on from the state at the end of round ${before}`;
  throw new StateError(
    `Round ${round} ${origin}, but ${file} ${found}. Restore the folder as it was, or use another run folder to start afresh.`,
    { file, round, storedRound: stored?.round ?? null },
  );
}

// --- internal ---

/** Whether nothing was ever completed, or an earlier round of this very model. */
function isEarlier(
  { round, firstRound = 1 }: Pick<RoundTraining, 'round' | 'firstRound'>,
  stored: Pick<StoredState, 'round' | 'finished'> | null,
): boolean {
  if (stored === null) return round >= firstRound;
  return stored.finished && stored.round >= firstRound && stored.round < round;
}

/** With gaps: sets the completed state aside that a state within the round is about to replace. */
async function keepComplete({ file, round, gaps }: RoundTraining, { last, from }: StoredRounds): Promise<void> {
  if (gaps === 'allowed' && from !== null && from === last && from.round < round) {
    await saveState(completeFile(file), from);
  }
}

function completeFile(file: string): string {
  return `${file}.complete`;
}

function beginning(job: RoundTraining, stored: StoredState | null): NamedArrays {
  requireRound(job, stored);
  return job.start.kind === 'given' ? job.start.parameters : (stored?.parameters ?? job.start.initial());
}

/** How much work a crash may cost; the clock decides only what is saved, never a number. */
const CHECKPOINT_EVERY_MS = 20_000;
