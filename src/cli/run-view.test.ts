import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { performance } from 'node:perf_hooks';
import { recordedRun } from '../../test/recorded-run.ts';
import { advance, NO_PROGRESS } from './progress.ts';
import { createRunView, statusLines } from './run-view.ts';

const MOMENTS = recordedRun({
  rounds: 2,
  strategies: ['align', 'fedavg'],
  silos: [
    { name: 'north', steps: 40 },
    { name: 'a-silo-with-a-rather-long-name', steps: 25 },
  ],
  serverSteps: 30,
  stepMs: 60,
});

let nowMs = 0;
beforeEach(() => {
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => {
  nowMs = 0;
});

/** Shows the recorded run on a stream that remembers what is written. */
function shown(terminal: { readonly isTTY: boolean; readonly columns?: number }): string[] {
  const writes: string[] = [];
  const write = (text: string) => void writes.push(text);
  const view = createRunView({ ...terminal, write } as unknown as NodeJS.WriteStream);
  for (const { event, atMs } of MOMENTS) {
    nowMs = atMs;
    view.show(event);
  }
  view.close();
  return writes;
}

/** What a terminal of endless height shows after these writes. */
function screenAfter(writes: readonly string[]): string[] {
  const rows: string[] = [];
  for (const write of writes) {
    // oxlint-disable-next-line no-control-regex -- cursor up, erase to the end
    const up = /^\x1b\[(\d+)A\x1b\[0J$/.exec(write);
    if (up) {
      expect(Number(up[1])).toBeLessThanOrEqual(rows.length);
      rows.length -= Number(up[1]);
    } else {
      expect(write.endsWith('\n')).toBe(true);
      rows.push(...withoutColours(write).slice(0, -1).split('\n'));
    }
  }
  return rows;
}

// oxlint-disable-next-line no-control-regex -- how colours begin
const withoutColours = (text: string) => text.replace(/\x1b\[[0-9;]*m/g, '');

describe('the live lines', () => {
  const states = MOMENTS.map(({ event, atMs }, i) => ({
    atMs,
    progress: MOMENTS.slice(0, i + 1).reduce((sum, one) => advance(sum, one.event, one.atMs), NO_PROGRESS),
    kind: event.kind,
  }));

  test('never tell an unknown or endless time, and bars are as wide as ever', () => {
    for (const { progress, atMs } of states) {
      for (const line of statusLines(progress, atMs).map(withoutColours)) {
        expect(line).not.toMatch(/NaN|Infinity|undefined|–/);
        expect(line.match(/[█░]+/)?.[0]).toHaveLength(20);
      }
    }
  });

  test('show a share that never falls, from 0 % to 100 %', () => {
    const shares = states.map(({ progress, atMs }) => {
      const [head = ''] = statusLines(progress, atMs).map(withoutColours);
      return Number(/(\d+) %/.exec(head)?.[1]);
    });
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect([shares[0], shares.at(-1)]).toEqual([0, 100]);
  });

  test('name the strategy and round, and each at work with its epoch and loss', () => {
    const { progress, atMs } = states.find(({ kind, atMs: at }) => kind === 'silo-progress' && at > 1800) ?? states[0]!;
    const [head, ...workers] = statusLines(progress, atMs).map(withoutColours);
    expect(head).toMatch(/^ALIGN-FL round 1\/2 {2}\S+ \d+ % {2}about \d.* left$/);
    expect(workers.map((line) => line.trim().split(/\s+/)[0])).toEqual(['a-silo-with-a-rather-long-name', 'north']);
    for (const line of workers) expect(line).toMatch(/epoch 1 {2}loss \d+\.\d\d {2}\d.* left$/);
  });

  test('say that the run prepares before there is a round', () => {
    const [head] = statusLines(states[1]!.progress, 0).map(withoutColours);
    expect(head).toMatch(/^preparing/);
  });

  test('tell no time left at the end', () => {
    const { progress, atMs } = states.at(-1)!;
    expect(statusLines(progress, atMs).map(withoutColours)).toEqual([expect.stringMatching(/100 %$/)]);
  });
});

describe('on a terminal', () => {
  test.each([40, 80, 200])('live lines are erased before the next, and never wrap at %i columns', (columns) => {
    const writes = shown({ isTTY: true, columns });
    const rows = screenAfter(writes);
    expect(rows.filter((row) => /[█░]/.test(row))).toEqual([]); // closed: no live line stays
    expect(rows.filter((row) => row.includes('round'))).toHaveLength(4);
    const live = writes.filter((write) => /[█░]/.test(write)).flatMap((write) => withoutColours(write).split('\n'));
    expect(live.length).toBeGreaterThan(50);
    expect(Math.max(...live.map((line) => line.length))).toBeLessThan(columns);
  });
});

describe('without a terminal', () => {
  test('there is a line an epoch and a line a round, and no escape code', () => {
    const text = shown({ isTTY: false }).join('');
    expect(text).not.toContain('\x1b');
    expect(text).toMatch(/^Running recorded, seed 1, on onnxruntime \(cpu\), in \/runs\/recorded$/m);
    expect(text.match(/epoch 1, loss 1\.25/g)).toHaveLength(8); // two silos, two rounds, two strategies
    expect(text.match(/ server: epoch 1, loss 2\.50/g)).toHaveLength(2);
    expect(text.match(/^(ALIGN-FL|FedAvg) round [12]\/2: probe 75\.0 %/gm)).toHaveLength(4);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('there is a line for a silo that computes its generator and has no epochs', () => {
    const writes: string[] = [];
    const stream = { isTTY: false, write: (text: string) => void writes.push(text) };
    const view = createRunView(stream as unknown as NodeJS.WriteStream);
    const at = { strategy: 'align', round: 1, silo: 'north' } as const;
    view.show({ kind: 'silo-started', ...at });
    view.show({ kind: 'silo-spent', ...at, epsilon: 1, budgetEpsilon: 1, delta: 1e-5 });
    for (const step of [1, 2]) view.show({ kind: 'silo-progress', ...at, step, steps: 2, epoch: 1, loss: Number.NaN });
    view.show({ kind: 'silo-finished', ...at });
    expect(writes).toEqual([expect.stringMatching(/^ {2}ALIGN-FL round 1 north: computed, epsilon 1\S* of 1\S*\n$/)]);
  });
});
