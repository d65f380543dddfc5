// Rounds that close on a quorum or a deadline: whom they wait for, in which order uploads come, and what they say of the rest.

import { describe, expect, test } from 'vitest';
import { LostPeerError, PrivacyError, ReleaseError, StateError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import { type Absence, type Closing, collect, type Overdue } from './collect.ts';
import type { SiloPort } from './silo-port.ts';

const ROUND = 4;
const TWO: Closing = { quorum: 2, deadlineMs: 9000 };

const upload = (silo: string, round = ROUND): ReceivedUpload => ({ kind: 'nothing', silo, round, privacy: NO_PRIVACY });

/** Lets every promise that can go on go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A round under way, whose silos and clock do what they are told. */
function round(names: readonly string[], closing: Closing, late: Readonly<Record<string, number>> = {}) {
  const calls = new Map<string, { resolve: (value: ReceivedUpload) => void; reject: (error: Error) => void }>();
  const returns = new Map<string, () => void>();
  const absences: Absence[] = [];
  const latecomers: unknown[] = [];
  const overdue: Overdue[] = [];
  const stop = new AbortController();
  let strike = () => {};
  const silos = names.map(
    (name): SiloPort => ({
      name,
      play: (_, hooks) =>
        new Promise((resolve, reject) => {
          calls.set(name, { resolve, reject });
          hooks?.signal?.addEventListener('abort', () => reject(new Error(`${name} was let go`)), { once: true });
        }),
      late: async () => (late[name] === undefined ? null : upload(name, late[name])),
      back: (signal) =>
        new Promise((resolve, reject) => {
          returns.set(name, resolve);
          signal.addEventListener('abort', () => reject(new Error('closed')), { once: true });
        }),
    }),
  );
  let state = 'open';
  const closed = collect(
    silos,
    {
      round: ROUND,
      closing,
      atOnce: 1,
      signal: stop.signal,
      onMissing: (absence) => void absences.push(absence),
      onLate: (one) => void latecomers.push(one),
      onOverdue: (one) => void overdue.push(one),
      wait: (ms, signal) =>
        new Promise((resolve, reject) => {
          expect(ms).toBe(9000);
          strike = resolve;
          signal.addEventListener('abort', () => reject(new Error('no clock any more')), { once: true });
        }),
    },
    (silo, signal) => silo.play({ kind: 'train-own', run: 'r', round: ROUND }, { signal }),
  ).finally(() => {
    state = 'closed';
  });
  closed.catch(() => {});
  return {
    closed,
    absences,
    latecomers,
    overdue,
    stop,
    asked: () => [...calls.keys()],
    returns: (name: string) => returns.get(name)?.(),
    isOpen: async () => {
      await settle();
      return state === 'open';
    },
    answer: (name: string) => calls.get(name)?.resolve(upload(name)),
    refuse: (name: string, error: Error) => calls.get(name)?.reject(error),
    strike: () => strike(),
  };
}

const cameFrom = async (closed: Promise<readonly ReceivedUpload[]>) =>
  (await closed).map(({ silo, round: answers }) => `${silo} ${answers}`);

describe('a round with a quorum', () => {
  test('asks all silos at once and closes when all have answered, in the order of the silos', async () => {
    const { closed, asked, answer, isOpen } = round(['a', 'b', 'c'], TWO);
    await settle();
    expect(asked()).toEqual(['a', 'b', 'c']);
    for (const name of ['c', 'b']) answer(name);
    expect(await isOpen()).toBe(true); // the deadline has not passed
    answer('a');
    expect(await cameFrom(closed)).toEqual(['a 4', 'b 4', 'c 4']);
  });

  test('goes on at the deadline without who has not answered, and lets it go', async () => {
    const { closed, answer, strike, absences } = round(['a', 'b', 'c'], TWO);
    await settle();
    for (const name of ['c', 'a']) answer(name);
    await settle();
    strike();
    expect(await cameFrom(closed)).toEqual(['a 4', 'c 4']);
    expect(absences).toEqual([
      { silo: 'b', code: 'DEADLINE', message: expect.stringMatching(/^No answer within 9 s/) as string },
    ]);
  });

  test('waits on after the deadline until there are enough, and no longer', async () => {
    const { closed, answer, strike, isOpen } = round(['a', 'b', 'c'], TWO);
    await settle();
    answer('b');
    await settle();
    strike();
    expect(await isOpen()).toBe(true);
    answer('c');
    expect(await cameFrom(closed)).toEqual(['b 4', 'c 4']);
  });

  test('tells once at the deadline, where it has too few answers, whom it waits for', async () => {
    const { closed, answer, refuse, strike, overdue } = round(['a', 'b', 'c', 'd'], TWO);
    await settle();
    answer('b');
    refuse('a', new PrivacyError('a has spent its budget'));
    await settle();
    expect(overdue).toEqual([]);
    strike();
    await settle();
    expect(overdue).toEqual([{ quorum: 2, answered: ['b'], awaited: ['c', 'd'] }]);
    answer('c');
    expect(await cameFrom(closed)).toEqual(['b 4', 'c 4']);
    expect(overdue).toHaveLength(1);
  });

  test('says nothing at the deadline where it has enough answers, or its caller has stopped it', async () => {
    const enough = round(['a', 'b', 'c'], TWO);
    const stopped = round(['a', 'b'], TWO);
    await settle();
    for (const name of ['a', 'b']) enough.answer(name);
    await settle();
    stopped.stop.abort();
    for (const { strike } of [enough, stopped]) strike();
    expect(await cameFrom(enough.closed)).toEqual(['a 4', 'b 4']);
    await expect(stopped.closed).rejects.toThrow('was let go');
    expect([...enough.overdue, ...stopped.overdue]).toEqual([]);
  });

  test('closes without waiting for the deadline when whoever is missing has refused', async () => {
    const { closed, answer, refuse, absences } = round(['a', 'b', 'c'], TWO);
    await settle();
    refuse('b', new PrivacyError('b has spent its budget'));
    for (const name of ['a', 'c']) answer(name);
    expect(await cameFrom(closed)).toEqual(['a 4', 'c 4']);
    expect(absences).toEqual([{ silo: 'b', code: 'PRIVACY', message: 'b has spent its budget' }]);
  });

  test('asks a silo again that is back after it had left, and waits for it then', async () => {
    const one = round(['a', 'b', 'c'], TWO);
    const hasLeft = () => new LostPeerError('It has left.', { left: true });
    one.refuse('a', hasLeft());
    one.answer('b');
    expect(await one.isOpen()).toBe(true);
    one.returns('a');
    one.strike();
    expect(await one.isOpen()).toBe(true);
    one.refuse('a', hasLeft()); // and again
    await one.isOpen();
    one.returns('a');
    await one.isOpen();
    one.answer('a');
    expect((await one.closed).map(({ silo }) => silo)).toEqual(['a', 'b']);
    expect(one.absences.map(({ silo, code }) => `${silo} ${code}`)).toEqual([
      'a LOST_PEER',
      'a LOST_PEER',
      'c DEADLINE',
    ]);
  });

  test('asks nobody again when it has closed at the moment of their return', async () => {
    const { closed, answer, refuse, returns, absences } = round(['a', 'b', 'c'], TWO);
    await settle();
    refuse('a', new LostPeerError('It has left.', { left: true }));
    answer('b');
    await settle();
    returns('a');
    answer('c');
    expect(await cameFrom(closed)).toEqual(['b 4', 'c 4']);
    expect(absences.map(({ code }) => code)).toEqual(['LOST_PEER']);
  });

  test('waits for the return of nobody once all others have answered', async () => {
    const one = round(['a', 'b', 'c'], TWO);
    one.refuse('a', new LostPeerError('It was revoked.', { revoked: true }));
    one.answer('b');
    one.answer('c');
    expect((await one.closed).map(({ silo }) => silo)).toEqual(['b', 'c']);
  });

  test('fails as soon as the quorum is out of reach, and tells of each silo why', async () => {
    const { closed, refuse, isOpen } = round(['a', 'b', 'c'], TWO);
    await settle();
    refuse('a', new ReleaseError('no decoder'));
    expect(await isOpen()).toBe(true);
    refuse('c', new LostPeerError('gone'));
    const error = await closed.catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(LostPeerError);
    expect(String(error)).toMatch(/Round 4 needs 2 of 3 silos, but none can answer any more: a: no decoder c: gone/);
    expect((error as LostPeerError).facts).toEqual({ round: 4, quorum: 2, answered: [], missing: ['a', 'c'] });
  });

  test('fails at once with what is no silo that is missing', async () => {
    const { closed, refuse, isOpen } = round(['a', 'b', 'c'], TWO);
    await settle();
    refuse('b', new StateError("the silo's disk is full", { failed: true })); // which it has told itself
    expect(await isOpen()).toBe(true);
    refuse('a', new StateError('the disk is full'));
    await expect(closed).rejects.toThrow('the disk is full');
  });

  test('stops with its caller', async () => {
    const { closed, stop } = round(['a', 'b'], TWO);
    await settle();
    stop.abort();
    await expect(closed).rejects.toThrow('a was let go');
  });

  test('takes what came late of an earlier round from who does not answer, and counts it towards no quorum', async () => {
    const { closed, answer, refuse, strike, absences, latecomers, isOpen } = round(['a', 'b', 'c'], TWO, {
      a: 2,
      b: 3,
    });
    await settle();
    refuse('a', new LostPeerError('gone'));
    answer('b');
    await settle();
    strike();
    expect(await isOpen()).toBe(true);
    answer('c');
    expect(await cameFrom(closed)).toEqual(['a 2', 'b 4', 'c 4']); // b has answered: its older one is not wanted
    expect(absences.map(({ silo, code }) => [silo, code])).toEqual([['a', 'LOST_PEER']]);
    expect(latecomers).toEqual([{ silo: 'a', answers: 2 }]);
  });

  test('of fewer silos than its quorum needs them all', async () => {
    const { closed, answer } = round(['a'], TWO);
    await settle();
    answer('a');
    expect(await cameFrom(closed)).toEqual(['a 4']);
    expect(await cameFrom(round([], TWO).closed)).toEqual([]);
  });
});

test('a round that waits for every silo fails with one that refuses, as many at once as there is room for', async () => {
  const { closed, refuse, asked } = round(['a', 'b'], 'every');
  await settle();
  expect(asked()).toEqual(['a']);
  refuse('a', new LostPeerError('gone'));
  await expect(closed).rejects.toThrow('gone');
});

test('without a clock of the caller time is real, and no time at all is over at once', async () => {
  const port: SiloPort = { name: 'a', play: async () => upload('a') };
  const never: SiloPort = {
    name: 'b',
    play: (_, hooks) =>
      new Promise((_resolve, reject) => hooks?.signal?.addEventListener('abort', () => reject(new Error('let go')))),
  };
  const options = { round: ROUND, atOnce: 1, onMissing: () => {}, onLate: () => {}, onOverdue: () => {} };
  const ask = (silo: SiloPort, signal: AbortSignal) =>
    silo.play({ kind: 'train-own', run: 'r', round: ROUND }, { signal });
  const closing = (deadlineMs: number) => ({ ...options, closing: { quorum: 1, deadlineMs } });
  expect(await cameFrom(collect([port, never], closing(1), ask))).toEqual(['a 4']);
  expect(await cameFrom(collect([port], closing(Number.POSITIVE_INFINITY), ask))).toEqual(['a 4']); // no timer stays
});
