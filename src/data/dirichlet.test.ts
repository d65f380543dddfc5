import { describe, expect, it } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { dirichlet } from './dirichlet.ts';

const KEY = seedKey('dirichlet');

describe('shares from a symmetric Dirichlet distribution', () => {
  it.each([0.001, 0.1, 1, 20, 1e6])('sum to 1 and are never negative at alpha %d', (alpha) => {
    const shares = dirichlet(KEY, 7, alpha);
    expect(shares).toHaveLength(7);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(shares.every((share) => share >= 0)).toBe(true);
  });

  it("are one silo's alone when there is one", () => {
    expect(dirichlet(KEY, 1, 0.3)).toEqual([1]);
  });

  // A share of K is Beta(alpha, (K - 1) * alpha). python3 -c 'import scipy.stats as s;
  // print(s.beta.cdf([.01,.5],.1,.4), s.beta.cdf([.1,.5],1,2), s.beta.cdf([.15,.25],20,80))'
  // (alpha 1, K 3 by hand: 1 - (1 - x)^2). Of 2,500 draws; four standard errors are at most 0.04.
  it.each([
    { alpha: 0.1, count: 5, below: [0.01, 0.5], expected: [0.53024832, 0.81156774] },
    { alpha: 1, count: 3, below: [0.1, 0.5], expected: [0.19, 0.75] },
    { alpha: 20, count: 5, below: [0.15, 0.25], expected: [0.09849936, 0.89060946] },
  ])('have the right distribution at alpha $alpha', ({ alpha, count, below, expected }) => {
    const firsts = Array.from(
      { length: 2500 },
      (_, i) => dirichlet(childKey(KEY, alpha, i), count, alpha)[0] as number,
    );
    below.forEach((border, i) => {
      const fraction = firsts.filter((share) => share < border).length / firsts.length;
      expect(Math.abs(fraction - (expected[i] as number))).toBeLessThan(0.04);
    });
  });
});
