// All measures at once, through an extractor that takes pixels for features.

import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { AbortedError, NumericalError, ShapeError } from '../errors.ts';
import type { FeatureExtractor } from './feature-extractor.ts';
import { fitGaussian, frechetDistance } from './frechet.ts';
import { createGenerationJudge, judgeGeneration } from './generation.ts';

const KEY = seedKey('generation');
const PIXELS: FeatureExtractor = { name: 'pixels', size: 4, features: async (images) => images };
const drawn = (name: string, count: number) => normals(childKey(KEY, name), 4 * count);
const options = { extractor: PIXELS, real: drawn('real', 120), key: KEY, subsets: 5 };

describe('judgeGeneration', () => {
  it('reports every measure with what it rests on', async () => {
    const synthetic = drawn('synthetic', 80);
    const report = await judgeGeneration({ ...options, synthetic });
    expect(report).toMatchObject({ extractor: 'pixels', images: { real: 120, synthetic: 80 }, neighbours: 5 });
    expect(report.kid).toMatchObject({ subsets: 5, subsetSize: 40 });
    const fit = (values: Float32Array) => fitGaussian({ values, size: 4 }, 'some');
    expect(report.fid).toBe(frechetDistance(fit(options.real), fit(synthetic)));
    expect(report.precision).toBeGreaterThan(0.7);
    expect(report.coverage).toBeGreaterThan(0.7);
    expect(await judgeGeneration({ ...options, synthetic })).toEqual(report);
  });

  it('ranks samples of the distribution before a collapsed generator, by all but precision', async () => {
    const judge = await createGenerationJudge(options);
    const good = await judge.judge(drawn('synthetic', 100));
    const collapsed = await judge.judge(drawn('synthetic', 100).map((value) => value / 20));
    expect(good.fid).toBeLessThan(collapsed.fid);
    expect(good.kid.mean).toBeLessThan(collapsed.kid.mean);
    expect(good.recall).toBeGreaterThan(collapsed.recall);
    expect(good.coverage).toBeGreaterThan(collapsed.coverage);
    expect(collapsed.precision).toBe(1);
  });

  it('refuses too few images and features that are not finite, and stops on a signal', async () => {
    const judge = await createGenerationJudge(options);
    await expect(judge.judge(drawn('synthetic', 5))).rejects.toThrow(/at least 6 synthetic images, got 5/);
    await expect(judge.judge(Float32Array.of(1, 2, 3))).rejects.toThrow(ShapeError);
    await expect(judge.judge(drawn('synthetic', 9).fill(Number.NaN, 0, 1))).rejects.toThrow(NumericalError);
    await expect(judge.judge(drawn('synthetic', 9), AbortSignal.abort())).rejects.toThrow(AbortedError);
    await expect(createGenerationJudge({ ...options, real: drawn('real', 3) })).rejects.toThrow(/6 real images, got 3/);
  });
});
