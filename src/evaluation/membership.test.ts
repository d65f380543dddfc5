import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { membershipAdvantage } from './membership.ts';

const KEY = seedKey('membership');
const draw = (name: string, count: number, mean: number) => normals(childKey(KEY, name), count).map((x) => x + mean);

describe('membership advantage', () => {
  it('is everything where scores do not overlap', () => {
    const found = membershipAdvantage({ members: draw('m', 40, 50), nonMembers: draw('n', 30, 0), key: KEY });
    expect(found.advantage.estimate).toBe(1);
    expect(found.advantage.low).toBeGreaterThan(0.7);
    expect(found.auc.estimate).toBe(1);
    expect(found.bestAdvantage).toBeCloseTo(1, 12);
  });

  it('is nothing where all scores are equal', () => {
    const found = membershipAdvantage({ members: [1, 1, 1], nonMembers: [1, 1], key: KEY });
    expect([found.advantage.estimate, found.auc.estimate, found.bestAdvantage]).toEqual([0, 0.5, 0]);
  });

  it('of two normals one deviation apart is 2 Phi(1/2) - 1 = 0.383, and the area is Phi(1/sqrt 2) = 0.760', () => {
    const found = membershipAdvantage({ members: draw('a', 1500, 1), nonMembers: draw('b', 1500, 0), key: KEY });
    expect(found.advantage.estimate).toBeCloseTo(0.3829, 1);
    expect(found.advantage.low).toBeLessThan(0.3829);
    expect(found.advantage.high).toBeGreaterThan(0.3829);
    expect(found.auc.low).toBeLessThan(0.7602);
    expect(found.auc.high).toBeGreaterThan(0.7602);
  });

  it('of noise is 0 on average, which the best threshold on the same images is not', () => {
    const runs = Array.from({ length: 30 }, (_, run) =>
      membershipAdvantage({
        members: draw(`in ${run}`, 40, 0),
        nonMembers: draw(`out ${run}`, 40, 0),
        key: childKey(KEY, run),
      }),
    );
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    // one run has a deviation near 0.11, their mean one near 0.02
    expect(Math.abs(mean(runs.map(({ advantage }) => advantage.estimate)))).toBeLessThan(0.06);
    expect(mean(runs.map(({ bestAdvantage }) => bestAdvantage))).toBeGreaterThan(0.12);
    expect(runs.filter(({ advantage }) => advantage.low > 0).length).toBeLessThanOrEqual(2);
  });

  it('puts the threshold midway, so that equal scores of members are all taken', () => {
    const found = membershipAdvantage({ members: [2, 2, 2, 2], nonMembers: [1, 1, 1, 1], key: KEY });
    expect([found.truePositives.share, found.falsePositives.share]).toEqual([1, 0]);
  });

  it('refuses a single member', () => {
    expect(() => membershipAdvantage({ members: [1], nonMembers: [1, 2], key: KEY })).toThrow(/two or more members/);
  });
});
