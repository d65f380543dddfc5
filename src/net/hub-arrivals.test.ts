// How long a server goes on asking for parts that are not where they should be.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { releaseOf } from '../../test/federation-on-nats.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { downloadDecoder } from './download.ts';
import { openArrivals } from './hub-arrivals.ts';
import { giveUpLost } from './hub-lost.ts';
import { isWanted, nextCandidate, openHubRecords } from './hub-records.ts';
import type { Body, ReleaseHeader } from './messages.ts';
import { TIMING } from './timing.ts';

vi.mock(import('./download.ts'), () => ({ downloadDecoder: vi.fn(async () => false) }) as never);
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const INCOMING = temporaryFolder();
const HOUR_MS = 3_600_000;

/** A server that was told of a release in round 3, whose parts are not there, and every task that it sends. */
function missing() {
  const records = openHubRecords();
  const { sha256 } = releaseOf('a', 3).decoder;
  const headerOf = (hash: string) => ({ silo: 'a', round: 3, decoder: { sha256: hash } }) as ReleaseHeader;
  const tasks: number[] = [];
  const arrivals = openArrivals({
    link: { nc: null as never, timing: TIMING, signal: new AbortController().signal },
    incomingDir: INCOMING,
    inspect: async () => {},
    onSettled: () => giveUpLost(records, 'a', 3),
    isWanted: (candidate) => isWanted(records, candidate),
    askAgain: async () => tasks.push(7 + tasks.length) && (tasks.at(-1) as number),
  });
  const announce = (hash: string) => {
    const candidate = records.add(headerOf(hash));
    if (candidate === null) throw new Error('it is known');
    return candidate;
  };
  const first = announce(sha256);
  arrivals.enqueue(first);
  const fails = (task: number, code: string) => {
    records.of('a').failed = { round: 3, task, code, message: 'why' } as Body<'failed'>;
    giveUpLost(records, 'a', 3);
  };
  return { records, tasks, arrivals, first, announce, fails };
}

test('it asks now and then, for as long as the release may come', async () => {
  const { tasks, first, fails } = missing();
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(tasks.length).toBeGreaterThan(3);
  fails(6, 'LOST_RELEASE'); // told to an earlier server
  fails(9, 'PRIVACY');
  fails(9, 'DATA');
  expect(first.state).toBe('announced');
});

test.each(['LOST_RELEASE', 'COMMITTED'])('it asks no more once the silo has answered %s', async (code) => {
  const { tasks, first, fails } = missing();
  await vi.advanceTimersByTimeAsync(0);
  expect(tasks).toEqual([7]);
  fails(7, code);
  expect(first).toMatchObject({ state: 'lost', error: { facts: { code } } });
  const looks = vi.mocked(downloadDecoder).mock.calls.length;
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(tasks).toEqual([7]);
  expect(vi.mocked(downloadDecoder).mock.calls).toHaveLength(looks);
});

test('it asks no more once a later round is committed, or the silo was revoked', async () => {
  const behind = missing();
  const revoked = missing();
  await vi.advanceTimersByTimeAsync(0);
  behind.records.commit('a', 4);
  revoked.records.of('a').rounds.clear();
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect([behind.tasks, revoked.tasks]).toEqual([[7], [7]]);
});

test('an answer that is faster than the number of its task counts, too', async () => {
  const { records, first } = missing();
  records.of('a').failed = { round: 3, task: 7, code: 'LOST_RELEASE', message: 'why' } as Body<'failed'>;
  await vi.advanceTimersByTimeAsync(0);
  expect(first.state).toBe('lost');
});

test('what is missing holds up no other of its round, and is dropped when that one is ready', async () => {
  const { records, tasks, first, announce } = missing();
  await vi.advanceTimersByTimeAsync(0);
  const second = announce('f'.repeat(64));
  expect(nextCandidate([first, second])).toBe(second);
  second.isMissing = true;
  expect(nextCandidate([first, second])).toBe(first);
  second.state = 'ready';
  expect(nextCandidate([first, second])).toBeNull();
  vi.mocked(downloadDecoder).mockResolvedValue(true);
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  vi.mocked(downloadDecoder).mockResolvedValue(false);
  expect([first.state, tasks.length]).toEqual(['announced', 1]); // the one that counted goes on to count
  expect(records.of('a').rounds.get(3)).toHaveLength(2);
});

test('what was lost and is announced again is looked for again, in its place', async () => {
  const { records, first, announce, fails } = missing();
  await vi.advanceTimersByTimeAsync(0);
  fails(7, 'LOST_RELEASE');
  const second = announce('f'.repeat(64));
  const found = announce(first.header.decoder.sha256);
  expect(records.of('a').rounds.get(3)).toEqual([found, second]);
  expect(found).toMatchObject({ state: 'announced', asked: null });
});
