// Models and how they are trained: parts of the spec that silos and server share.

import { z } from 'zod';
import { count, positive } from './spec-numbers.ts';

/** Shape of an autoencoder. The image size comes from the data. */
export const modelSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('mlp').describe('Dense layers.'),
      hidden: z
        .array(count(16_384))
        .max(12)
        .default([512, 256, 128])
        .describe('Widths of the encoder from the image inwards; the decoder mirrors them. The paper: 512, 256, 128.'),
      latent: latentSize(),
    }),
    z.strictObject({
      kind: z.literal('conv').describe('Strided convolutions, each halving height and width.'),
      channels: z
        .array(count(2048))
        .min(1)
        .max(6)
        .default([16, 32])
        .describe('Channels of each layer from the image inwards; the decoder mirrors them.'),
      latent: latentSize(),
    }),
  ])
  .describe('Shape of an autoencoder.');

/** Update rule, new at each round. */
export const optimizerSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('adam').describe('Adam (Kingma and Ba 2015).'),
      learningRate: positive(10).default(1e-3).describe('Step size.'),
      beta1: z.number().min(0).lt(1).default(0.9).describe('Decay of the mean of gradients.'),
      beta2: z.number().min(0).lt(1).default(0.999).describe('Decay of the mean of squared gradients.'),
      eps: positive(1).default(1e-8).describe('Added to the root of the mean square.'),
    }),
    z.strictObject({
      kind: z.literal('sgd').describe('Stochastic gradient descent with heavy-ball momentum.'),
      learningRate: positive(10).describe('Step size.'),
      momentum: z.number().min(0).lt(1).default(0).describe('0 is plain gradient descent.'),
    }),
  ])
  .describe('Update rule; its state is new at each round.');

/** Course of the learning rate within one round. */
export const scheduleSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('constant').describe('The learning rate stays as it is.') }),
    z.strictObject({
      kind: z.literal('cosine').describe('It falls along half a cosine until the last step of the round.'),
      finalFactor: z.number().min(0).max(1).describe('What is left of the learning rate at the end.'),
    }),
    z.strictObject({
      kind: z.literal('linear-warmup').describe('It rises from near zero in a straight line, then stays.'),
      warmupSteps: count(10_000_000).describe('Steps until the full learning rate.'),
    }),
  ])
  .describe('Course of the learning rate within one round.');

/** Fields of a training, for the silos and for the server. */
export function trainingFields(defaults: { readonly epochs: number }) {
  return {
    epochs: count(100_000).default(defaults.epochs).describe('Passes over the images in each round.'),
    batchSize: count(65_536).default(128).describe('Images in one step; the paper: 128.'),
    optimizer: optimizerSchema.prefault({ kind: 'adam' }),
    schedule: scheduleSchema.prefault({ kind: 'constant' }),
  };
}

// --- internal ---

function latentSize() {
  return count(4096).describe('L, the numbers that describe one image; the paper: 2.');
}
