// A plan of DP-SGD that may begin with a closed-form release of the same records, out of one epsilon.

import { type DpSgdOptions, type DpSgdPlan, type PlannedWork, planDpSgd } from './dp-plan.ts';
import { type GaussianReleasePlan, nominalReleaseEvent, planGaussianRelease } from './gaussian-release.ts';

/** A plan, and the release that is the event before its first step. Mechanisms and accountant read the one object. */
export interface DpTrainingPlan extends DpSgdPlan {
  /** Left out where `before` is. */
  readonly release?: GaussianReleasePlan;
}

/** The release of moments that a training begins with. */
export interface FirstRelease {
  /** What it may cost of the epsilon of the whole, at the same delta. */
  readonly epsilon: number;
  /** Gaussians of each class. */
  readonly components: number;
  /** D */
  readonly pixels: number;
}

/**
 * Plans the release, and then steps with so much noise that both together cost at most `options.epsilon`. The Gaussian mechanism
 * protects records that are added or removed as well as records that are emptied, so the neighbours of the training are those of
 * both together. Throws SpecError where no noise is enough.
 */
export function planDpTraining(options: DpSgdOptions, work: PlannedWork, first: FirstRelease | null): DpTrainingPlan {
  if (first === null) return planDpSgd(options, work);
  const { delta, noise } = options;
  const { epsilon, components, pixels } = first;
  const release = planGaussianRelease({ epsilon, delta, noise, clipNorm: null }, { components, pixels });
  return { ...planDpSgd(options, { ...work, before: nominalReleaseEvent(release) }), release };
}

/** The plan of what follows the first round: the same steps, with nothing before them. */
export function afterFirstRound({ before: _, release: __, ...plan }: DpTrainingPlan): DpTrainingPlan {
  return plan;
}
