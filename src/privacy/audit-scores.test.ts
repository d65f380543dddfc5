import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { NumericalError, ShapeError } from '../errors.ts';
import {
  addEvidence,
  type AuditScores,
  flawlessRates,
  logLikelihoodRatio,
  measureErrors,
  sortedOut,
} from './audit-scores.ts';
import { binomialUpper } from './clopper-pearson.ts';

const KEY = seedKey('audit scores');

/** N(mu, 1) against N(0, 1). */
function gaussianScores(name: string, mu: number, count: number): AuditScores {
  return {
    present: Float64Array.from(normals(childKey(KEY, name, 'present'), count), (z) => z + mu),
    absent: Float64Array.from(normals(childKey(KEY, name, 'absent'), count)),
  };
}

const sum = (rates: { falsePositive: number; falseNegative: number }) => -rates.falsePositive - rates.falseNegative;

describe('the evidence of a step', () => {
  it('is the logarithm of a ratio of densities', () => {
    const density = (y: number, mean: number, std: number) => Math.exp(-((y - mean) ** 2) / (2 * std * std));
    for (const y of [-2, 0.3, 1, 4]) {
      const present = 0.7 * density(y, 0, 1.5) + 0.3 * density(y, 1, 1.5);
      const expected = Math.log(present / density(y, 0, 1.5));
      expect(logLikelihoodRatio(y, { samplingRate: 0.3, noiseMultiplier: 1.5 })).toBeCloseTo(expected, 13);
    }
  });

  it('is linear where every canary is in every batch', () => {
    expect(logLikelihoodRatio(2.5, { samplingRate: 1, noiseMultiplier: 2 })).toBe(0.5); // (2 * 2.5 - 1) / 8
  });

  it('stays finite for a coordinate that nobody clipped', () => {
    const step = { samplingRate: 0.01, noiseMultiplier: 0.1 };
    expect(logLikelihoodRatio(1e6, step)).toBeCloseTo(Math.log(0.01) + (2e6 - 1) / 0.02, 3);
    expect(logLikelihoodRatio(-1e6, step)).toBeCloseTo(Math.log(0.99), 12);
  });

  it('adds up, canary by canary', () => {
    const scores = new Float64Array(2);
    const step = { samplingRate: 1, noiseMultiplier: 1 };
    addEvidence(scores, [1, 0], step);
    addEvidence(scores, [1, -1], step);
    expect(Array.from(scores)).toEqual([1, -2]);
    expect(() => addEvidence(scores, [1], step)).toThrow(ShapeError);
    expect(sortedOut(scores, [0, 1])).toEqual({ present: Float64Array.of(-2), absent: Float64Array.of(1) });
  });
});

describe('error rates', () => {
  it('of scores without overlap are those of no mistakes', () => {
    const scores = {
      present: Float64Array.from({ length: 100 }, (_, i) => 10 + i),
      absent: Float64Array.from({ length: 100 }, (_, i) => -i),
    };
    const rates = measureErrors(scores, { confidence: 0.99, worth: sum });
    const none = binomialUpper({ successes: 0, trials: 80 }, 0.005); // every fifth canary chose the threshold
    expect(rates).toMatchObject({ falsePositive: none, falseNegative: none, trials: { present: 80, absent: 80 } });
    expect(flawlessRates(100, 0.99)).toMatchObject({ falsePositive: none, falseNegative: none });
    expect(rates.threshold).toBe(5); // in the middle of the gap
  });

  it('of equal scores show nothing', () => {
    const scores = { present: new Float64Array(100), absent: new Float64Array(100) };
    const { falsePositive, falseNegative } = measureErrors(scores, { confidence: 0.99, worth: sum });
    expect(falsePositive + falseNegative).toBeGreaterThan(1);
  });

  it('come near those of two Gaussians from above', () => {
    const { falsePositive, falseNegative } = measureErrors(gaussianScores('near', 2, 20_000), {
      confidence: 0.99,
      worth: sum,
    });
    const best = 2 * 0.15865525393145707; // threshold 1: P(N > 1) on either side
    expect(falsePositive + falseNegative).toBeGreaterThan(best);
    expect(falsePositive + falseNegative).toBeLessThan(best + 0.03);
  });

  it('are below the truth no more often than they may be', () => {
    let broken = 0;
    for (let i = 0; i < 100; i++) {
      // 1 - Phi(t) - Phi(t - 1): the true rates of threshold t
      const rates = measureErrors(gaussianScores(`coverage ${i}`, 1, 250), { confidence: 0.8, worth: sum });
      const falsePositive = gaussianTail(rates.threshold);
      const falseNegative = 1 - gaussianTail(rates.threshold - 1);
      if (rates.falsePositive < falsePositive || rates.falseNegative < falseNegative) broken++;
    }
    expect(broken).toBeLessThan(20 + 3 * Math.sqrt(16)); // a fifth of 100, and three standard deviations
    expect(broken).toBeGreaterThan(3); // nor is the bound much wider than it must be
  });

  it('refuse too few canaries, impossible levels and scores that are not numbers', () => {
    const few = { present: new Float64Array(49), absent: new Float64Array(1000) };
    expect(() => measureErrors(few, { confidence: 0.9, worth: sum })).toThrow(ShapeError);
    const enough = gaussianScores('enough', 1, 60);
    expect(() => measureErrors(enough, { confidence: 1, worth: sum })).toThrow(ShapeError);
    enough.absent[7] = Number.NaN;
    expect(() => measureErrors(enough, { confidence: 0.9, worth: sum })).toThrow(NumericalError);
  });

  it('take infinite scores for what they are', () => {
    const scores = { present: new Float64Array(100).fill(Infinity), absent: new Float64Array(100) };
    expect(measureErrors(scores, { confidence: 0.9, worth: sum }).falsePositive).toBeLessThan(0.1);
  });
});

/** P(N > x), by integration. */
function gaussianTail(x: number): number {
  let area = 0;
  for (let t = x + 0.005; t < 9; t += 0.01) area += 0.01 * Math.exp((-t * t) / 2);
  return area / Math.sqrt(2 * Math.PI);
}
