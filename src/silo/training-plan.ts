// What all training of a silo, or its one release, is planned to cost: one plan for whoever trains, charges, or asks beforehand whether it fits.

import { sizeOf } from '../engine/array-spec.ts';
import { SpecError } from '../errors.ts';
import { MAX_DECODER_BYTES } from '../exchange/parse-decoder.ts';
import { pixelCount } from '../models/image-shape.ts';
import type { LinearGaussian } from '../models/linear-gaussian.ts';
import { type DpTrainingPlan, planDpTraining } from '../privacy/dp-training-plan.ts';
import { type GaussianReleasePlan, planGaussianRelease } from '../privacy/gaussian-release.ts';
import type { SiloConfig } from './silo-config.ts';
import type { LinearGaussianModel, WarmStart } from './silo-model.ts';

/** The plan of the silo's private training, warm start included; null where none is private. Throws SpecError where it cannot be. */
export function trainingPlanOf({
  name,
  model,
  privacy,
  local,
  images,
  plannedRounds,
}: SiloConfig): DpTrainingPlan | null {
  if (privacy.mechanism !== 'dp-sgd') return null;
  const warmStart = warmStartOf(model);
  const first = warmStart && {
    epsilon: shareOf(warmStart, { name, epsilon: privacy.epsilon }),
    components: warmStart.closedForm.components,
    pixels: pixelCount(images.shape),
  };
  const { batchSize, epochs } = local;
  return planDpTraining(privacy, { records: images.labels.length, batchSize, epochs, rounds: plannedRounds }, first);
}

/** What a model learns from before it sees a record, or null. */
export function warmStartOf(model: SiloConfig['model']): WarmStart | null {
  return model.kind === 'conditional-vae' ? model.warmStart : null;
}

/** What a silo's release costs; null without a mechanism. Throws SpecError for one that trains. */
export function releasePlanOf(
  { name, privacy, images }: Pick<SiloConfig, 'name' | 'privacy' | 'images'>,
  { options }: LinearGaussianModel,
): GaussianReleasePlan | null {
  switch (privacy.mechanism) {
    case 'none':
      return null;
    case 'lipschitz':
      boundOf({ name, privacy }, options.components);
      return null;
    case 'gaussian':
      return planGaussianRelease(privacy, { components: options.components, pixels: pixelCount(images.shape) });
    case 'dp-sgd':
      throw new SpecError(
        `Silo ${name}: a linear-Gaussian generator is computed, not trained step by step. Set privacy.mechanism=gaussian, or ` +
          'generator.kind=vae.',
        { path: 'privacy.mechanism' },
      );
  }
}

/**
 * Throws SpecError where a closed form would be larger than any receiver takes, or its moments than memory: before records are
 * looked at, so that nothing is spent on it.
 */
export function requireSize({ options, offered, parameters, transform }: LinearGaussian): void {
  const bytes = Object.values(parameters).reduce((sum, spec) => sum + 4 * sizeOf(spec), 0);
  const moments = 8 * offered.length * options.components * transform.size ** 2;
  if (bytes < MAX_DECODER_BYTES * 0.99 && moments <= MAX_MOMENTS_BYTES) return;
  throw new SpecError(
    `A linear-Gaussian generator with components ${options.components}, frequencies ${options.frequencies} and rank ` +
      `${options.rank} for ${offered.length} classes takes ${bytes} bytes (at most ${MAX_DECODER_BYTES}), and ${moments} bytes of ` +
      `memory (at most ${MAX_MOMENTS_BYTES}). Lower components, frequencies or rank.`,
    { path: 'generator', bytes, moments },
  );
}

/** The Lipschitz bound that a closed form is to keep, or null. Throws SpecError for one that it cannot. */
export function boundOf({ name, privacy }: Pick<SiloConfig, 'name' | 'privacy'>, components: number): number | null {
  if (privacy.mechanism !== 'lipschitz') return null;
  if (privacy.lipschitzForm === 'spectral-normalisation' && components === 1) return privacy.lipschitzBound as number;
  throw new SpecError(
    `Silo ${name}: a linear-Gaussian generator can keep a Lipschitz bound with one Gaussian a class and ` +
      `lipschitzForm spectral-normalisation; got ${components} and ${privacy.lipschitzForm}.`,
    { path: 'privacy.lipschitzForm', components },
  );
}

// --- internal ---

const MAX_MOMENTS_BYTES = 2 ** 31;

function shareOf(
  { epsilon: share }: WarmStart,
  { name, epsilon }: { readonly name: string; readonly epsilon: number },
): number {
  if (share !== null && share < epsilon) return share;
  throw new SpecError(
    `Silo ${name}: the closed form of a warm start is paid for out of epsilon ${epsilon}, and what it may cost must be below ` +
      `that; got ${share}. Set generator.warmStart.epsilon, for instance to ${epsilon / 4}.`,
    { path: 'generator.warmStart.epsilon', epsilon },
  );
}
