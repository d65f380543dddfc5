// All rounds of one strategy: play, keep what left the silos, judge, write down, go on.

import { performance } from 'node:perf_hooks';
import type { GlobalEvaluator } from '../evaluation/global-evaluator.ts';
import { AbortedError } from '../errors.ts';
import type { Upload } from '../exchange/upload.ts';
import { playRound } from '../federation/round.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import type { Strategy } from '../federation/strategy.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { type Journal, type RoundRecord, saveJournal, withRound } from './journal.ts';
import { metricsOf } from './metrics.ts';
import type { RunEvent } from './run-events.ts';
import type { RunLayout } from './run-layout.ts';

export interface StrategyRun {
  readonly strategy: Strategy;
  readonly rounds: number;
  readonly silos: readonly SiloPort[];
  readonly atOnce: number;
  readonly evaluator: GlobalEvaluator;
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
    const record = await playAndJudge(run, round);
    current = withRound(current, strategy.name, record);
    await saveJournal(run.journalFile, current);
    const { metrics, seconds } = record;
    emit({ kind: 'round-finished', strategy: strategy.name, round, metrics, seconds: seconds.total });
  }
  return current;
}

// --- internal ---

async function playAndJudge(run: StrategyRun, round: number): Promise<RoundRecord> {
  const { strategy, silos, atOnce, evaluator, layout, emit, signal } = run;
  const startedAt = performance.now();
  let silosDoneAt = startedAt;
  const { uploads, global } = await playRound({
    round,
    strategy,
    silos,
    atOnce,
    signal,
    emit: (event) => {
      if (event.kind === 'server-started') silosDoneAt = performance.now();
      emit(event);
    },
  });
  const serverDoneAt = performance.now();
  for (const upload of uploads) {
    if (upload.kind === 'decoder') await writeFileAtomic(layout.decoder(round, upload.silo), upload.decoder.onnx);
  }
  const metrics = metricsOf(await evaluator.judge(global));
  const endedAt = performance.now();
  return {
    round,
    metrics,
    seconds: {
      silos: (silosDoneAt - startedAt) / 1000,
      server: (serverDoneAt - silosDoneAt) / 1000,
      evaluation: (endedAt - serverDoneAt) / 1000,
      total: (endedAt - startedAt) / 1000,
    },
    uploads: uploads.map(recordOf),
  };
}

function recordOf(upload: Upload): RoundRecord['uploads'][number] {
  const { silo, privacy } = upload;
  if (upload.kind === 'decoder') {
    const { sizeBytes: bytes, sha256 } = upload.decoder;
    return { silo, bytes, sha256, privacy };
  }
  const bytes = Object.values(upload.weights).reduce((sum, values) => sum + values.byteLength, 0);
  return { silo, bytes, sha256: null, privacy };
}
