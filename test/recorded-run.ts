// The events of a made-up run with their times, in the order in which a real one tells them, for tests of what shows them.

import type { RunEvent } from '../src/experiments/run-events.ts';
import type { Metrics } from '../src/experiments/summary.ts';

export interface Moment {
  readonly event: RunEvent;
  readonly atMs: number;
}

export interface RecordedWish {
  readonly rounds: number;
  readonly strategies: readonly ('align' | 'fedavg')[];
  /** `from`: steps that an earlier process had saved of the first round; beyond `steps` all of it lies on disk. */
  readonly silos: readonly { readonly name: string; readonly steps: number; readonly from?: number }[];
  readonly serverSteps: number;
  readonly stepMs: number;
  /** Steps from one report to the next; the last is always reported. Default 1. */
  readonly every?: number;
  /** Rounds that an earlier process had completed, counted through all strategies. Default 0. */
  readonly roundsDone?: number;
}

/** All silos train at the same time, a step each in turn. */
export function recordedRun(wish: RecordedWish): Moment[] {
  const { rounds, strategies, silos, serverSteps, stepMs, every = 1 } = wish;
  const done = Math.min(wish.roundsDone ?? 0, rounds * strategies.length);
  const moments: Moment[] = [];
  let atMs = 0;
  const tell = (event: RunEvent) => void moments.push({ event, atMs });
  const isTold = (step: number, steps: number) => step % every === 0 || step === steps;

  tell({
    kind: 'run-started',
    name: 'recorded',
    seed: 1,
    folder: '/runs/recorded',
    specHash: '0'.repeat(64),
    resumed: done > 0,
    executor: 'onnxruntime',
    device: 'cpu',
    rounds,
    strategies,
    dataSet: { name: 'drawn-digits', train: 500, test: 100 },
    silos: silos.map(({ name }) => ({ name, examples: 100, classes: [0, 1] })),
  });
  const siloSteps = silos.reduce((sum, { steps }) => sum + steps, 0);
  const serverPlan = Object.fromEntries(strategies.map((name) => [name, name === 'align' ? serverSteps : 0]));
  tell({ kind: 'run-planned', siloSteps, serverSteps: serverPlan });
  for (const [s, strategy] of strategies.entries()) {
    const before = Math.min(rounds, Math.max(0, done - s * rounds));
    tell({ kind: 'strategy-started', strategy, roundsDone: before });
    for (let round = before + 1; round <= rounds; round++) {
      const at = { strategy, round } as const;
      const isFirst = s * rounds + round === done + 1;
      for (const { name } of silos) tell({ kind: 'silo-started', ...at, silo: name });
      const begun = silos.map((silo) => ({ ...silo, step: isFirst ? Math.min(silo.from ?? 0, silo.steps) : 0 }));
      for (let working = begun; working.length > 0; ) {
        for (const silo of working) {
          if (silo.step < silo.steps) {
            silo.step += 1;
            atMs += stepMs;
            const progress = { step: silo.step, steps: silo.steps, epoch: 1, loss: 10 / silo.step };
            if (isTold(silo.step, silo.steps)) tell({ kind: 'silo-progress', ...at, silo: silo.name, ...progress });
          }
          if (silo.step < silo.steps) continue;
          tell({ kind: 'silo-epoch', ...at, silo: silo.name, epoch: 1, terms: { loss: 1.25, kl: 1 } });
          tell({ kind: 'silo-finished', ...at, silo: silo.name });
        }
        working = working.filter(({ step, steps }) => step < steps);
      }
      tell({ kind: 'server-started', ...at });
      for (let step = 1; strategy === 'align' && step <= serverSteps; step++) {
        atMs += stepMs;
        if (isTold(step, serverSteps)) {
          tell({ kind: 'server-progress', ...at, step, steps: serverSteps, epoch: 1, loss: 3 });
        }
      }
      if (strategy === 'align') tell({ kind: 'server-epoch', ...at, epoch: 1, terms: { loss: 2.5 } });
      tell({ kind: 'server-finished', ...at });
      tell({ kind: 'round-finished', ...at, metrics: METRICS, seconds: (siloSteps * stepMs) / 1000 });
    }
  }
  tell({ kind: 'run-finished', folder: '/runs/recorded', seconds: atMs / 1000 });
  return moments;
}

// --- internal ---

const SPREAD = { mean: 0.75, sd: 0.01 };
const METRICS: Metrics = {
  classification: null,
  probePaperSplit: null,
  probeFullTest: { accuracy: SPREAD, f1Weighted: SPREAD, splits: 5, unconverged: 0, recallPerClass: [0.75] },
  reconstructionMse: 0.05,
  generation: null,
};
