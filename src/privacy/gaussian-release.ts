// What a closed-form generator costs: moments of records, released by the Gaussian mechanism a few times, as a plan that
// mechanism and accountant both read, so they cannot disagree.
//
// Every stage adds up contributions of at most a known length and adds noise. A record that is missing, and an empty one that
// contributes nothing, are the same to it: the guarantee is add-or-remove-one, and zero-out-one with it. How many records
// there are is never read, but asked of the same noisy sums.

import { SpecError } from '../errors.ts';
import { calibrateNoise } from './calibrate.ts';
import type { DpEvent } from './dp-event.ts';
import { whyNoGuarantee } from './dp-plan.ts';

/** What a silo wants of the release of its moments. */
export interface GaussianReleaseOptions {
  /** Target for all stages together, at `delta`. */
  readonly epsilon: number;
  readonly delta: number;
  /**
   * R: how far a record may lie from the middle of its class, or of its component, in pixels of 0 to 1 and Euclidean norm;
   * who lies farther counts as if at R. Not to be read off the data. null: (3/14) sqrt(D), 6 for images of 28 x 28.
   */
  readonly clipNorm: number | null;
  /** `secure`: keys fresh from the operating system, never stored. `seeded`: repeatable, for experiments only. */
  readonly noise: 'secure' | 'seeded';
}

/** One look at the records: noisy sums over groups, of which each record is in one at most. */
export interface ReleaseStage {
  /** Names the key of its noise. */
  readonly name: string;
  /** Noise standard deviation over `sensitivityOf`. 0: no noise, and nothing is clipped. */
  readonly noiseMultiplier: number;
  /** R: length to which a record's distance from its group's centre is shortened. */
  readonly clipNorm: number;
  /** What is added up, and in which proportion noise falls on it. */
  readonly weights: StageWeights;
}

/** Weights of the parts of one record's contribution: 1, (x - c) / R and (x - c)(x - c)^T / R^2, each at most 1 long. 0: not asked. */
export interface StageWeights {
  readonly count: number;
  readonly sum: number;
  readonly product: number;
}

export interface GaussianReleasePlan {
  /** `none`: every stage is exact, and nothing is claimed. */
  readonly noise: GaussianReleaseOptions['noise'] | 'none';
  /** In the order in which they look: the middle of each class, the way its components are found, and their moments. */
  readonly stages: readonly ReleaseStage[];
}

/**
 * Plans the stages of a generator with so many components a class, for images of D pixels, so that all of them together cost
 * at most epsilon at delta: 1 / z^2 of all stages adds up to that of one (Gaussian differential privacy; Dong, Roth and Su
 * 2022, corollary 3.3), and is shared out in fixed proportion. Throws SpecError where no noise is enough.
 */
export function planGaussianRelease(
  options: GaussianReleaseOptions,
  { components, pixels }: { readonly components: number; readonly pixels: number },
): GaussianReleasePlan {
  const { epsilon, delta, noise } = options;
  const clipNorm = options.clipNorm ?? (3 / 14) * Math.sqrt(pixels);
  if (!(clipNorm > 0 && Number.isFinite(clipNorm))) {
    throw new SpecError(`The clip norm must be a finite number above 0, not ${clipNorm}.`, { clipNorm });
  }
  const stagesAt = (total: number) =>
    stagesOf(components, PRIVATE_REFINEMENTS).map(({ name, weights, share }) => ({
      name,
      weights,
      noiseMultiplier: total / Math.sqrt(share),
      clipNorm: name === 'middle' ? greyRadius(pixels) : clipNorm,
    }));
  const { noiseMultiplier } = calibrateNoise({ epsilon, delta, eventOf: (z) => eventOf(stagesAt(z)) });
  return { noise, stages: stagesAt(noiseMultiplier) };
}

/** The stages without clipping or noise, which promise nothing. */
export function planExactMoments(components: number): GaussianReleasePlan {
  const stages = stagesOf(components, EXACT_REFINEMENTS);
  const exact = { noiseMultiplier: 0, clipNorm: Number.POSITIVE_INFINITY };
  return { noise: 'none', stages: stages.map(({ name, weights }) => ({ name, weights, ...exact })) };
}

/** What all stages of a plan do with the records. */
export function releaseEvent({ noise, stages }: GaussianReleasePlan): DpEvent {
  if (noise === 'none') {
    return {
      type: 'nonPrivate',
      reason: 'Means and covariances of the records are released as they are, without noise.',
    };
  }
  const reason = whyNoGuarantee({ clipping: 'fixed', mode: 'full', noise });
  return reason === null ? eventOf(stages) : { type: 'nonPrivate', reason };
}

/** The event of the same stages with secure noise: what a nominal epsilon stands for. */
export function nominalReleaseEvent({ noise, stages }: GaussianReleasePlan): DpEvent {
  return noise === 'none' ? releaseEvent({ noise, stages }) : eventOf(stages);
}

/** How long one record's contribution can be, as L2 norm; off-diagonal products count once, times sqrt(2). */
export function sensitivityOf({ weights: { count, sum, product } }: Pick<ReleaseStage, 'weights'>): number {
  return Math.hypot(count, sum, product);
}

/** How far an image can lie from mid-grey: no pixel is farther than 1/2, so in the first stage nobody is shortened. */
export function greyRadius(pixels: number): number {
  return Math.sqrt(pixels) / 2;
}

// --- internal ---

interface Share {
  readonly name: string;
  readonly weights: StageWeights;
  /** Of 1 / z^2. */
  readonly share: number;
}

/** Under noise every refinement costs; one was best (docs/decisions/0011). */
const PRIVATE_REFINEMENTS = 1;
const EXACT_REFINEMENTS = 6;

/** Counts are nearly free: at 0.2 they lengthen a contribution by 2 %. */
const MOMENTS: StageWeights = { count: 0.2, sum: 0.5, product: 1 };

function stagesOf(components: number, refinements: number): readonly Share[] {
  const middle = { name: 'middle', weights: { count: 1, sum: 1, product: 0 }, share: 0.05 }; // tells which classes there are
  if (components === 1) return [middle, { name: 'moments', weights: MOMENTS, share: 0.95 }];
  const refine = Array.from({ length: refinements }, (_, i) => ({
    name: `refinement-${i + 1}`,
    weights: { count: 0.3, sum: 1, product: 0 },
    share: 0.05,
  }));
  const rough = { name: 'rough', weights: MOMENTS, share: 0.1 };
  return [middle, rough, ...refine, { name: 'moments', weights: MOMENTS, share: 0.85 - 0.05 * refinements }];
}

function eventOf(stages: readonly ReleaseStage[]): DpEvent {
  return {
    type: 'composed',
    events: stages.map(({ noiseMultiplier }) => ({ type: 'gaussian', noiseMultiplier })),
  };
}
