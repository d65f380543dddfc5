// The autoencoder's loss as a training objective, the same for silos and for the server.

import { gaussianBits } from '../engine/gaussian.ts';
import { type ElboOptions, negativeElbo } from '../models/elbo.ts';
import type { Vae } from '../models/vae.ts';
import type { Objective } from './objective.ts';

/** The negative ELBO of `vae` under `options`. Terms: `loss`, `reconstruction`, `kl`. */
export function vaeObjective(label: string, vae: Vae, options: ElboOptions): Objective {
  return {
    label,
    parameters: vae.parameters,
    exampleSize: vae.pixels,
    bits: (batchSize) => gaussianBits(batchSize, vae.latent),
    terms: (parameters, batch, observe) => ({ ...negativeElbo(vae, parameters, batch, options, observe) }),
  };
}
