import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { binomialLower, binomialUpper, logChoose, regularisedBeta } from './clopper-pearson.ts';

const dataDir = process.env['ALIGN_FL_DATA'];

/** P[Bin(n, p) <= k], term by term. */
function slowCdf(k: number, n: number, p: number): number {
  let term = (1 - p) ** n;
  let sum = term;
  for (let i = 1; i <= k; i++) {
    term *= ((n - i + 1) / i) * (p / (1 - p));
    sum += term;
  }
  return sum;
}

describe('Clopper-Pearson bounds', () => {
  it('are known by hand where nothing or everything succeeded', () => {
    // (1 - p)^100 = 0.05
    expect(binomialUpper({ successes: 0, trials: 100 }, 0.05)).toBeCloseTo(1 - 0.05 ** 0.01, 14);
    expect(binomialLower({ successes: 100, trials: 100 }, 0.05)).toBeCloseTo(0.05 ** 0.01, 14);
    expect(binomialUpper({ successes: 7, trials: 7 }, 0.05)).toBe(1);
    expect(binomialLower({ successes: 0, trials: 7 }, 0.05)).toBe(0);
  });

  it('leave exactly the given probability beyond what was counted', () => {
    for (const [k, n] of [
      [1, 7],
      [3, 40],
      [25, 60],
    ] as const) {
      for (const significance of [0.3, 0.001]) {
        const upper = binomialUpper({ successes: k, trials: n }, significance);
        const lower = binomialLower({ successes: k, trials: n }, significance);
        expect(slowCdf(k, n, upper) / significance).toBeCloseTo(1, 9);
        expect((1 - slowCdf(k - 1, n, lower)) / significance).toBeCloseTo(1, 9);
      }
    }
  });

  it('are each other seen from the failures', () => {
    const upper = binomialUpper({ successes: 12, trials: 90 }, 0.01);
    expect(binomialLower({ successes: 78, trials: 90 }, 0.01)).toBeCloseTo(1 - upper, 12);
  });

  // scipy 1.17.1: beta.ppf(1 - a, k + 1, n - k) and beta.ppf(a, k, n - k + 1)
  it.each([
    [3, 10000, 0.025, 0.0008764745225140007, 6.187148574838713e-5],
    [5000, 10000, 0.0005, 0.5164977322719574, 0.4835022677280428],
    [99990, 100000, 0.0005, 0.9999730088185748, 0.9997474636700726],
  ])('agree with scipy for %i of %i at %f', (successes, trials, significance, upper, lower) => {
    expect(binomialUpper({ successes, trials }, significance) / upper).toBeCloseTo(1, 10);
    expect(binomialLower({ successes, trials }, significance) / lower).toBeCloseTo(1, 10);
  });

  it.skipIf(dataDir === undefined)('agree with the recorded vectors of jax_privacy', () => {
    const path = join(dataDir as string, '..', 'reference', 'dp_vectors.json');
    const vectors = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, number | string>[]).filter(
      ({ kind }) => kind === 'audit_clopper_pearson_upper',
    );
    expect(vectors.length).toBeGreaterThan(0);
    for (const { successes, trials, significance, upper } of vectors as Record<string, number>[]) {
      const count = { successes: successes as number, trials: trials as number };
      expect(binomialUpper(count, significance as number) / (upper as number)).toBeCloseTo(1, 10);
    }
  });

  it('refuse impossible counts and levels', () => {
    expect(() => binomialUpper({ successes: 3, trials: 2 }, 0.05)).toThrow(ShapeError);
    expect(() => binomialUpper({ successes: 0, trials: 0 }, 0.05)).toThrow(ShapeError);
    expect(() => binomialLower({ successes: 1, trials: 2 }, 0)).toThrow(ShapeError);
  });
});

describe('the incomplete beta function', () => {
  it('agrees with scipy 1.17.1', () => {
    expect(regularisedBeta(2.5, 3.5, 0.3)).toBeCloseTo(0.29675298929566646, 13); // scipy.special.betainc
    expect(regularisedBeta(1000, 9001, 0.11)).toBeCloseTo(0.9994278574960759, 11);
  });

  it('is a power for b = 1 and symmetric', () => {
    expect(regularisedBeta(3, 1, 0.2)).toBeCloseTo(0.008, 15);
    expect(regularisedBeta(4, 9, 0.7) + regularisedBeta(9, 4, 0.3)).toBeCloseTo(1, 14);
  });
});

it('binomial coefficients are those of Pascal', () => {
  expect(Math.exp(logChoose(5, 2))).toBeCloseTo(10, 11);
  expect(Math.exp(logChoose(60, 30)) / 118264581564861424).toBeCloseTo(1, 11);
  expect(logChoose(9, 0)).toBeCloseTo(0, 12);
});
