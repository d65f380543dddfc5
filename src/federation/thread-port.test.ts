import { getEventListeners } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decoderHash, smallSilo, SMALL_TRAINING, temporaryFolder } from '../../test/small-silos.ts';
import { AbortedError, AlignError, LostPeerError, type PrivacyError } from '../errors.ts';
import * as errors from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import { plainError, revivedError } from './thread-messages.ts';
import { openSiloThreads, type SiloThreads } from './thread-port.ts';

const started = vi.hoisted(() => [] as unknown[]);
vi.mock('node:worker_threads', async (original) => {
  const threads = await original<typeof import('node:worker_threads')>();
  class Watched extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      started.push(this);
    }
  }
  return { ...threads, Worker: Watched };
});

const ROOT = temporaryFolder();
const TASK: Task = { kind: 'train-own', run: 'threads', round: 1 };
const ENDLESS = { ...SMALL_TRAINING, epochs: 100_000 };
const folder = () => mkdtempSync(join(ROOT, 'case-'));
const thread = (index: number) => started[index] as Worker;

let threads: SiloThreads;
beforeEach(() => {
  started.length = 0;
  threads = openSiloThreads({ engine: { executor: 'onnxruntime', threads: 1 } }, 1);
});
afterEach(() => threads.close());

/** Resolves when a silo that trains for ever is at work, with its end. */
async function atWork(name: string, signal?: AbortSignal): Promise<{ readonly end: Promise<unknown> }> {
  let end: Promise<unknown> = Promise.resolve();
  await new Promise<void>((resolve) => {
    const port = threads.port(smallSilo(name, folder(), { local: ENDLESS }), { onEpoch: () => resolve() });
    end = port.play(TASK, { signal }).catch((error: unknown) => error);
  });
  return { end };
}

/** Makes a thread die of an error that it does not catch. */
const poison = (worker: Worker): void => worker.postMessage(null);

describe('threads', () => {
  test('start when they are needed, are used again, and are never more than asked for', async () => {
    expect(started).toHaveLength(0);
    const plays = ['a', 'b', 'c'].map((name) => threads.port(smallSilo(name, folder())).play(TASK));
    await Promise.all(plays);
    expect(started).toHaveLength(1);
  });

  test.each([
    // On the wasm executor: native code that is terminated in the middle can end the whole process.
    ['is ended from outside', 'wasm', (worker: Worker): void => void worker.terminate()],
    ['dies of an error', 'onnxruntime', poison],
  ] as const)(
    'one that %s loses its task with a LostPeerError; the next task gets a new one',
    async (_, executor, kill) => {
      await threads.close();
      threads = openSiloThreads({ engine: { executor } }, 1);
      const { end } = await atWork('lost');
      const waiting = threads.port(smallSilo('waiting', folder())).play(TASK);
      kill(thread(0));
      const error = await end;
      expect(error).toBeInstanceOf(LostPeerError);
      expect(error).toMatchObject({ facts: { silo: 'lost', round: 1 }, message: expect.stringContaining('silo lost') });
      const after = threads.port(smallSilo('after', folder())).play(TASK);
      expect([decoderHash(await waiting), decoderHash(await after)]).toHaveLength(2);
      expect(started).toHaveLength(2);
    },
  );

  test('one that dies while it has nothing to do harms nobody', async () => {
    const port = threads.port(smallSilo('north', folder()));
    const hash = decoderHash(await port.play(TASK));
    const gone = new Promise((resolve) => thread(0).once('exit', resolve));
    poison(thread(0));
    await gone;
    expect(decoderHash(await port.play(TASK))).toBe(hash);
    expect(started).toHaveLength(2);
  });

  test('a thread that cannot start says why', async () => {
    const broken = openSiloThreads({ engine: { executor: 'wasm', device: 'cuda' } }, 1);
    const error: unknown = await broken
      .port(smallSilo('north', folder()))
      .play(TASK)
      .catch((caught: unknown) => caught);
    await broken.close();
    expect(error).toBeInstanceOf(LostPeerError);
    expect((error as LostPeerError).message).toContain("device 'cuda'");
  });

  test('closing stops what is at work and what waits, each with its error, and no thread stays behind', async () => {
    const { end } = await atWork('north');
    const waiting = threads
      .port(smallSilo('south', folder()))
      .play(TASK)
      .catch((error: unknown) => error);
    const gone = new Promise((resolve) => thread(0).once('exit', resolve));
    await threads.close();
    expect(await end).toBeInstanceOf(AbortedError);
    expect(await waiting).toBeInstanceOf(LostPeerError);
    await gone;
    await threads.close(); // a second time does nothing
    await expect(threads.port(smallSilo('late', folder())).play(TASK)).rejects.toThrow(LostPeerError);
  });

  test('any number of silos may listen to one signal without a warning of leaks', async () => {
    const warning = vi.fn();
    process.on('warning', warning);
    const { signal } = new AbortController();
    await threads.port(smallSilo('north', folder())).play(TASK, { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    for (let i = 0; i < 20; i++) signal.addEventListener('abort', () => i);
    await new Promise((resolve) => setImmediate(resolve)); // warnings come a tick later
    process.off('warning', warning);
    expect(warning).not.toHaveBeenCalled();
  });
});

describe('an error that crosses threads', () => {
  const classes = Object.values(errors).filter((one) => (one as unknown) !== AlignError);

  test.each(classes.map((one) => [one.name, one] as const))('stays a %s, with message, facts and stack', (_, Class) => {
    const error = new (Class as typeof PrivacyError)('Why.', { silo: 'a', round: 2 });
    const back = revivedError(structuredClone(plainError(error)));
    expect(back).toBeInstanceOf(Class);
    expect(back).toMatchObject({
      message: 'Why.',
      facts: { silo: 'a', round: 2 },
      code: error.code,
      stack: error.stack,
    });
  });

  test.each([
    [new RangeError('too far'), 'too far'],
    ['a text', 'a text'],
    [Object.assign(new Error('sly'), { name: 'AlignError' }), 'sly'],
    [Object.assign(new Error('slyer'), { name: 'constructor' }), 'slyer'],
  ])('of no class of ours comes back as a plain error: %s', (thrown, message) => {
    const back = revivedError(structuredClone(plainError(thrown)));
    expect(back).not.toBeInstanceOf(AlignError);
    expect(back.message).toBe(message);
  });
});
