// In which order an epoch visits its examples.

import { childKey, type Key, permutation } from '../engine/keys.ts';

/**
 * One epoch over `count` examples as batches of exactly `batchSize` rows: every example once, in an order drawn from
 * the key.
 * Deviates: PyTorch's loader, which the authors use, ends an epoch with a smaller batch; a traced step has one shape, so
 * the last batch is filled up from the beginning of the same order.
 */
export function epochBatches(key: Key, count: number, batchSize: number): readonly Uint32Array[] {
  const order = permutation(childKey(key, 'order'), count);
  return Array.from({ length: stepsPerEpoch(count, batchSize) }, (_, b) =>
    Uint32Array.from({ length: batchSize }, (_, i) => order[(b * batchSize + i) % count] as number),
  );
}

/** Number of batches in an epoch. */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.ceil(count / batchSize);
}
