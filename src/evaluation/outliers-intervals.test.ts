import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { bootstrapDifference, bootstrapMean, differenceOfShares, shareOf } from './outliers-intervals.ts';

const KEY = seedKey('intervals');

describe('intervals', () => {
  it('of a share are Clopper and Pearson’s: 0 of 10 is at most 30.85 %', () => {
    // scipy.stats.binomtest(0, 10).proportion_ci(0.95, 'exact') = (0, 0.30849710781876083); (3, 10) = (0.06673951, 0.65245285)
    const none = shareOf(new Uint8Array(10));
    expect([none.count, none.of, none.share, none.low]).toEqual([0, 10, 0, 0]);
    expect(none.high).toBeCloseTo(0.30849710781876083, 12);
    const some = shareOf([true, true, true, ...Array<boolean>(7).fill(false)]);
    expect(some.low).toBeCloseTo(0.06673951, 7);
    expect(some.high).toBeCloseTo(0.65245285, 7);
  });

  it('of a difference of shares join two of 97.5 %', () => {
    const found = differenceOfShares([true, true, true, true], new Uint8Array(10));
    // by hand: 4 of 4 is at least p with p^4 = 0.0125, 0 of 10 at most p with (1 - p)^10 = 0.0125
    expect(found.estimate).toBe(1);
    expect(found.low).toBeCloseTo(0.0125 ** (1 / 4) - (1 - 0.0125 ** (1 / 10)), 12);
    expect(found.high).toBe(1);
  });

  it('of a mean are about 1.96 standard errors wide on either side', () => {
    const values = normals(KEY, 400);
    const { estimate, low, high } = bootstrapMean(values, childKey(KEY, 'mean'));
    const mean = values.reduce((sum, value) => sum + value, 0) / 400;
    const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 400);
    expect(estimate).toBeCloseTo(mean, 12);
    expect((high - low) / 2 / (std / 20)).toBeGreaterThan(1.8);
    expect((high - low) / 2 / (std / 20)).toBeLessThan(2.12);
  });

  it('of equal values have no width, and differences keep their sign', () => {
    expect(bootstrapMean([2, 2, 2], KEY)).toEqual({ estimate: 2, low: 2, high: 2 });
    expect(bootstrapDifference([1, 1], [4, 4, 4], KEY)).toEqual({ estimate: -3, low: -3, high: -3 });
  });

  it('refuse to say anything of nothing', () => {
    expect(() => shareOf([])).toThrow(/at least one trial/);
    expect(() => bootstrapMean([], KEY)).toThrow(/at least one value/);
  });
});
