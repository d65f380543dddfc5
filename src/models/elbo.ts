// The evidence lower bound as a loss of each image: reconstruction summed over pixels plus a weighted KL term, averaged
// over latent dimensions.

import { numpy as np } from '@jax-js/jax';
import { gaussianFromBits } from '../engine/gaussian.ts';
import type { Observe, Parameters } from './layers.ts';
import { sigmoid } from './layers.ts';
import type { Vae } from './vae.ts';
import type { Posterior } from './vae-stacks.ts';

export interface ElboOptions {
  /** `mse`: squared error, as the paper; `bernoulli`: cross-entropy of pixels in [0, 1]. Both summed over pixels. */
  readonly reconstruction: 'mse' | 'bernoulli';
  /** lambda_KL. The KL term is averaged over latent dimensions, as in the authors' setting. */
  readonly klWeight: number;
}

/** Terms of the loss, each [B]: one number for an image. */
export interface ElboTerms {
  readonly loss: np.Array;
  readonly reconstruction: np.Array;
  readonly kl: np.Array;
}

/**
 * The negative ELBO of a batch, one sample of z per image.
 * @param x [B, D], pixels in [0, 1]
 * @param bits uint32 [2, B, L], the randomness of z
 */
export function negativeElbo(
  vae: Vae,
  parameters: Parameters,
  batch: { readonly x: np.Array; readonly bits: np.Array },
  options: ElboOptions,
  observe?: Observe,
): ElboTerms {
  const { x, bits } = batch;
  const posterior = vae.encode(parameters, x.ref, observe);
  const z = sampleOf(posterior, gaussianFromBits(bits)); // [B, L]
  const logits = vae.decode(parameters, z, observe); // [B, D]
  return elboTerms({ x, logits, posterior }, options);
}

/** mean + exp(logVariance / 2) noise, for `noise [B, L]`. Keeps the posterior alive. */
export function sampleOf({ mean, logVariance }: Posterior, noise: np.Array): np.Array {
  const spread = np.exp(logVariance.ref.mul(0.5)).mul(noise); // [B, L]
  return mean.ref.add(spread);
}

/** The terms of `x [B, D]` reconstructed as `logits [B, D]` from a sample of its posterior. Consumes all of them. */
export function elboTerms(
  { x, logits, posterior }: { readonly x: np.Array; readonly logits: np.Array; readonly posterior: Posterior },
  options: ElboOptions,
): ElboTerms {
  const { mean, logVariance } = posterior;
  const reconstruction = options.reconstruction === 'mse' ? squaredError(logits, x) : crossEntropy(logits, x);
  const kl = klToStandardNormal(mean, logVariance);
  return { loss: reconstruction.ref.add(kl.ref.mul(options.klWeight)), reconstruction, kl };
}

// --- internal ---

/** Sum over pixels of (x - sigmoid(logits))^2. */
function squaredError(logits: np.Array, x: np.Array): np.Array {
  return np.square(sigmoid(logits).sub(x)).sum(1); // [B]
}

/** Sum over pixels of the binary cross-entropy, in the form that cannot overflow. */
function crossEntropy(logits: np.Array, x: np.Array): np.Array {
  const size = np.abs(logits.ref);
  const tail = np.log(np.exp(np.negative(size)).add(1)); // log(1 + exp(-|l|))
  return np.maximum(logits.ref, 0).sub(logits.mul(x)).add(tail).sum(1); // [B]
}

/** KL(q(z | x) || N(0, I)) = -1/2 mean over latent of (1 + logVar - mean^2 - exp(logVar)). */
function klToStandardNormal(mean: np.Array, logVariance: np.Array): np.Array {
  const inner = logVariance.ref.add(1).sub(np.square(mean)).sub(np.exp(logVariance));
  return inner.mean(1).mul(-0.5); // [B]
}
