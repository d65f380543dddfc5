import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ShapeError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { WeightsUpdate } from '../exchange/weights-update.ts';
import { averageWeights } from './average.ts';

const update = (
  silo: string,
  examples: number,
  weights: Readonly<Record<string, readonly number[]>>,
): WeightsUpdate => ({
  kind: 'weights',
  silo,
  round: 1,
  privacy: NO_PRIVACY,
  examples,
  weights: Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)])),
});

test('by hand: each silo counts as many times as it has examples', () => {
  const mean = averageWeights([update('a', 1, { w: [0, 8], b: [1] }), update('b', 3, { w: [4, 0], b: [-1] })]);
  expect(mean).toEqual({ w: Float32Array.of(3, 2), b: Float32Array.of(-0.5) });
});

test('equal numbers of examples give the plain mean', () => {
  const mean = averageWeights([update('a', 7, { w: [1] }), update('b', 7, { w: [2] }), update('c', 7, { w: [6] })]);
  expect(mean['w']?.[0]).toBeCloseTo(3, 6);
});

test('one update is its own average, and equal updates are theirs, to the last bit', () => {
  const values = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 10_000 }), (w, n, m) => {
      const one = update('a', n, { w: [...w] });
      expect(averageWeights([one])).toEqual({ w: w.map((value) => value + 0) }); // -0 becomes 0
      const two = averageWeights([one, update('b', m, { w: [...w] })])['w'] as Float32Array;
      for (const [i, value] of two.entries()) expect(value + 0).toBe((w[i] as number) + 0);
    }),
    { seed: 4, numRuns: 200 },
  );
});

test('refuses what cannot be averaged, naming the silo', () => {
  expect(() => averageWeights([])).toThrow(ShapeError);
  const first = update('a', 1, { w: [1, 2] });
  expect(() => averageWeights([first, update('b', 1, { w: [1] })])).toThrow(/update of b has 1 values for 'w', not 2/);
  expect(() => averageWeights([first, update('b', 1, { v: [1, 2] })])).toThrow(/update of b has no values for 'w'/);
});
