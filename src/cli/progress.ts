// Where a run stands, folded from its events: pure, so that what the screen shows can be tested.

import type { RunEvent } from '../experiments/run-events.ts';

/** Work under way: a silo, or the server. */
export interface Worker {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly loss: number;
  readonly startedAtMs: number;
  /** Step at which it was first heard of: a resumed training does not begin at 0. */
  readonly firstStep: number;
}

/** What a silo's ledger says, the round under way included. */
export interface PrivacySpent {
  readonly epsilon: number | 'Infinity';
  readonly budgetEpsilon: number | 'Infinity';
}

export interface Progress {
  readonly rounds: number;
  readonly strategies: readonly string[];
  readonly siloSteps: number;
  readonly serverSteps: Readonly<Record<string, number>>;
  /** The strategy and round under way. */
  readonly strategy: string;
  readonly round: number;
  /** Rounds that are complete, by strategy. */
  readonly roundsDone: Readonly<Record<string, number>>;
  readonly workers: Readonly<Record<string, Worker>>;
  /** By silo; nobody in it where no ledger is kept. */
  readonly spent: Readonly<Record<string, PrivacySpent>>;
  /** Steps of this round's silos and server that are complete. */
  readonly stepsDone: number;
  readonly beganAtMs: number;
  /** Share of the run that was complete when this process began. */
  readonly beganAtShare: number;
}

export const NO_PROGRESS: Progress = {
  rounds: 0,
  strategies: [],
  siloSteps: 0,
  serverSteps: {},
  strategy: '',
  round: 0,
  roundsDone: {},
  workers: {},
  spent: {},
  stepsDone: 0,
  beganAtMs: 0,
  beganAtShare: 0,
};

/** The server's name among the workers; silos cannot have it (their names are lower case). */
export const SERVER = 'SERVER';

/** Progress after an event that came at `nowMs`. */
export function advance(progress: Progress, event: RunEvent, nowMs: number): Progress {
  switch (event.kind) {
    case 'run-started':
      return { ...progress, rounds: event.rounds, strategies: event.strategies, beganAtMs: nowMs };
    case 'run-planned':
      return { ...progress, siloSteps: event.siloSteps, serverSteps: event.serverSteps };
    case 'strategy-started': {
      const roundsDone = { ...progress.roundsDone, [event.strategy]: event.roundsDone };
      const next = { ...progress, strategy: event.strategy, round: event.roundsDone + 1, roundsDone, stepsDone: 0 };
      // What an earlier process had done does not count towards this one's speed.
      const before = event.roundsDone > 0 && progress.stepsDone === 0 && Object.keys(progress.workers).length === 0;
      return before ? { ...next, beganAtShare: shareDone(next), beganAtMs: nowMs } : next;
    }
    case 'silo-spent': {
      const { epsilon, budgetEpsilon } = event;
      return { ...progress, spent: { ...progress.spent, [event.silo]: { epsilon, budgetEpsilon } } };
    }
    case 'silo-progress':
      return withWorker(progress, event.silo, event, nowMs);
    case 'server-progress':
      return withWorker(progress, SERVER, event, nowMs);
    case 'silo-finished':
      return withoutWorker(progress, event.silo);
    case 'server-finished':
      return withoutWorker(progress, SERVER);
    case 'round-finished': {
      const roundsDone = { ...progress.roundsDone, [event.strategy]: event.round };
      return { ...progress, roundsDone, round: event.round + 1, stepsDone: 0, workers: {} };
    }
    default:
      return progress;
  }
}

/** Share of the run's training steps that are complete, 0 to 1; never falls. */
export function shareDone(progress: Progress): number {
  const cost = (strategy: string) => {
    const server = progress.serverSteps[strategy];
    return server === undefined ? 0 : progress.siloSteps + server; // not planned: nobody trains
  };
  const total = progress.strategies.reduce((sum, strategy) => sum + progress.rounds * cost(strategy), 0);
  const rounds = progress.strategies.reduce((sum, s) => sum + (progress.roundsDone[s] ?? 0) * cost(s), 0);
  const running = Object.values(progress.workers).reduce((sum, { step }) => sum + step, 0);
  const inRound = Math.min(progress.stepsDone + running, cost(progress.strategy));
  return total === 0 ? 0 : Math.min(1, (rounds + inRound) / total);
}

/** Seconds until the run is complete, at the speed so far; null as long as there is too little to tell. */
export function secondsLeft(progress: Progress, nowMs: number): number | null {
  const done = shareDone(progress) - progress.beganAtShare;
  const spentMs = nowMs - progress.beganAtMs;
  if (done < 0.02 || spentMs < 1500) return null;
  return ((1 - shareDone(progress)) / done) * (spentMs / 1000);
}

/** Seconds until a worker is through its round. */
export function workerSecondsLeft(worker: Worker, nowMs: number): number | null {
  const done = worker.step - worker.firstStep;
  const spentMs = nowMs - worker.startedAtMs;
  return done < 5 || spentMs < 300 ? null : ((worker.steps - worker.step) / done) * (spentMs / 1000);
}

// --- internal ---

type Report = Pick<Worker, 'step' | 'steps' | 'epoch' | 'loss'>;

function withWorker(progress: Progress, name: string, report: Report, nowMs: number): Progress {
  const known = Object.hasOwn(progress.workers, name) ? progress.workers[name] : undefined;
  const { step, steps, epoch, loss } = report;
  const startedAtMs = known?.startedAtMs ?? nowMs;
  const worker = { step, steps, epoch, loss, startedAtMs, firstStep: known?.firstStep ?? step };
  return { ...progress, workers: { ...progress.workers, [name]: worker } };
}

function withoutWorker(progress: Progress, name: string): Progress {
  const { [name]: gone, ...workers } = progress.workers;
  return { ...progress, workers, stepsDone: progress.stepsDone + (gone?.steps ?? 0) };
}
