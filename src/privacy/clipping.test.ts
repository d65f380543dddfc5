import { describe, expect, it } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { clipperOf } from './clipping.ts';

const KEY = seedKey('clipping');
const HALVES = {
  squaredNorms: [...Array<number>(50).fill(0.25), ...Array<number>(50).fill(4)],
  tensorSquaredNorms: [],
};

function adaptive(noiseMultiplier: number, expectedBatch: number) {
  return clipperOf({ clipping: 'adaptive', clipNorm: 1, quantile: 0.5 }, { noiseMultiplier, expectedBatch });
}

describe('adaptive clipping', () => {
  it.each([
    { noiseMultiplier: 1, expectedBatch: 100 }, // batch / 20
    { noiseMultiplier: 10, expectedBatch: 100 }, // 1.64 z
  ])('counts with noise that the budget pays for: %o', ({ noiseMultiplier, expectedBatch }) => {
    const clipper = adaptive(noiseMultiplier, expectedBatch);
    const draws = 4000;
    const noise = Array.from({ length: draws }, (_, i) => {
      const next = clipper.next(1, HALVES, childKey(KEY, i)); // half are below 1: the step is noise alone
      return (-Math.log(next) / 0.2) * expectedBatch;
    });
    const countNoise = Math.max(expectedBatch / 20, 1.64 * noiseMultiplier);
    const found = Math.sqrt(noise.reduce((sum, v) => sum + v * v, 0) / draws);
    expect(Math.abs(found / countNoise - 1)).toBeLessThan(4 / Math.sqrt(2 * draws));
    const together = clipper.gradientNoise ** -2 + (2 * countNoise) ** -2; // Andrew et al. 2021, theorem 1
    expect(together ** -0.5).toBeCloseTo(noiseMultiplier, 10);
  });

  it('lowers the bound where more than the quantile are below it, and raises it where fewer are', () => {
    const { next } = adaptive(1e-3, 1000);
    const of = (square: number) => ({ squaredNorms: Array<number>(1000).fill(square), tensorSquaredNorms: [] });
    expect(next(1, of(0.25), childKey(KEY, 'low'))).toBeLessThan(0.92);
    expect(next(1, of(4), childKey(KEY, 'high'))).toBeGreaterThan(1.08);
  });
});
