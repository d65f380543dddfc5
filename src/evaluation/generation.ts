// How good a set of synthetic images is beside real ones: FID, KID, precision, recall, density and coverage at once.

import { setImmediate } from 'node:timers/promises';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import type { FeatureExtractor } from './feature-extractor.ts';
import type { FeatureRows } from './feature-rows.ts';
import { fitGaussian, frechetDistance } from './frechet.ts';
import { kernelDistance, type KernelDistance, type KernelDistanceOptions } from './kernel-distance.ts';
import { compareManifolds, manifoldOf, type ManifoldScores } from './manifold.ts';

/** Numbers of reports with another extractor, or other counts of images, must not be compared with these. */
export interface GenerationReport extends ManifoldScores {
  /** Its name. */
  readonly extractor: string;
  readonly images: { readonly real: number; readonly synthetic: number };
  /** From 0. Biased upwards, the more the fewer the images. */
  readonly fid: number;
  /** Unbiased; its mean may be below 0. */
  readonly kid: KernelDistance;
  /** Nearest neighbours that precision, recall, density and coverage go by. */
  readonly neighbours: number;
}

export interface GenerationOptions extends Omit<KernelDistanceOptions, 'key'> {
  readonly extractor: FeatureExtractor;
  /** [N, D] in [0, 1]; images that the extractor has not learnt from, drawn at random where a data set has an order. */
  readonly real: Float32Array;
  /** Decides the subsets of KID: the same for every model that is compared. */
  readonly key: Key;
  /** Default 5, as Naeem et al. 2020. */
  readonly neighbours?: number;
}

/** Knows the real images already: worth it where several sets are judged beside the same ones. */
export interface GenerationJudge {
  /** `synthetic` is [M, D] in [0, 1]. Throws as `judgeGeneration` does. */
  judge(synthetic: Float32Array, signal?: AbortSignal): Promise<GenerationReport>;
}

/**
 * Looks at the real images. Throws ShapeError for too few of them (one more than `neighbours`) or images of another size
 * than the extractor takes, NumericalError where a feature is not finite.
 */
export async function createGenerationJudge(options: GenerationOptions): Promise<GenerationJudge> {
  const { extractor, key, neighbours = 5, real: images, ...kid } = options;
  const real = await rowsOf(extractor, images);
  const gaussian = fitGaussian(real, 'real');
  const manifold = manifoldOf(real, neighbours, 'real');
  return {
    async judge(synthetic, signal) {
      const pause = async () => {
        await setImmediate(); // lets signals and messages in between
        if (signal?.aborted) throw new AbortedError('Stopped while judging synthetic images.');
      };
      const rows = await rowsOf(extractor, synthetic);
      await pause();
      const fid = frechetDistance(gaussian, fitGaussian(rows, 'synthetic'));
      await pause();
      const scores = compareManifolds(manifold, manifoldOf(rows, neighbours, 'synthetic'));
      await pause();
      return {
        extractor: extractor.name,
        images: { real: real.values.length / real.size, synthetic: rows.values.length / rows.size },
        fid,
        kid: kernelDistance(real, rows, { ...kid, key: childKey(key, 'kid') }),
        neighbours,
        ...scores,
      };
    },
  };
}

/**
 * Compares `synthetic` [M, D] with `real`, both in [0, 1]. Throws ShapeError for too few images (one more than
 * `neighbours` of each kind) or images of another size than the extractor takes, NumericalError where a feature is not
 * finite, AbortedError when the signal fires.
 */
export async function judgeGeneration(
  options: GenerationOptions & { readonly synthetic: Float32Array; readonly signal?: AbortSignal | undefined },
): Promise<GenerationReport> {
  const { synthetic, signal, ...rest } = options;
  return (await createGenerationJudge(rest)).judge(synthetic, signal);
}

// --- internal ---

async function rowsOf(extractor: FeatureExtractor, images: Float32Array): Promise<FeatureRows> {
  return { values: await extractor.features(images), size: extractor.size };
}
