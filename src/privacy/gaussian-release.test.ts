import { describe, expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { epsilonOf } from './accountant.ts';
import { gaussianEpsilon } from './analytic-gaussian.ts';
import {
  type GaussianReleaseOptions,
  greyRadius,
  nominalReleaseEvent,
  planExactMoments,
  planGaussianRelease,
  releaseEvent,
  sensitivityOf,
} from './gaussian-release.ts';

const OPTIONS: GaussianReleaseOptions = { epsilon: 1, delta: 1e-5, clipNorm: null, noise: 'secure' };
const DIGITS = { components: 1, pixels: 784 };

describe('a plan of noisy moments', () => {
  test.each([
    [10, 1, 0.49989],
    [1, 1, 3.73063],
    [1, 6, 3.73063],
  ])('at epsilon %d with %i components is as good as one mechanism with noise %d', (epsilon, components, total) => {
    const plan = planGaussianRelease({ ...OPTIONS, epsilon }, { ...DIGITS, components });
    const shift = Math.sqrt(plan.stages.reduce((sum, { noiseMultiplier }) => sum + noiseMultiplier ** -2, 0));
    expect(1 / shift).toBeCloseTo(total, 3);
    expect(gaussianEpsilon(shift, 1e-5)).toBeLessThanOrEqual(epsilon);
    expect(gaussianEpsilon(shift, 1e-5)).toBeCloseTo(epsilon, 8);
    expect(epsilonOf(releaseEvent(plan), 1e-5).epsilon).toBeCloseTo(epsilon, 8);
    expect(epsilonOf(releaseEvent(plan), 1e-5).epsilon).toBeLessThanOrEqual(epsilon);
  });

  test('spends most on the moments themselves, last', () => {
    const names = (components: number) =>
      planGaussianRelease(OPTIONS, { ...DIGITS, components }).stages.map((s) => s.name);
    expect(names(1)).toEqual(['middle', 'moments']);
    expect(names(4)).toEqual(['middle', 'rough', 'refinement-1', 'moments']);
    for (const components of [1, 4]) {
      const { stages } = planGaussianRelease(OPTIONS, { ...DIGITS, components });
      const shares = stages.map(({ noiseMultiplier }) => (3.73063 / noiseMultiplier) ** 2);
      expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 4);
      expect(shares.at(-1)).toBeCloseTo(components === 1 ? 0.95 : 0.8, 4);
    }
  });

  test('shortens by a norm of the image size alone, unless one is declared; in the first stage nobody', () => {
    const norms = (options: Partial<GaussianReleaseOptions>, components: number) =>
      planGaussianRelease({ ...OPTIONS, ...options }, { ...DIGITS, components }).stages.map((stage) => stage.clipNorm);
    expect(norms({}, 1)).toEqual([14, 6]);
    expect(norms({}, 2)).toEqual([14, 6, 6, 6]);
    expect(norms({ clipNorm: 7.5 }, 1)).toEqual([14, 7.5]);
    expect(greyRadius(4)).toBe(1); // (1/2, 1/2, 1/2, 1/2)
    for (const clipNorm of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => norms({ clipNorm }, 1)).toThrow(SpecError);
    }
  });

  test('claims nothing with noise that can be repeated, or with none, and says what it would be', () => {
    const seeded = planGaussianRelease({ ...OPTIONS, noise: 'seeded' }, DIGITS);
    expect(releaseEvent(seeded)).toMatchObject({ type: 'nonPrivate', reason: expect.stringMatching(/seed/) });
    expect(epsilonOf(nominalReleaseEvent(seeded), 1e-5).epsilon).toBeCloseTo(1, 8);
    const exact = planExactMoments(3);
    expect(exact.stages.every(({ noiseMultiplier }) => noiseMultiplier === 0)).toBe(true);
    expect(releaseEvent(exact).type).toBe('nonPrivate');
    expect(nominalReleaseEvent(exact).type).toBe('nonPrivate');
  });
});

test('the sensitivity is the length of a contribution at the clip norm', () => {
  expect(sensitivityOf({ weights: { count: 2, sum: 3, product: 6 } })).toBe(7);
});
