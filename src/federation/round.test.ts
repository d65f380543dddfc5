import { describe, expect, test } from 'vitest';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { Task } from '../exchange/task.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import type { RoundEvent } from './events.ts';
import { playRound } from './round.ts';
import type { SiloPort } from './silo-port.ts';
import type { Strategy } from './strategy.ts';

const TASK: Task = { kind: 'train-own', run: 'round', round: 3 };
const upload = (silo: string): ReceivedUpload => ({
  kind: 'weights',
  silo,
  round: 3,
  weights: {},
  examples: 1,
  privacy: NO_PRIVACY,
});

/** A silo that ends after so many turns, or fails. */
function silo(name: string, { turns = 0, error = null as Error | null, tasks = [] as Task[] } = {}): SiloPort {
  return {
    name,
    async play(task) {
      tasks.push(task);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      if (error) throw error;
      return upload(name);
    },
  };
}

function strategy(absorbed: (readonly ReceivedUpload[])[] = []): Strategy {
  return {
    name: 'align',
    instruct: async () => TASK,
    async absorb(_, uploads, hooks) {
      absorbed.push(uploads);
      hooks?.onStep?.({ step: 9, steps: 10, epoch: 1, loss: 3 });
      hooks?.onEpoch?.(1, { loss: 2 });
      return { w: Float32Array.of(1) };
    },
  };
}

describe('a round', () => {
  test('gives every silo the same task and the server all uploads, in the order of the silos', async () => {
    const tasks: Task[] = [];
    const absorbed: (readonly ReceivedUpload[])[] = [];
    const silos = [silo('slow', { turns: 9, tasks }), silo('quick', { tasks }), silo('middle', { turns: 3, tasks })];
    const result = await playRound({ round: 3, strategy: strategy(absorbed), silos, atOnce: 3, emit: () => {} });
    expect(tasks).toEqual([TASK, TASK, TASK]);
    expect(result.uploads.map(({ silo: name }) => name)).toEqual(['slow', 'quick', 'middle']);
    expect(absorbed).toEqual([result.uploads]);
    expect(result.global).toEqual({ w: Float32Array.of(1) });
  });

  test('tells its story in order: each silo begins, trains, ends, then the server', async () => {
    const events: RoundEvent[] = [];
    const emit = (event: RoundEvent) => void events.push(event);
    await playRound({ round: 3, strategy: strategy(), silos: [silo('a'), silo('b')], atOnce: 1, emit });
    const at = { strategy: 'align', round: 3 } as const;
    expect(events).toEqual([
      ...['a', 'b'].flatMap((name) => [
        { kind: 'silo-started', ...at, silo: name },
        { kind: 'silo-finished', ...at, silo: name },
      ]),
      { kind: 'server-started', ...at },
      { kind: 'server-progress', ...at, step: 9, steps: 10, epoch: 1, loss: 3 },
      { kind: 'server-epoch', ...at, epoch: 1, terms: { loss: 2 } },
      { kind: 'server-finished', ...at },
    ]);
  });

  test('says at its deadline that it has too few answers, and goes on when they come', async () => {
    const events: RoundEvent[] = [];
    const closing = { quorum: 2, deadlineMs: 0 };
    let strike = () => {};
    const wait = () => new Promise<void>((resolve) => void (strike = resolve));
    let goOn = () => {};
    const isOver = new Promise<void>((resolve) => void (goOn = resolve));
    const slow: SiloPort = { name: 'b', play: () => isOver.then(() => upload('b')) };
    const emit = (event: RoundEvent) => {
      events.push(event);
      if (event.kind === 'silo-finished') setImmediate(strike); // when its answer counts
      if (event.kind === 'round-overdue') goOn();
    };
    const silos = [silo('a'), slow];
    await playRound({ round: 3, strategy: strategy(), silos, atOnce: 2, closing, wait, emit });
    const told = events.filter(({ kind }) => kind === 'round-overdue');
    const at = { kind: 'round-overdue', strategy: 'align', round: 3 };
    expect(told).toEqual([{ ...at, quorum: 2, answered: ['a'], awaited: ['b'] }]);
  });

  test('fails with a silo that fails; the server then learns nothing', async () => {
    const absorbed: (readonly ReceivedUpload[])[] = [];
    const kinds: string[] = [];
    const silos = [silo('a'), silo('b', { error: new Error('b is ill') })];
    const round = playRound({
      round: 3,
      strategy: strategy(absorbed),
      silos,
      atOnce: 2,
      emit: ({ kind }) => void kinds.push(kind),
    });
    await expect(round).rejects.toThrow('b is ill');
    expect(absorbed).toEqual([]);
    expect(kinds).not.toContain('server-started');
    expect(kinds.filter((kind) => kind === 'silo-finished')).toHaveLength(1);
  });
});
