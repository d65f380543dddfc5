// Where a sweep stands, folded from its events: pure, so that what the screen shows can be tested.

import type { SweepEvent } from '../experiments/sweep.ts';
import { advance, NO_PROGRESS, type Progress, secondsLeft, shareDone } from './progress.ts';

export interface SweepProgress {
  /** Work of each cell in any one unit, by name. */
  readonly work: Readonly<Record<string, number>>;
  /** Cells at work. */
  readonly running: Readonly<Record<string, Progress>>;
  /** Cells that are over, whatever became of them. */
  readonly over: Readonly<Record<string, 'complete' | 'failed' | 'stopped'>>;
  /** Work that this process has completed, cells at work aside. */
  readonly workDone: number;
  readonly beganAtMs: number;
}

/** A sweep that has not begun. */
export function sweepProgressOf(work: Readonly<Record<string, number>>): SweepProgress {
  return { work, running: {}, over: {}, workDone: 0, beganAtMs: 0 };
}

/** Progress after an event that came at `nowMs`. */
export function advanceSweep(progress: SweepProgress, event: SweepEvent, nowMs: number): SweepProgress {
  switch (event.kind) {
    case 'sweep-started': {
      const over = Object.fromEntries(event.complete.map((cell) => [cell, 'complete' as const]));
      return { ...progress, over, beganAtMs: nowMs };
    }
    case 'cell-started':
      return { ...progress, running: { ...progress.running, [event.cell]: NO_PROGRESS } };
    case 'cell-event': {
      const cell = advance(progress.running[event.cell] ?? NO_PROGRESS, event.event, nowMs);
      return { ...progress, running: { ...progress.running, [event.cell]: cell } };
    }
    case 'cell-finished': {
      const { [event.cell]: cell = NO_PROGRESS, ...running } = progress.running;
      const { state } = event.report;
      const done = state === 'complete' ? (progress.work[event.cell] ?? 0) * (1 - cell.beganAtShare) : 0;
      const over = state === 'waiting' ? progress.over : { ...progress.over, [event.cell]: state };
      return { ...progress, running, over, workDone: progress.workDone + done };
    }
  }
}

/** Cells that are complete, and all of them. */
export function cellCounts({ work, over }: SweepProgress): { readonly complete: number; readonly all: number } {
  const complete = Object.values(over).filter((state) => state === 'complete').length;
  return { complete, all: Object.keys(work).length };
}

/** Share of the sweep's work that is complete, 0 to 1. What failed counts as not done. */
export function sweepShareDone(progress: SweepProgress): number {
  const { work, over } = progress;
  const total = Object.values(work).reduce((sum, one) => sum + one, 0);
  const complete = Object.entries(work).reduce((sum, [name, one]) => sum + (over[name] === 'complete' ? one : 0), 0);
  const running = workOfRunning(progress, shareDone);
  return total === 0 ? 0 : Math.min(1, (complete + running) / total);
}

/** Seconds until the sweep is over, at the speed so far; null as long as there is too little to tell. */
export function sweepSecondsLeft(progress: SweepProgress, nowMs: number): number | null {
  const { work, over, running, workDone, beganAtMs } = progress;
  const done = workDone + workOfRunning(progress, (cell) => shareDone(cell) - cell.beganAtShare);
  const open = Object.entries(work).reduce((sum, [name, one]) => sum + (over[name] === undefined ? one : 0), 0);
  const left = open - workOfRunning(progress, shareDone);
  const spentMs = nowMs - beganAtMs;
  if (done <= 0 || done < LEAST_SHARE * (done + left) || spentMs < LEAST_MS) return null;
  const longest = Math.max(0, ...Object.values(running).map((cell) => secondsLeft(cell, nowMs) ?? 0));
  return Math.max((left / done) * (spentMs / 1000), longest); // at the end fewer cells are at work
}

// --- internal ---

const LEAST_SHARE = 0.01;
const LEAST_MS = 3000;

function workOfRunning({ work, running }: SweepProgress, share: (cell: Progress) => number): number {
  return Object.entries(running).reduce((sum, [name, cell]) => sum + (work[name] ?? 0) * share(cell), 0);
}
