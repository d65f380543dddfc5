// Marks of an axis, by hand and for any range.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { niceTicks } from './nice-ticks.ts';

describe('niceTicks', () => {
  it.each([
    [0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.28, 0.6, [0.2, 0.3, 0.4, 0.5, 0.6]],
    [-3, 17, [-5, 0, 5, 10, 15, 20]],
    [0.0421, 0.0596, [0.04, 0.045, 0.05, 0.055, 0.06]],
    [5, 5, [2, 3, 4, 5, 6, 7, 8]],
    [0, 0, [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6]],
  ])('from %d to %d', (low, high, ticks) => {
    expect(niceTicks({ low, high })).toEqual(ticks);
  });

  it('has no fractions where rounds are counted', () => {
    expect(niceTicks({ low: 1, high: 3 }, { target: 6, whole: true })).toEqual([1, 2, 3]);
  });

  it('holds any range with a handful of marks at equal distances', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, size) => {
        const ticks = niceTicks({ low, high: low + size });
        const step = (ticks[1] as number) - (ticks[0] as number);
        expect(ticks[0]).toBeLessThanOrEqual(low + 1e-6 * step);
        expect(ticks.at(-1)).toBeGreaterThanOrEqual(low + size - 1e-6 * step);
        expect(ticks.length).toBeLessThanOrEqual(8);
      }),
      { seed: 1 },
    );
  });
});
