// From a form of Lipschitz control to what a trainer takes: a penalty, a projection, or nothing.

import { spectralProjection } from '../models/spectral-normalisation.ts';
import type { Vae } from '../models/vae.ts';
import type { TrainingControl } from '../training/regulariser.ts';
import type { LipschitzControl } from './lipschitz-options.ts';
import { latentsOf, lipschitzRegulariser, type PenaltyLatents } from './lipschitz-penalty.ts';

/**
 * The control of a silo's training. A weight of 0 is plain training, bit by bit. Beside DP-SGD only `prior` is allowed; a
 * projection looks at parameters alone, which makes it post-processing as well.
 */
export function trainingControlOf(
  vae: Vae,
  control: LipschitzControl | null,
  allowed: PenaltyLatents,
): TrainingControl {
  if (control === null) return {};
  if (control.form === 'spectral-normalisation') return { projection: spectralProjection(vae, control.bound) };
  if (control.weight === 0) return {};
  return { regulariser: lipschitzRegulariser(vae, control, latentsOf(control, allowed)) };
}
