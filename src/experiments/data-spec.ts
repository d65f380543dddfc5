// Where the images of an experiment come from and which silo has which: the `data` part of the spec.

import { z } from 'zod';
import { count, MAX_SILOS } from './spec-numbers.ts';

/** Where images come from. Folders are named only: their files are checked when they are read. */
export const sourceSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('drawn-digits').describe('Digits drawn by the program: ten classes, 28 x 28, no download.'),
      ...drawnSizes(),
    }),
    z.strictObject({
      kind: z.literal('drawn-garments').describe('Garment-like shapes drawn by the program: ten classes, 28 x 28.'),
      ...drawnSizes(),
    }),
    z.strictObject({
      kind: z.literal('mnist').describe('MNIST handwritten digits: 60,000 and 10,000 images, 28 x 28.'),
    }),
    z.strictObject({
      kind: z.literal('fashion-mnist').describe('Fashion-MNIST garments: 60,000 and 10,000 images, 28 x 28.'),
    }),
    z.strictObject({
      kind: z
        .literal('folder')
        .describe('Your own images, grey or in colour, up to 64 x 64; docs/data.md shows the layouts.'),
      dir: z
        .string()
        .min(1)
        .max(4096)
        .describe(
          "Folder of four IDX files, of one .npz file, of CIFAR-10's .bin files, or of a folder of PNG files a class; or an " +
            '.npz file itself. Absolute, or from where the program runs.',
        ),
    }),
  ])
  .describe('Where the images come from.');

/** Who gets which training images. */
export const partitionSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('class-disjoint').describe('Each silo has classes of its own, as in the paper.'),
      classes: z
        .array(z.array(z.int().min(0).max(255)).min(1).max(256).describe('Class numbers of one silo.'))
        .min(1)
        .max(MAX_SILOS)
        .describe('One list of class numbers a silo, in the order of `silos`; no class twice.'),
      perClass: count(1_000_000)
        .exactOptional()
        .describe('At most so many images of each class; all of them where it is left out.'),
    }),
    z.strictObject({
      kind: z.literal('dirichlet').describe('Each class is split among the silos in Dirichlet proportions.'),
      alpha: z
        .number()
        .gt(0)
        .max(1e6)
        .describe('Concentration: 0.1 gives nearly disjoint classes, 100 nearly equal silos.'),
    }),
    z.strictObject({ kind: z.literal('iid').describe('Shuffled and dealt evenly: every silo sees every class.') }),
    z.strictObject({
      kind: z.literal('shards').describe('Sorted by class, cut into equal shards, which are dealt at random.'),
      perSilo: count(1000).describe('Shards a silo.'),
    }),
  ])
  .describe('Which training images each silo has.');

// --- internal ---

function drawnSizes() {
  return {
    train: count(1_000_000).default(5000).describe('Training images in total, before they are dealt to the silos.'),
    test: count(1_000_000).default(1000).describe('Test images; no silo ever sees them.'),
  };
}
