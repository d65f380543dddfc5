import { expect, test, vi } from 'vitest';
import { every } from './every.ts';

test('a look that takes long is one look: none waits behind it, and the end waits for it', async () => {
  vi.useFakeTimers();
  try {
    let looks = 0;
    let finish = () => {};
    const work = () => new Promise<void>((done) => (finish = () => (looks++, done())));
    const end = every(10, work);
    await vi.advanceTimersByTimeAsync(1000);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(looks).toBe(1);
    await vi.advanceTimersByTimeAsync(10);
    let hasEnded = false;
    const ending = end().then(() => (hasEnded = true));
    await vi.advanceTimersByTimeAsync(1000);
    expect(hasEnded).toBe(false);
    finish();
    await ending;
    expect(looks).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

test('a look that fails is made again', async () => {
  vi.useFakeTimers();
  try {
    let looks = 0;
    const end = every(10, async () => {
      looks++;
      throw new Error('no');
    });
    await vi.advanceTimersByTimeAsync(30);
    await end();
    expect(looks).toBe(3);
  } finally {
    vi.useRealTimers();
  }
});
