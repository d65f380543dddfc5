import { expect, test } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { kMeans, nearestCentre } from './k-means.ts';

const KEY = seedKey('k-means');

test('finds the middles of groups that lie far apart', () => {
  const middles = [-10, 0, 10];
  const noise = normals(childKey(KEY, 'noise'), 300 * 2);
  const values = Float64Array.from(noise, (value, at) => value + (at % 2 === 0 ? middles[Math.floor(at / 2) % 3]! : 5));
  const centres = kMeans({ values, size: 2 }, { count: 3, rounds: 10, key: KEY });
  const found = [0, 1, 2].map((k) => [centres[2 * k]!, centres[2 * k + 1]!]).sort(([a = 0], [b = 0]) => a - b);
  found.forEach(([x, y], k) => {
    expect(Math.abs(x! - middles[k]!)).toBeLessThan(0.4); // four standard deviations of a mean of 100
    expect(Math.abs(y! - 5)).toBeLessThan(0.4);
  });
});

test('one centre is the mean, and one round is enough for it', () => {
  const values = Float64Array.of(0, 0, 4, 2, 2, 4);
  expect([...kMeans({ values, size: 2 }, { count: 1, rounds: 1, key: KEY })]).toEqual([2, 2]);
});

test('points that are all the same leave centres where they are', () => {
  const centres = kMeans({ values: new Float64Array(8).fill(3), size: 2 }, { count: 3, rounds: 2, key: KEY });
  expect([...centres]).toEqual([3, 3, 3, 3, 3, 3]);
});

test('the first of equally near centres is the nearest', () => {
  expect(nearestCentre({ values: Float64Array.of(1, 0, -1, 0, 0.5, 0), size: 2 }, Float64Array.of(0, 0))).toBe(2);
  expect(nearestCentre({ values: Float64Array.of(1, 0, -1, 0), size: 2 }, Float64Array.of(0, 0))).toBe(0);
});
