import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RunEvent } from '../experiments/run-events.ts';
import { type Moment, recordedRun, type RecordedWish } from '../../test/recorded-run.ts';
import { advance, NO_PROGRESS, type Progress, secondsLeft, SERVER, shareDone, workerSecondsLeft } from './progress.ts';

/** Progress after each moment. */
function told(moments: readonly Moment[]): { readonly progress: Progress; readonly moment: Moment }[] {
  let progress = NO_PROGRESS;
  return moments.map((moment) => {
    progress = advance(progress, moment.event, moment.atMs);
    return { progress, moment };
  });
}

const PLAIN: RecordedWish = {
  rounds: 3,
  strategies: ['align', 'fedavg'],
  silos: [
    { name: 'north', steps: 40 },
    { name: 'east', steps: 60 },
  ],
  serverSteps: 100,
  stepMs: 50,
};

/** Runs of every kind: fresh or gone on with, silos that answer from disk, coarse reports, slow and quick machines. */
const wishes: fc.Arbitrary<RecordedWish> = fc.record({
  rounds: fc.integer({ min: 1, max: 4 }),
  strategies: fc.constantFrom<RecordedWish['strategies']>(['align'], ['align', 'fedavg'], ['fedavg']),
  silos: fc
    .array(fc.record({ steps: fc.integer({ min: 1, max: 300 }), from: fc.integer({ min: 0, max: 400 }) }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((silos) => silos.map((silo, i) => ({ name: `silo-${i}`, ...silo }))),
  serverSteps: fc.integer({ min: 1, max: 300 }),
  stepMs: fc.constantFrom(0.01, 1, 50, 4000),
  every: fc.integer({ min: 1, max: 90 }),
  roundsDone: fc.integer({ min: 0, max: 8 }),
});

describe('the share that is done', () => {
  test('by hand: steps of all silos and of the server, in all rounds of all strategies', () => {
    const steps = told(recordedRun(PLAIN));
    const shareAt = (test: (event: RunEvent) => boolean) => {
      const found = steps.find(({ moment }) => test(moment.event));
      return found ? shareDone(found.progress) : Number.NaN;
    };
    const total = 3 * (100 + 100) + 3 * 100;
    const isEnd = (kind: string, strategy: string, round: number) => (event: RunEvent) =>
      event.kind === kind && 'round' in event && event.round === round && event.strategy === strategy;
    expect(shareAt(({ kind }) => kind === 'run-planned')).toBe(0);
    expect(shareAt(isEnd('server-started', 'align', 1))).toBeCloseTo(100 / total, 12);
    expect(shareAt(isEnd('round-finished', 'align', 1))).toBeCloseTo(200 / total, 12);
    expect(shareAt(isEnd('round-finished', 'align', 3))).toBeCloseTo(600 / total, 12);
    expect(shareAt(isEnd('round-finished', 'fedavg', 1))).toBeCloseTo(700 / total, 12);
    expect(shareAt(({ kind }) => kind === 'run-finished')).toBe(1);
  });

  test('never falls, lies within 0 and 1, and ends at 1, whatever kind of run it is', () => {
    fc.assert(
      fc.property(wishes, (wish) => {
        const shares = told(recordedRun(wish)).map(({ progress }) => shareDone(progress));
        expect(shares).toEqual([...shares].sort((a, b) => a - b));
        expect(shares[0]).toBeGreaterThanOrEqual(0);
        expect(shares.at(-1)).toBeCloseTo(1, 12);
        expect(Math.max(...shares)).toBeLessThanOrEqual(1);
      }),
      { seed: 6, numRuns: 150 },
    );
  });
});

describe('the time left', () => {
  test('is what the rest takes at the speed so far, told once there is enough to tell', () => {
    const steps = told(recordedRun(PLAIN));
    const early = steps.filter(({ moment }) => moment.atMs < 1500);
    expect(early.every(({ progress, moment }) => secondsLeft(progress, moment.atMs) === null)).toBe(true);
    const end = steps.at(-1)?.moment.atMs as number;
    const late = steps.filter(({ moment }) => moment.atMs > end / 4);
    expect(late.length).toBeGreaterThan(100);
    for (const { progress, moment } of late) {
      const left = secondsLeft(progress, moment.atMs) as number;
      expect(Math.abs(left - (end - moment.atMs) / 1000)).toBeLessThan(0.35 * (end / 1000)); // rounds differ in speed
    }
  });

  test('is null or a finite number of seconds, for the run and for each at work', () => {
    fc.assert(
      fc.property(wishes, (wish) => {
        for (const { progress, moment } of told(recordedRun(wish))) {
          const workers = Object.values(progress.workers).map((worker) => workerSecondsLeft(worker, moment.atMs));
          for (const left of [secondsLeft(progress, moment.atMs), ...workers]) {
            if (left === null) continue;
            expect(Number.isFinite(left)).toBe(true);
            expect(left).toBeGreaterThanOrEqual(0);
          }
        }
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  test('of a run that goes on does not count what was done before it', () => {
    const fresh = recordedRun({ ...PLAIN, strategies: ['align'], rounds: 10 });
    const resumed = recordedRun({ ...PLAIN, strategies: ['align'], rounds: 10, roundsDone: 9 });
    const middle = (moments: readonly Moment[]) => {
      const steps = told(moments);
      const { progress, moment } = steps[Math.floor(steps.length / 2)] as (typeof steps)[number];
      return secondsLeft(progress, moment.atMs) as number;
    };
    expect(middle(resumed)).toBeLessThan(middle(fresh) / 5); // a tenth of the work
    expect(middle(resumed)).toBeGreaterThan(middle(fresh) / 20);
  });
});

test('those at work come and go: silos by name, the server under a name that no silo has', () => {
  const at = { strategy: 'align', round: 1 } as const;
  const steps = { step: 3, steps: 9, epoch: 1, loss: 2 };
  const after = (...events: RunEvent[]) =>
    Object.keys(told(events.map((event) => ({ event, atMs: 0 }))).at(-1)?.progress.workers ?? {});
  const north: RunEvent = { kind: 'silo-progress', ...at, silo: 'north', ...steps };
  const server: RunEvent = { kind: 'server-progress', ...at, ...steps };
  expect(after(north, server)).toEqual(['north', SERVER]);
  expect(after(north, server, { kind: 'silo-finished', ...at, silo: 'north' })).toEqual([SERVER]);
  expect(after(north, server, { kind: 'server-finished', ...at })).toEqual(['north']);
  expect(SERVER).not.toMatch(/^[a-z0-9-]+$/); // what silos are called
});
