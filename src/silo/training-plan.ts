// What all training of a silo is planned to cost: one plan for whoever trains, charges, or asks beforehand whether it fits.

import { SpecError } from '../errors.ts';
import { pixelCount } from '../models/image-shape.ts';
import { type DpTrainingPlan, planDpTraining } from '../privacy/dp-training-plan.ts';
import type { SiloConfig } from './silo-config.ts';
import type { WarmStart } from './silo-model.ts';

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

// --- internal ---

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
