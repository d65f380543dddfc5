import { expect, test } from 'vitest';
import { rateFactor, type ScheduleOptions } from './schedule.ts';

const factors = (schedule: ScheduleOptions, steps: number) =>
  Array.from({ length: steps }, (_, i) => rateFactor(schedule, i + 1, steps));

test('constant leaves the rate as it is', () => {
  expect(factors({ kind: 'constant' }, 3)).toEqual([1, 1, 1]);
});

test('cosine falls from 1 at the first step to the final factor at the last, half way in the middle', () => {
  const expected = [1, 0.1 + 0.45 * (1 + Math.SQRT1_2), 0.55, 0.1 + 0.45 * (1 - Math.SQRT1_2), 0.1];
  const found = factors({ kind: 'cosine', finalFactor: 0.1 }, 5);
  for (const [i, factor] of found.entries()) expect(factor).toBeCloseTo(expected[i] as number, 12);
});

test('cosine to a final factor of 1 is constant, and a single step is the last one', () => {
  expect(factors({ kind: 'cosine', finalFactor: 1 }, 4)).toEqual([1, 1, 1, 1]);
  expect(factors({ kind: 'cosine', finalFactor: 0.25 }, 1)).toEqual([0.25]);
});

test('linear warm-up rises in equal steps, reaches 1 at its last, and stays', () => {
  expect(factors({ kind: 'linear-warmup', warmupSteps: 4 }, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  expect(factors({ kind: 'linear-warmup', warmupSteps: 1 }, 2)).toEqual([1, 1]);
});
