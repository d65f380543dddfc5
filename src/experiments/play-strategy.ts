// All rounds of one strategy: play, keep what left the silos, judge, write down, go on.

import { performance } from 'node:perf_hooks';
import { AbortedError } from '../errors.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import type { Closing } from '../federation/collect.ts';
import { playRound } from '../federation/round.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import type { StrategyName } from '../federation/strategy.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { type Journal, type RoundRecord, saveJournal, withRound } from './journal.ts';
import type { RunEvent } from './run-events.ts';
import type { RunLayout } from './run-layout.ts';
import type { RunTask } from './run-task.ts';
import { newestBefore, roundAnswered, storedRelease, storeRelease } from './stored-decoders.ts';
import { nothing, type OpenStrategy } from './strategies.ts';

export interface StrategyRun extends OpenStrategy {
  readonly rounds: number;
  readonly atOnce: number;
  readonly task: RunTask;
  readonly layout: RunLayout;
  readonly journalFile: string;
  /** Of images that decoders make. */
  readonly shape: ImageShape;
  /** Whom a round waits for, and how long. */
  readonly closing: Closing;
  /** Awaited when a round is complete and on disk; on a run that goes on also for each round that was so already. */
  readonly onCommitted?: ((round: number, uploads: RoundRecord['uploads']) => Promise<void>) | undefined;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}

/** Plays the rounds that the journal does not have yet, and returns the journal with them. */
export async function playStrategy(run: StrategyRun, journal: Journal): Promise<Journal> {
  const { strategy, rounds, onCommitted, emit, signal } = run;
  let current = journal;
  const known = current.strategies[strategy.name] ?? [];
  const done = known.length;
  emit({ kind: 'strategy-started', strategy: strategy.name, roundsDone: done });
  // An earlier process may have been stopped before it could tell.
  for (const { round, uploads } of known) await onCommitted?.(round, uploads);
  for (let round = done + 1; round <= rounds; round++) {
    if (signal.aborted) throw new AbortedError(`Stopped before round ${round} of ${strategy.name}.`);
    const played = await playAndJudge(run, current, round);
    for (const { name, record } of played) current = withRound(current, name, record);
    await saveJournal(run.journalFile, current);
    for (const { name, record } of played) {
      const { metrics, seconds, uploads } = record;
      if (name === strategy.name) await onCommitted?.(round, uploads);
      emit({ kind: 'round-finished', strategy: name, round, metrics, seconds: seconds.total });
    }
  }
  return current;
}

// --- internal ---

/** What one round gave a strategy. */
interface Played {
  readonly name: StrategyName;
  readonly record: RoundRecord;
}

/** The strategy's own record, and that of `local-only` where it is read off the same silos. */
async function playAndJudge(run: StrategyRun, journal: Journal, round: number): Promise<readonly Played[]> {
  const { strategy, task, atOnce, closing, emit, signal } = run;
  const startedAt = performance.now();
  let silosDoneAt = startedAt;
  const closed = journal.closed?.round === round ? journal.closed : null;
  const { uploads, global } = await playRound({
    round,
    strategy,
    silos: closed ? portsToClosed(run, closed) : run.silosIn(round).map((port) => withNewerOnly(port, journal, round)),
    atOnce,
    closing: closed ? 'every' : closing,
    keep: (came) => kept(run, journal, { round, came, isKnown: closed !== null }),
    signal,
    emit: (event) => {
      if (event.kind === 'server-started') silosDoneAt = performance.now();
      emit(event);
    },
  });
  const serverDoneAt = performance.now();
  const scores =
    global === null ? await task.judgeOwn(strategy.name, round) : await task.judge(strategy.name, round, global);
  const slopes = await task.slopesOf(round, uploads);
  const endedAt = performance.now();
  const record: RoundRecord = {
    round,
    ...scores,
    seconds: {
      silos: (silosDoneAt - startedAt) / 1000,
      server: (serverDoneAt - silosDoneAt) / 1000,
      evaluation: (endedAt - serverDoneAt) / 1000,
      total: (endedAt - startedAt) / 1000,
    },
    uploads: run.whatLeft(round, uploads).map((left) => ({ ...left, localLipschitz: slopes[left.silo] ?? null })),
  };
  const own = { name: strategy.name, record };
  return run.withLocalOnly ? [own, await besides(run, record)] : [own];
}

/**
 * What came, with decoders in the run folder, from which they are read one at a time from now on. Where rounds may close without
 * some silos it is written down, too, before anything learns from it.
 */
async function kept(
  run: StrategyRun,
  journal: Journal,
  {
    round,
    came,
    isKnown,
  }: { readonly round: number; readonly came: readonly ReceivedUpload[]; readonly isKnown: boolean },
): Promise<readonly ReceivedUpload[]> {
  if (isKnown || run.strategy.name !== 'align') return came; // others leave no decoder anywhere
  const uploads: ReceivedUpload[] = [];
  for (const upload of came) {
    uploads.push(upload.kind === 'decoder' ? await storeRelease(run.layout, upload, { round }) : upload);
  }
  if (run.closing !== 'every') {
    await saveJournal(run.journalFile, { ...journal, closed: { round, uploads: run.whatLeft(round, uploads) } });
  }
  return uploads;
}

/** Silos of a round that has closed before: they answer with what came then, and nobody else is asked. */
function portsToClosed({ layout, shape }: StrategyRun, { round, uploads }: NonNullable<Journal['closed']>): SiloPort[] {
  return uploads.flatMap(({ sha256, ...upload }) => {
    if (sha256 === null) return [];
    const kept = { silo: upload.silo, round, upload: { ...upload, sha256 }, shape };
    return { name: upload.silo, play: () => storedRelease(layout, kept) };
  });
}

/** What comes late counts only where the pool has nothing newer of the silo yet. */
function withNewerOnly(port: SiloPort, journal: Journal, round: number): SiloPort {
  return {
    ...port,
    late: async () => {
      const late = (await port.late?.()) ?? null;
      const newest = newestBefore(journal, port.name, round);
      const isNewer = !newest || (late !== null && late.round > roundAnswered(newest.round, newest.upload));
      return isNewer ? late : null;
    },
  };
}

/** `local-only` beside ALIGN-FL: the same silos, judged one by one. */
async function besides(run: StrategyRun, { round, uploads }: RoundRecord): Promise<Played> {
  const startedAt = performance.now();
  const scores = await run.task.judgeOwn(run.strategy.name, round);
  const seconds = (performance.now() - startedAt) / 1000;
  const record = {
    round,
    ...scores,
    seconds: { silos: 0, server: 0, evaluation: seconds, total: seconds },
    uploads: uploads.map(nothing),
  };
  return { name: 'local-only', record };
}
