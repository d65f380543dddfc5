// The normal distribution against 40-digit arithmetic, far beyond where its probability is a number.

import { describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { logNormalCdf, millsRatio, normalCdf, normalQuantile, quantileOfLog } from './normal-distribution.ts';

describe('the normal distribution', () => {
  // mpmath 1.2.1 at 40 digits: log(erfc(-x / sqrt(2)) / 2)
  it.each([
    [-300, -45006.62273211866],
    [-40, -804.6084420137538],
    [-10, -53.23128515051247],
    [-5.5, -17.77937635262526],
    [-2, -3.783184333682032],
    [-1, -1.8410216450092636],
    [-0.3, -0.9621028181688507],
    [0, -0.6931471805599453],
    [0.7, -0.2770239422771313],
    [1.5, -0.06914345561223398],
    [4, -3.167174337748927e-5],
    [8, -6.220960574271786e-16],
  ])('has ln P(X <= %d) = %d', (x, logProbability) => {
    expect(Math.abs(logNormalCdf(x) / logProbability - 1)).toBeLessThan(1e-14);
    expect(Math.abs(normalCdf(x) - Math.exp(logProbability))).toBeLessThan(1e-15);
  });

  // mpmath: erfc(x / sqrt(2)) / 2 / npdf(x)
  it.each([
    [0.5, 0.8763644564536923],
    [1, 0.6556795424187984],
    [3, 0.3045902987101033],
    [20, 0.04987592598183679],
    [1e12, 1e-12],
  ])('has Mills ratio %d -> %d', (x, ratio) => {
    expect(Math.abs(millsRatio(x) / ratio - 1)).toBeLessThan(2e-15);
  });

  // mpmath: the root of the above
  it.each([
    [1e-5, -4.264890793922825],
    [0.025, -1.9599639845400543],
    [1e-300, -37.0470962993612],
    [0.3, -0.5244005127080408],
  ])('has its quantile %d at %d', (probability, x) => {
    expect(normalQuantile(probability) / x).toBeCloseTo(1, 14);
    if (probability > 1e-10) expect(normalQuantile(1 - probability) / -x).toBeCloseTo(1, 10);
  });

  it('has quantiles of probabilities that are no longer numbers, and at both ends', () => {
    expect(logNormalCdf(quantileOfLog(-1e6)) / -1e6).toBeCloseTo(1, 14);
    expect([normalQuantile(0), normalQuantile(0.5), normalQuantile(1)]).toEqual([-Infinity, -0, Infinity]);
    expect(() => normalQuantile(1.1)).toThrow(SpecError);
    expect(() => normalQuantile(Number.NaN)).toThrow(SpecError);
  });
});
