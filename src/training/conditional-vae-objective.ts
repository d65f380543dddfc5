// The class-conditional autoencoder's loss as a training objective on rows of pixels and classes (`labelledExamples`).

import { numpy as np } from '@jax-js/jax';
import { gaussianBits, gaussianFromBits } from '../engine/gaussian.ts';
import type { ConditionalVae } from '../models/conditional-vae.ts';
import { type ElboOptions, elboTerms, sampleOf } from '../models/elbo.ts';
import type { Objective } from './objective.ts';

/**
 * The negative ELBO of `vae` given the class, plus the loss of its flow where it has one, which learns from the same samples
 * of the posterior without moving them. Terms: `loss`, `reconstruction`, `kl`, and `flow`.
 *
 * One objective on purpose: a flow trained afterwards would look at the records, or at their codes, once more. Here an
 * example's terms, the flow's included, depend on its own row and its own bits alone, so that private training clips its
 * gradient over encoder, decoder and prior as one vector: what the ledger charges for a step covers all three.
 */
export function conditionalVaeObjective(label: string, vae: ConditionalVae, options: ElboOptions): Objective {
  const { pixels, classes, latent, flow } = vae;
  return {
    label,
    parameters: vae.parameters,
    exampleSize: pixels + classes,
    bits: (batchSize) => gaussianBits(batchSize, flow ? 2 * latent + 1 : latent),
    terms: (parameters, { x: rows, bits }, observe) => {
      const x = rows.ref.slice([], [0, pixels]); // [B, D]
      const y = rows.slice([], [pixels, pixels + classes]); // [B, C]
      const noise = gaussianFromBits(bits); // [B, L] or [B, 2 L + 1]
      const ofCode = flow ? noise.ref.slice([], [0, latent]) : noise; // [B, L]
      const posterior = vae.encode(parameters, { x: x.ref, y: y.ref }, observe);
      const z = sampleOf(posterior, ofCode); // [B, L]
      const logits = vae.decode(parameters, { z: z.ref, y: y.ref }, observe); // [B, D]
      const terms = elboTerms({ x, logits, posterior }, options);
      if (!flow) {
        for (const unused of [z, y]) unused.dispose();
        return { ...terms };
      }
      const [e, time] = np.split(noise.slice([], [latent, 2 * latent + 1]), [latent], 1) as [np.Array, np.Array];
      const flowLoss = flow.loss(parameters, { z, e, time, y }, observe); // [B]
      return { ...terms, loss: terms.loss.add(flowLoss.ref), flow: flowLoss };
    },
  };
}
