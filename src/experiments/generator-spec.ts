// What `task: classify` adds to a spec: which generators silos release, and the classifier that learns from them.

import { z } from 'zod';
import { count, positive } from './spec-numbers.ts';
import { trainingFields } from './training-spec.ts';

const vaeGenerator = z.strictObject({
  kind: z
    .literal('vae')
    .describe('Class-conditional variational autoencoder of the shape `model`, with the loss `loss`.'),
  prior: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('normal').describe('Codes are drawn from N(0, I).') }),
      z.strictObject({
        kind: z
          .literal('flow')
          .describe('A flow, learnt beside the autoencoder (flow matching), carries N(0, I) to where codes lie.'),
        hidden: z.array(count(4096)).min(1).max(8).default([128, 128]).describe('Widths of its hidden layers.'),
        steps: count(200).default(20).describe('Euler steps of a draw, unrolled in the released file.'),
      }),
    ])
    .prefault({ kind: 'normal' })
    .describe('What images are drawn from.'),
  warmStart: z
    .strictObject({
      ...closedForm(),
      epsilon: positive(10_000)
        .nullable()
        .default(null)
        .describe(
          'What the closed form may cost, out of `privacy.epsilon`, of which the training gets what is left. To be set under ' +
            'dp-sgd, and null otherwise.',
        ),
      images: count(1_000_000).default(10_000).describe('Images drawn from it, of each class equally many.'),
      ...trainingFields({ epochs: 10 }),
      epochs: count(100_000).default(10).describe('Passes over them, before the first over the records.'),
    })
    .nullable()
    .default(null)
    .describe(
      'The autoencoder learns first from images that a closed-form generator of the same records draws, which is kept at home; ' +
        'null for random first values.',
    ),
});

const linearGaussian = z.strictObject({
  kind: z
    .literal('linear-gaussian')
    .describe(
      'One Gaussian, or a few, for each class over the low frequencies of its images: computed in seconds, once.',
    ),
  ...closedForm(),
});

const release = z.strictObject({
  kind: z.literal('release').describe('A decoder that was trained elsewhere: the silo trains nothing under align.'),
  dir: z
    .string()
    .min(1)
    .max(4096)
    .describe('Folder that `align-fl release` wrote, absolute or from where the program runs.'),
});

/** What silos release under `task: classify`. */
export const generatorSchema = z
  .discriminatedUnion('kind', [vaeGenerator, linearGaussian])
  .describe('What silos release under `task: classify`.');

/** What one silo releases. */
export const siloGeneratorSchema = z
  .discriminatedUnion('kind', [vaeGenerator, linearGaussian, release])
  .describe('What it releases; the default `generator` where it is left out.');

/** Shape of a classifier; the number of classes and the image size come from the data. */
export const classifierModelSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('mlp').describe('Dense layers.'),
      hidden: z.array(count(16_384)).max(12).default([256]).describe('Widths before the features; may be empty.'),
      features: count(4096).default(64).describe('Width of the last hidden layer.'),
    }),
    z.strictObject({
      kind: z.literal('conv').describe('Strided convolutions, each halving height and width, then a dense layer.'),
      channels: z.array(count(2048)).min(1).max(6).default([16, 32]).describe('Channels of each layer, image first.'),
      features: count(4096).default(64).describe('Width of the last hidden layer.'),
    }),
  ])
  .describe('Shape of a classifier.');

/** The classifier of the task, wherever it is trained. */
export const classifierSchema = z
  .strictObject({
    model: classifierModelSchema
      .nullable()
      .default(null)
      .describe('Its shape; null for a small convolutional one that fits the images.'),
    lowPass: count(64)
      .nullable()
      .default(null)
      .describe(
        'Lowest frequencies of an image along each axis that it looks at, such as 12 of 28: synthetic images are least like ' +
          'real ones in the high ones. Null for all.',
      ),
    augmentation: z
      .strictObject({
        shiftPixels: limit(32).describe('Along each axis.'),
        rotationDegrees: limit(180).describe('Either way.'),
        scale: limit(10).describe('0.1: sides between 1 / 1.1 and 1.1 times what they were.'),
        shear: limit(2).describe('Pixels sideways for each pixel downwards.'),
        mirror: z.boolean().default(false).describe('Left and right changed in every second image: not for digits.'),
        pixelNoiseStd: limit(1).describe('Gaussian noise on every pixel.'),
        mixup: limit(0.5).describe('Share of another image and its label, at most.'),
        labelSmoothing: limit(0.9).describe('Share of each label that is spread over all classes.'),
      })
      .nullable()
      .default(null)
      .describe(
        'Random changes of the images it learns from, anew in each epoch, up to these limits. They suit some images and spoil ' +
          'others (docs/generators.md); null for none.',
      ),
    averaging: z
      .number()
      .gt(0)
      .lt(1)
      .nullable()
      .default(null)
      .describe(
        'Decay of the running average of weights that a training ends with, such as 0.99; null for the last ones.',
      ),
  })
  .prefault({})
  .describe(
    'What `task: classify` teaches: the server on synthetic images, and in baselines the silos on their own. Trained as ' +
      '`server` and `local` say.',
  );

// --- internal ---

function closedForm() {
  return {
    components: count(64)
      .default(1)
      .describe('Gaussians of each class. More than one follow the images better, and have no Lipschitz constant.'),
    frequencies: count(64).default(12).describe('Low frequencies of an image that are kept along each axis.'),
    rank: count(4096).default(144).describe('Directions in which each Gaussian may vary, at most.'),
  };
}

/** Up to so much, uniformly. */
function limit(most: number) {
  return z.number().min(0).max(most).default(0);
}
