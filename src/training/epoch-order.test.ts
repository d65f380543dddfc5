import fc from 'fast-check';
import { expect, test } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { epochBatches, stepsPerEpoch } from './epoch-order.ts';

const KEY = seedKey('epoch-order');
const sizes = { count: fc.integer({ min: 1, max: 300 }), batchSize: fc.integer({ min: 1, max: 80 }) };
const seed = fc.integer({ min: 0, max: 1_000_000 });

test('every batch has the full size, every row comes at least once, and only the last batch repeats any', () => {
  fc.assert(
    fc.property(sizes.count, sizes.batchSize, seed, (count, batchSize, s) => {
      const batches = epochBatches(childKey(KEY, s), count, batchSize);
      expect(batches).toHaveLength(stepsPerEpoch(count, batchSize));
      expect(batches.every((rows) => rows.length === batchSize)).toBe(true);
      const read = batches.flatMap((rows) => [...rows]);
      expect([...new Set(read)].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(new Set(read.slice(0, count)).size).toBe(count);
      expect(read.slice(count)).toEqual(Array.from({ length: read.length - count }, (_, i) => read[i % count]));
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('the order depends on the key and the count, not on the size of the batches', () => {
  fc.assert(
    fc.property(sizes.count, sizes.batchSize, seed, (count, batchSize, s) => {
      const order = (size: number) => epochBatches(childKey(KEY, s), count, size).flatMap((rows) => [...rows]);
      expect(order(batchSize).slice(0, count)).toEqual(order(1));
    }),
    { seed: 2, numRuns: 50 },
  );
  expect(epochBatches(childKey(KEY, 'a'), 50, 50)).not.toEqual(epochBatches(childKey(KEY, 'b'), 50, 50));
});

test('steps of an epoch are whole batches, the last one filled up', () => {
  expect([1, 127, 128, 129, 256].map((count) => stepsPerEpoch(count, 128))).toEqual([1, 1, 1, 2, 2]);
});
