// All rounds of one strategy: play, keep what left the silos, judge, write down, go on.

import { performance } from 'node:perf_hooks';
import { AbortedError } from '../errors.ts';
import { playRound } from '../federation/round.ts';
import type { StrategyName } from '../federation/strategy.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { type Journal, type RoundRecord, saveJournal, withRound } from './journal.ts';
import type { RunEvent } from './run-events.ts';
import type { RunLayout } from './run-layout.ts';
import type { RunTask } from './run-task.ts';
import { nothing, type OpenStrategy } from './strategies.ts';

export interface StrategyRun extends OpenStrategy {
  readonly rounds: number;
  readonly atOnce: number;
  readonly task: RunTask;
  readonly layout: RunLayout;
  readonly journalFile: string;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}

/** Plays the rounds that the journal does not have yet, and returns the journal with them. */
export async function playStrategy(run: StrategyRun, journal: Journal): Promise<Journal> {
  const { strategy, rounds, emit, signal } = run;
  let current = journal;
  const done = current.strategies[strategy.name]?.length ?? 0;
  emit({ kind: 'strategy-started', strategy: strategy.name, roundsDone: done });
  for (let round = done + 1; round <= rounds; round++) {
    if (signal.aborted) throw new AbortedError(`Stopped before round ${round} of ${strategy.name}.`);
    const played = await playAndJudge(run, round);
    for (const { name, record } of played) current = withRound(current, name, record);
    await saveJournal(run.journalFile, current);
    for (const { name, record } of played) {
      const { metrics, seconds } = record;
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
async function playAndJudge(run: StrategyRun, round: number): Promise<readonly Played[]> {
  const { strategy, task, atOnce, layout, emit, signal } = run;
  const startedAt = performance.now();
  let silosDoneAt = startedAt;
  const { uploads, global } = await playRound({
    round,
    strategy,
    silos: run.silosIn(round),
    atOnce,
    signal,
    emit: (event) => {
      if (event.kind === 'server-started') silosDoneAt = performance.now();
      emit(event);
    },
  });
  const serverDoneAt = performance.now();
  for (const upload of uploads) {
    if (upload.kind !== 'decoder' || strategy.name !== 'align') continue; // others leave no decoder anywhere
    await writeFileAtomic(layout.decoder(round, upload.silo), upload.decoder.onnx);
  }
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
