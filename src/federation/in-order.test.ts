import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inOrder } from './in-order.ts';

/** Work that ends when it is told to. */
function controlled() {
  const begun: number[] = [];
  const ends = new Map<number, { resolve: (value: string) => void; reject: (error: Error) => void }>();
  const work = (input: number) => {
    begun.push(input);
    return new Promise<string>((resolve, reject) => ends.set(input, { resolve, reject }));
  };
  const end = async (input: number) => {
    ends.get(input)?.resolve(`done ${input}`);
    await settle();
  };
  const fail = async (input: number, message: string) => {
    ends.get(input)?.reject(new Error(message));
    await settle();
  };
  return { begun, work, end, fail };
}

/** Lets every promise that can go on go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('results are in the order of the inputs, whatever ends first', async () => {
  const { begun, work, end } = controlled();
  const all = inOrder([1, 2, 3], { atOnce: 3 }, work);
  await settle();
  expect(begun).toEqual([1, 2, 3]);
  for (const input of [3, 1, 2]) await end(input);
  expect(await all).toEqual(['done 1', 'done 2', 'done 3']);
});

test('no more are under way than asked for, and the next begins when one ends', async () => {
  const { begun, work, end } = controlled();
  const all = inOrder([1, 2, 3, 4], { atOnce: 2 }, work);
  await settle();
  expect(begun).toEqual([1, 2]);
  await end(2);
  expect(begun).toEqual([1, 2, 3]);
  await end(1);
  expect(begun).toEqual([1, 2, 3, 4]);
  await end(3);
  await end(4);
  expect(await all).toHaveLength(4);
});

test('after a failure nothing new begins, and the error comes when all that was under way has ended', async () => {
  const { begun, work, end, fail } = controlled();
  let outcome = 'under way';
  const all = inOrder([1, 2, 3, 4], { atOnce: 2 }, work).catch((error: Error) => (outcome = error.message));
  await settle();
  await fail(1, 'first');
  expect([begun, outcome]).toEqual([[1, 2], 'under way']);
  await end(2);
  await all;
  expect([begun, outcome]).toEqual([[1, 2], 'first']);
});

test('of several failures one is thrown and none is left unheard', async () => {
  const { work, fail } = controlled();
  const all = inOrder([1, 2], { atOnce: 2 }, work).catch((error: Error) => error.message);
  await settle();
  await fail(2, 'second');
  await fail(1, 'first');
  expect(['first', 'second']).toContain(await all);
});

test('for any number of inputs and lanes: all results, in order, never too many at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat()), fc.integer({ min: 1, max: 9 }), async (inputs, atOnce) => {
      let now = 0;
      let most = 0;
      const results = await inOrder(inputs, { atOnce }, async (input) => {
        most = Math.max(most, ++now);
        for (let turn = 0; turn < input % 3; turn++) await Promise.resolve();
        now -= 1;
        return input + 1;
      });
      expect(results).toEqual(inputs.map((input) => input + 1));
      expect(most).toBeLessThanOrEqual(atOnce);
    }),
    { seed: 3, numRuns: 100 },
  );
});

test('a failure stops the others through their signal, and is what is thrown', async () => {
  const stopped: string[] = [];
  const all = inOrder(['ill', 'well'], { atOnce: 2 }, async (name, signal) => {
    if (name === 'ill') throw new Error('ill');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    stopped.push(name);
    throw new Error('stopped');
  });
  await expect(all).rejects.toThrow('ill');
  expect(stopped).toEqual(['well']);
});

test('the signal of the caller reaches the calls', async () => {
  const abort = new AbortController();
  const seen = inOrder([1], { atOnce: 1, signal: abort.signal }, async (_, signal) => {
    abort.abort();
    return signal.aborted;
  });
  expect(await seen).toEqual([true]);
});
