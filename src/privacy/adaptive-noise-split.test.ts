// The noise of gradients and count together costs what one Gaussian does.

import { describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { splitNoise } from './adaptive-noise-split.ts';

describe('splitNoise', () => {
  // (z^-2 - (2 sigma_b)^-2)^(-1/2) at 30 digits
  it.each([
    [4, 10, 4.08248290463863],
    [0.7, 5, 0.7017213284715494],
    [1.1, 3.2, 1.116616632691147],
    [1.1, 0.8, 1.514766819850012],
  ])('z = %d with a count noise of %d leaves %d', (noiseMultiplier, countNoiseStd, expected) => {
    const split = splitNoise({ noiseMultiplier, countNoiseStd });
    expect(split / expected).toBeCloseTo(1, 13);
    expect((split ** -2 + (2 * countNoiseStd) ** -2) ** -0.5).toBeCloseTo(noiseMultiplier, 13);
  });

  it('leaves no noise where there is none', () => {
    expect(splitNoise({ noiseMultiplier: 0, countNoiseStd: 1 })).toBe(0);
  });

  it.each([
    [2, 1],
    [3, 1],
    [-1, 1],
    [Number.NaN, 1],
    [1, Number.NaN],
    [1, Infinity],
  ])('refuses z = %d with a count noise of %d', (noiseMultiplier, countNoiseStd) => {
    expect(() => splitNoise({ noiseMultiplier, countNoiseStd })).toThrow(SpecError);
  });
});
