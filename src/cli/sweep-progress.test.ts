import { describe, expect, test } from 'vitest';
import { recordedRun } from '../../test/recorded-run.ts';
import type { SweepEvent } from '../experiments/sweep.ts';
import type { CellReport } from '../experiments/sweep-file.ts';
import { liveSweepLines } from './sweep-view.ts';
import { advanceSweep, cellCounts, sweepProgressOf, sweepSecondsLeft, sweepShareDone } from './sweep-progress.ts';

const WISH = {
  rounds: 2,
  strategies: ['align'],
  silos: [{ name: 'north', steps: 10 }],
  serverSteps: 10,
  stepMs: 250,
} as const;
const RUN_MS = 2 * (10 + 10) * WISH.stepMs;

const ended = (cell: string, state: CellReport['state']): SweepEvent => ({
  kind: 'cell-finished',
  cell,
  report: { name: cell, values: {}, seed: 1, specHash: '0'.repeat(64), state, error: null, scores: null },
});

/** Two cells one after another, each a recorded run, the second of `state` in the end; `look` after each event. */
function told(
  state: CellReport['state'],
  look: (share: number, left: number | null, nowMs: number) => void = () => {},
) {
  let progress = sweepProgressOf({ a: 5, b: 5, c: 10 });
  const hear = (event: SweepEvent, nowMs: number) => {
    progress = advanceSweep(progress, event, nowMs);
    look(sweepShareDone(progress), sweepSecondsLeft(progress, nowMs), nowMs);
  };
  hear({ kind: 'sweep-started', folder: '/sweep', jobs: 1, complete: ['c'] }, 0);
  for (const [i, cell] of ['a', 'b'].entries()) {
    hear({ kind: 'cell-started', cell }, i * RUN_MS);
    for (const { event, atMs } of recordedRun(WISH)) hear({ kind: 'cell-event', cell, event }, i * RUN_MS + atMs);
    hear(ended(cell, i === 0 ? 'complete' : state), (i + 1) * RUN_MS);
  }
  return progress;
}

describe('the progress of a sweep', () => {
  test('grows from what was complete to all, never backward', () => {
    const shares: number[] = [];
    const progress = told('complete', (share) => shares.push(share));
    expect(shares[0]).toBe(0.5);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    expect(cellCounts(progress)).toEqual({ complete: 3, all: 3 });
  });

  test('foretells the end within a tenth at an even speed, work of earlier processes aside', () => {
    const errors: number[] = [];
    told('complete', (_, left, nowMs) => {
      if (left !== null) errors.push(Math.abs(nowMs / 1000 + left - (2 * RUN_MS) / 1000));
    });
    expect(errors.length).toBeGreaterThan(50);
    expect(Math.max(...errors)).toBeLessThan((0.1 * 2 * RUN_MS) / 1000);
  });

  test('does not wait for a cell that failed or was stopped, and does not count it', () => {
    for (const state of ['failed', 'stopped'] as const) {
      const progress = told(state);
      expect(sweepSecondsLeft(progress, 2 * RUN_MS)).toBe(0);
      expect(sweepShareDone(progress)).toBe(0.75);
      expect(cellCounts(progress)).toEqual({ complete: 2, all: 3 });
    }
  });

  test('knows nothing before there is something to know', () => {
    expect(sweepSecondsLeft(sweepProgressOf({ a: 1 }), 10_000)).toBeNull();
    expect(sweepShareDone(sweepProgressOf({}))).toBe(0);
  });
});

test('live lines: the sweep, the cells at work, and no more than fit', () => {
  let progress = sweepProgressOf(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`cell-${i}`, 1])));
  for (let i = 0; i < 9; i++) progress = advanceSweep(progress, { kind: 'cell-started', cell: `cell-${i}` }, 0);
  const lines = liveSweepLines(progress, 0, 8);
  expect(lines).toHaveLength(7);
  expect(lines[0]).toContain('0 of 9 runs complete');
  expect(lines[1]).toMatch(/cell-0 {2}preparing/);
  expect(lines.at(-1)).toBe('  and 4 more');
});
