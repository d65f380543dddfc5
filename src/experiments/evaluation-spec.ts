// How the global model is judged: the `evaluation` part of the spec.

import { z } from 'zod';
import { count } from './spec-numbers.ts';

/** Probes, controls, pictures, scores of synthetic images, and what became of foreign ones. */
export const evaluationSchema = z
  .strictObject({
    probeSplits: count(100).default(5).describe('Random splits of the test images that the probe is averaged over.'),
    controls: z
      .boolean()
      .default(true)
      .describe('Whether the probe is also run on raw pixels, principal components and an untrained encoder.'),
    gridImages: z.int().min(0).max(1024).default(64).describe('Images in each picture of samples; 0 for no pictures.'),
    generation: z
      .strictObject({
        images: z
          .int()
          .min(10)
          .max(100_000)
          .default(2000)
          .describe(
            'Synthetic images, drawn from the prior of the global model, and as many real ones of the test set. Scores of ' +
              'other counts must not be compared. The paper: 2000.',
          ),
        extractor: z
          .string()
          .min(1)
          .max(4096)
          .nullable()
          .default(null)
          .describe(
            'Path of an ONNX file whose features images are compared by, such as Inception pool3 (docs/generation.md tells ' +
              'how to make it); null for a small classifier that is trained on the training images of the data set.',
          ),
        every: z
          .enum(['round', 'end'])
          .default('end')
          .describe('`round`: after each round; `end`: after the last one.'),
      })
      .nullable()
      .default(null)
      .describe('FID, KID, precision, recall, density and coverage of synthetic images; null for none.'),
    outliers: z
      .strictObject({
        synthetic: z
          .int()
          .min(2)
          .max(100_000)
          .default(5000)
          .describe('Synthetic images of each decoder to look at; the paper draws 5,000 from a silo.'),
      })
      .nullable()
      .default(null)
      .describe(
        'What became of foreign images (data.foreign), judged when the run is over, as by `align-fl outliers`; null for ' +
          'not at all.',
      ),
  })
  .prefault({})
  .describe('How the global model is judged.');
