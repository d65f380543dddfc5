// Do foreign images ("outliers") that a silo learnt from come back out of a model? All measures of it, side by side;
// docs/outliers.md defines each of them.

import { childKey, type Key } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import type { FeatureExtractor } from './feature-extractor.ts';
import { normalisedPixels } from './normalised-pixels.ts';
import { eachGroup, eachGroupInTurn, type Group, type OutlierGroups } from './outliers-groups.ts';
import { bootstrapDifference, bootstrapMean, type Estimate } from './outliers-intervals.ts';
import { attacks, judgeSpace, type KindsOfMembers, type Space, type SpaceJudgement } from './outliers-space.ts';

/** What is judged, and by which images. Images are rows of D numbers in [0, 1]. */
export interface OutlierSubject extends OutlierGroups<Float32Array> {
  /** D */
  readonly pixels: number;
  /** The autoencoder: images [N, D] to their reconstructions [N, D], from mean codes. */
  readonly reconstruct: (images: Float32Array) => Promise<Float32Array>;
  /** [M, D] What its decoder makes of z ~ N(0, I). */
  readonly synthetic: Float32Array;
  /** A space beside those of pixels; null for pixels only. */
  readonly features: FeatureExtractor | null;
  readonly key: Key;
}

/** The verdict on one autoencoder, as plain JSON. All intervals are at 95 %. */
export interface OutlierJudgement {
  readonly images: OutlierGroups<number> & { readonly synthetic: number };
  readonly reconstructionError: {
    /** Squared error summed over the pixels of an image, averaged over images. */
    readonly mean: OutlierGroups<Estimate>;
    /** Held out minus in training: above 0 where learning from an image made it better reproduced. */
    readonly gain: { readonly foreign: Estimate; readonly typical: Estimate };
  };
  /** From these errors, for which the whole autoencoder is needed (white box). */
  readonly membershipByReconstruction: KindsOfMembers;
  /** Pixels, pixels normalised to the same brightness and contrast, and features. */
  readonly spaces: readonly SpaceJudgement[];
}

/**
 * Judges an autoencoder by what it does to foreign images. Every group needs two images or more, and one must be
 * synthetic. Takes seconds, most of them for distances to the synthetic images. Throws ShapeError where sizes do not fit,
 * NumericalError where the autoencoder gives what is no number.
 */
export async function judgeOutliers(subject: OutlierSubject): Promise<OutlierJudgement> {
  const { pixels, reconstruct, synthetic, features, key } = subject;
  const real = eachGroup((group) => subject[group]);
  const images = { ...eachGroup((group) => countOf(group, real[group], pixels)), synthetic: synthetic.length / pixels };
  const reconstructions = await eachGroupInTurn((group) => reconstruct(real[group]));
  const errors = eachGroup((group) => squaredErrors(real[group], reconstructions[group], pixels));
  const errorKey = childKey(key, 'reconstruction-error');
  const gain = (inside: Group, outside: Group) =>
    bootstrapDifference(errors[outside], errors[inside], childKey(errorKey, 'gain', inside));
  const seen = async (eye: FeatureExtractor): Promise<Space> => ({
    name: eye.name,
    dim: eye.size,
    real: await eachGroupInTurn((group) => eye.features(real[group])),
    reconstructions: await eachGroupInTurn((group) => eye.features(reconstructions[group])),
    synthetic: await eye.features(synthetic),
    key: childKey(key, eye.name),
  });
  const spaces: SpaceJudgement[] = [];
  for (const eye of [...eyesOfPixels(pixels), ...(features === null ? [] : [features])]) {
    spaces.push(judgeSpace(await seen(eye)));
  }
  return {
    images,
    reconstructionError: {
      mean: eachGroup((group) => bootstrapMean(errors[group], childKey(errorKey, group))),
      gain: { foreign: gain('members', 'heldOut'), typical: gain('typical', 'typicalHeldOut') },
    },
    membershipByReconstruction: attacks(errors, childKey(errorKey, 'membership')),
    spaces,
  };
}

// --- internal ---

function countOf(group: Group, images: Float32Array, pixels: number): number {
  const count = images.length / pixels;
  if (Number.isInteger(count) && count >= 2) return count;
  throw new ShapeError(`Expected two or more whole images of ${pixels} pixels as ${group}, but got ${count}.`, {
    group,
    count,
  });
}

/** Summed over the pixels of each image: [N]. */
function squaredErrors(images: Float32Array, reconstructions: Float32Array, pixels: number): Float64Array {
  if (images.length !== reconstructions.length) {
    throw new ShapeError(`Expected ${images.length} reconstructed pixels, but got ${reconstructions.length}.`);
  }
  return Float64Array.from({ length: images.length / pixels }, (_, row) => {
    let sum = 0;
    for (let i = row * pixels; i < (row + 1) * pixels; i++) {
      const difference = (images[i] as number) - (reconstructions[i] as number);
      sum += difference * difference;
    }
    return sum;
  });
}

function eyesOfPixels(pixels: number): readonly FeatureExtractor[] {
  return [
    { name: 'pixels', size: pixels, features: async (images) => images },
    { name: 'normalised pixels', size: pixels, features: async (images) => normalisedPixels(images, pixels) },
  ];
}
