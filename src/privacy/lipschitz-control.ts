// From a form of Lipschitz control to what a trainer takes: a penalty, a projection, or nothing.

import { SpecError } from '../errors.ts';
import { spectralProjection } from '../models/spectral-normalisation.ts';
import type { TrainingControl } from '../training/regulariser.ts';
import type { LipschitzControl } from './lipschitz-options.ts';
import { latentsOf, lipschitzRegulariser, type PenaltyLatents, type SlopeSubject } from './lipschitz-penalty.ts';

/**
 * The control of a silo's training. A weight of 0 is plain training, bit by bit. Beside DP-SGD only `prior` is allowed; a
 * projection looks at parameters alone, which makes it post-processing as well. Throws SpecError for a decoder with a learnt
 * prior: penalties look at codes from N(0, I), which its decoder never meets, and no certificate covers the flow's steps.
 */
export function trainingControlOf(
  subject: SlopeSubject,
  control: LipschitzControl | null,
  allowed: PenaltyLatents,
): TrainingControl {
  if (control === null) return {};
  if ('offered' in subject && subject.vae.flow) {
    throw new SpecError(
      `Lipschitz control (${control.form}) needs codes from N(0, I), but this decoder has a learnt prior: slopes of the whole ` +
        'map from noise to image would be bounded by neither penalty nor certificate. Use a prior of kind normal, or no control.',
      { form: control.form },
    );
  }
  const vae = 'offered' in subject ? subject.vae : subject;
  if (control.form === 'spectral-normalisation') return { projection: spectralProjection(vae, control.bound) };
  if (control.weight === 0) return {};
  return { regulariser: lipschitzRegulariser(subject, control, latentsOf(control, allowed)) };
}
