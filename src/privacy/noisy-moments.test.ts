import { describe, expect, test } from 'vitest';
import { childKey, type Key, normals, secretKey, seedKey } from '../engine/keys.ts';
import { AbortedError, PrivacyError, ShapeError } from '../errors.ts';
import type { ReleaseStage } from './gaussian-release.ts';
import { momentNoise, type Moments, noisyMoments } from './noisy-moments.ts';

const KEY = seedKey('noisy-moments');
const WEIGHTS = { count: 0.5, sum: 2, product: 1 };
const SIZE = 3;
const CENTRES = Float64Array.of(0, 0, 0, 1, -1, 2);
const exact: ReleaseStage = { name: 'exact', noiseMultiplier: 0, clipNorm: Number.POSITIVE_INFINITY, weights: WEIGHTS };
const noisy = (noiseMultiplier: number, clipNorm = 1.5): ReleaseStage => ({
  name: 'noisy',
  noiseMultiplier,
  clipNorm,
  weights: WEIGHTS,
});

const look = (records: readonly number[], groups: readonly number[], stage: ReleaseStage, key: Key = KEY) =>
  noisyMoments({
    records: Float64Array.from(records),
    groups: Int32Array.from(groups),
    centres: CENTRES,
    size: SIZE,
    stage,
    noise: stage.noiseMultiplier > 0 ? 'seeded' : 'none',
    key,
  });

describe('moments without noise', () => {
  test('are counts, sums and second moments about the centres, by hand', async () => {
    const { counts, sums, products } = await look([1, 2, 0, 3, 0, 0, 2, -1, 2, 9, 9, 9], [0, 0, 1, -1], exact);
    expect([...counts]).toEqual([2, 1]);
    expect([...sums]).toEqual([4, 2, 0, 1, 0, 0]);
    const first = [10, 2, 0, 2, 4, 0, 0, 0, 0]; // (1,2,0)(1,2,0)^T + (3,0,0)(3,0,0)^T
    [...first, 1, 0, 0, 0, 0, 0, 0, 0, 0].forEach((value, at) => expect(products?.[at]).toBeCloseTo(value, 14));
  });

  test('leave products out where they are not asked', async () => {
    expect((await look([1, 2, 0], [0], { ...exact, weights: { ...WEIGHTS, product: 0 } })).products).toBeNull();
  });
});

describe('one record', () => {
  const others = Array.from(normals(childKey(KEY, 'others'), 5 * SIZE));
  const groups = [0, 1, 0, 1, 0];
  const extremes = [
    [0, 0, 0],
    [1.5, 0, 0],
    [1e9, -1e9, 1e9],
    [0.866, 0.866, 0.866],
    [-1e-9, 0, 0.3],
    [1, -1, 2],
    [2.5, -1, 2],
    [200, 0, -300],
  ];

  /** The distance that the accountant reckons with, from what came out: contributions of both groups, weighted. */
  function distance(a: Moments, b: Moments, { clipNorm }: ReleaseStage): number {
    const square = (x: Float64Array, y: Float64Array, weight: number) =>
      x.reduce((sum, value, at) => sum + (weight * (value - y[at]!)) ** 2, 0);
    return Math.sqrt(
      square(a.counts, b.counts, WEIGHTS.count) +
        square(a.sums, b.sums, WEIGHTS.sum / clipNorm) +
        square(a.products!, b.products!, WEIGHTS.product / clipNorm ** 2),
    );
  }

  test.each([
    [0.5, 1.5],
    [30, 1.5],
    [2000, 0.01],
  ])(
    'moves noisy moments by the sensitivity at most, present or absent: noise %d, clip norm %d',
    async (z, clipNorm) => {
      const stage = noisy(z, clipNorm);
      const without = await look(others, groups, stage);
      const distances: number[] = [];
      for (const record of extremes) {
        for (const group of [0, 1]) {
          distances.push(distance(await look([...others, ...record], [...groups, group], stage), without, stage));
        }
      }
      const sensitivity = Math.hypot(0.5, 2, 1);
      const atScale = 1 / (1 - 1e-9 - (z * 2 ** -20 * Math.sqrt(1 + 3 + 6)) / 2); // estimates are scaled back by the slack
      for (const moved of distances) expect(moved).toBeLessThanOrEqual(sensitivity * atScale * (1 + 1e-12));
      expect(Math.max(...distances)).toBeGreaterThan(0.99 * sensitivity); // and not by much less
      expect(Math.min(...distances)).toBeGreaterThan(0.4); // the count is always there
    },
  );

  test('that is in no group moves nothing', async () => {
    expect(await look([...others, 7, 7, 7], [...groups, -1], noisy(1))).toEqual(await look(others, groups, noisy(1)));
  });

  test('is a shortened one where it lies too far out', async () => {
    const { sums } = await look([0, 30, 40], [0], { ...exact, clipNorm: 5 });
    [0, 3, 4].forEach((value, at) => expect(sums[at]).toBeCloseTo(value, 12));
  });
});

describe('noise', () => {
  test('has the standard deviation that was planned, on every part', async () => {
    const centres = new Float64Array(300 * SIZE);
    const stage = noisy(2);
    const request = { records: new Float64Array(), groups: new Int32Array(), centres, size: SIZE, stage, key: KEY };
    const { counts, sums, products } = await noisyMoments({ ...request, noise: 'seeded' });
    const std = (values: readonly number[]) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    const planned = momentNoise(stage);
    const bound = 2 * Math.hypot(0.5, 2, 1); // z * sensitivity
    expect(planned).toEqual({ count: bound / 0.5, sum: (bound * 1.5) / 2, product: bound * 2.25 });
    expect(Math.abs(std([...counts]) / planned.count - 1)).toBeLessThan(0.16); // 300 numbers: four times 4 %
    expect(std([...sums]) / planned.sum).toBeCloseTo(1, 1);
    const part = (isDiagonal: boolean) =>
      std([...products!].filter((_, at) => ((at % 9) % 4 === 0) === isDiagonal)) / planned.product;
    expect(part(true)).toBeCloseTo(1, 1);
    expect(part(false) * Math.SQRT2).toBeCloseTo(1, 1); // twice in a matrix, once in the sum
    expect(
      products!.every(
        (value, at) => value === products![at - (at % 9) + ((at % 9) % 3) * 3 + Math.floor((at % 9) / 3)],
      ),
    ).toBe(true);
  });

  test('and sums meet as whole grid steps, whatever the order of records', async () => {
    const records = Array.from(normals(childKey(KEY, 'order'), 4 * SIZE));
    const turned = [3, 1, 0, 2].flatMap((i) => records.slice(i * SIZE, (i + 1) * SIZE));
    const moments = await look(records, [0, 0, 0, 1], noisy(1));
    expect(await look(turned, [1, 0, 0, 0], noisy(1))).toEqual(moments);
    const grid = Math.hypot(0.5, 2, 1) * 2 ** -20;
    const steps = (moments.counts[0]! * 0.5 * (1 - 1e-9 - 2 ** -21 * Math.sqrt(10))) / grid;
    expect(Math.abs(steps - Math.round(steps))).toBeLessThan(1e-6);
  });

  test('is the same for the same key, another for another stage', async () => {
    const once = await look([1, 2, 3], [0], noisy(1));
    expect(await look([1, 2, 3], [0], noisy(1))).toEqual(once);
    expect(await look([1, 2, 3], [0], { ...noisy(1), name: 'other' })).not.toEqual(once);
  });

  test('that is to be secure needs a secret key', async () => {
    const request = {
      records: new Float64Array(SIZE),
      groups: Int32Array.of(0),
      centres: CENTRES,
      size: SIZE,
      stage: noisy(1),
      noise: 'secure',
    } as const;
    await expect(noisyMoments({ ...request, key: KEY })).rejects.toThrow(PrivacyError);
    await noisyMoments({ ...request, key: secretKey() });
  });

  test('coarser than the grid can protect is refused', async () => {
    await expect(look([1, 2, 3], [0], noisy(1e6))).rejects.toThrow(/coarser/);
  });
});

test('an abort is heard between slices', async () => {
  const controller = new AbortController();
  const request = {
    records: new Float64Array(600 * SIZE),
    groups: new Int32Array(600),
    centres: CENTRES,
    size: SIZE,
    stage: exact,
    noise: 'none',
    key: KEY,
    signal: controller.signal,
  } as const;
  const looking = noisyMoments(request);
  setImmediate(() => controller.abort());
  await expect(looking).rejects.toThrow(AbortedError);
});

test('groups that do not exist, and halves of records, are refused', async () => {
  await expect(look([1, 2, 3], [2], exact)).rejects.toThrow(ShapeError);
  await expect(look([1, 2, 3, 4], [0], exact)).rejects.toThrow(ShapeError);
});
