import { describe, expect, it } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { compareRanks } from './membership-ranks.ts';

describe('the comparison by ranks', () => {
  it('is right by hand: of 2 x 2 pairs, (1, 3) against (2, 0) wins three', () => {
    const { u, auc } = compareRanks([1, 3], [2, 0]);
    expect(u).toBe(3);
    expect(auc.estimate).toBe(0.75);
  });

  it('gives the U and p of scipy.stats.mannwhitneyu(method="asymptotic"), SciPy 1.17.1', () => {
    const untied = compareRanks([19, 22, 16, 29, 24], [20, 11, 17, 12]);
    expect(untied.u).toBe(17);
    expect(untied.pValue).toBeCloseTo(0.11134688653314041, 12);
    const tied = compareRanks([1, 2, 2, 3, 5, 5, 8], [2, 4, 5, 5, 9, 9, 10, 1, 2]);
    expect(tied.u).toBe(23.5);
    expect(tied.pValue).toBeCloseTo(0.4196395840946453, 12);
  });

  it('is the slow count of pairs, and its interval that of their placements', () => {
    const a = normals(seedKey('a'), 60).map((value) => Math.round(4 * value + 2));
    const b = normals(seedKey('b'), 45).map((value) => Math.round(4 * value));
    const win = (x: number, y: number) => (x > y ? 1 : x === y ? 0.5 : 0);
    const above = Array.from(a, (x) => b.reduce((sum, y) => sum + win(x, y), 0) / 45);
    const below = Array.from(b, (y) => a.reduce((sum, x) => sum + win(x, y), 0) / 60);
    const mean = above.reduce((sum, value) => sum + value, 0) / 60;
    const variance = (values: number[]) =>
      values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length;
    const reach = 1.959963984540054 * Math.sqrt(variance(above) + variance(below));
    const { u, auc } = compareRanks(a, b);
    expect(u).toBeCloseTo(mean * 60 * 45, 9);
    expect(auc.estimate).toBeCloseTo(mean, 12);
    expect(auc.low).toBeCloseTo(mean - reach, 10);
    expect(auc.high).toBeCloseTo(mean + reach, 10);
  });

  it('finds nothing in equal values, and everything in samples that do not overlap', () => {
    expect(compareRanks([1, 1], [1, 1, 1])).toEqual({ u: 3, pValue: 1, auc: { estimate: 0.5, low: 0.5, high: 0.5 } });
    const apart = compareRanks([10, 11, 12, 13, 14, 15, 16, 17], [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(apart.auc).toEqual({ estimate: 1, low: 1, high: 1 });
    expect(apart.pValue).toBeLessThan(0.001);
    expect(() => compareRanks([], [1])).toThrow(/two samples/);
  });
});
