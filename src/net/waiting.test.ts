import { expect, test, vi } from 'vitest';
import { AbortedError, LostPeerError, ReleaseError } from '../errors.ts';
import { insist, pause, throwIfAborted, within } from './waiting.ts';

const never = new AbortController().signal;
const what = 'The work';

test('a wait ends with what came, with its limit, or at once when it is stopped', async () => {
  await expect(within(Promise.resolve(7), { signal: never, limitMs: 1000, what })).resolves.toBe(7);
  await expect(within(new Promise(() => {}), { signal: never, limitMs: 5, what })).rejects.toThrow(LostPeerError);
  const stop = new AbortController();
  const waiting = within(new Promise(() => {}), { signal: stop.signal, limitMs: 60_000, what });
  stop.abort();
  await expect(waiting).rejects.toThrow(AbortedError);
  await expect(pause(60_000, stop.signal)).rejects.toThrow(AbortedError);
});

test('what fails after nobody waits any more harms nobody', async () => {
  const stopped = AbortSignal.abort();
  const failing = Promise.reject(new Error('unheard'));
  await expect(within(failing, { signal: stopped, limitMs: 1000, what })).rejects.toThrow(AbortedError);
});

test('an error of ours that stops a wait is what the wait throws', () => {
  const lost = new LostPeerError('closed');
  expect(() => throwIfAborted(AbortSignal.abort(lost), what)).toThrow(lost);
});

test('insisting tries again what the network prevents, and nothing that was decided', async () => {
  let tries = 0;
  const retried: string[] = [];
  const options = { what, signal: never, limitMs: 10_000, tryMs: 100 };
  const onRetry = (_: string, error: Error) => retried.push(error.message);
  const work = async () => {
    tries++;
    if (tries < 3) throw new Error(`try ${tries}`);
    return tries;
  };
  expect(await insist({ ...options, onRetry }, work)).toBe(3);
  expect(retried).toEqual(['try 1', 'try 2']);
  const refused = new ReleaseError('no');
  await expect(
    insist(options, async () => {
      throw refused;
    }),
  ).rejects.toBe(refused);
});

test('each try that comes to nothing gives the next one twice the time, up to eight times', async () => {
  const given: number[] = [];
  const options = { what, signal: never, limitMs: 60_000, tryMs: 3, onRetry: () => {} };
  const work = async (tryMs: number) => {
    given.push(tryMs);
    if (given.length < 6) throw new Error('slow');
  };
  vi.useFakeTimers();
  try {
    const insisting = insist(options, work);
    await vi.advanceTimersByTimeAsync(10_000);
    await insisting;
  } finally {
    vi.useRealTimers();
  }
  expect(given).toEqual([3, 6, 12, 24, 24, 24]);
});

test('insisting ends with its limit', async () => {
  const options = { what, signal: never, limitMs: 50, tryMs: 100 };
  const work = async () => {
    throw new Error('away');
  };
  await expect(insist(options, work)).rejects.toThrow(/did not take it \(away\)/);
});
