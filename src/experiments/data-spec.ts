// Where the images of an experiment come from and which silo has which: the `data` part of the spec.

import { z } from 'zod';
import { count, MAX_SILOS } from './spec-numbers.ts';

/** Of an image, in pixels: what docs/data.md promises to read. */
const MAX_SIDE = 64;

const IMAGES = 'Where the images come from.';

/** Where images come from that this program deals to silos. Folders are named only: their files are checked when they are read. */
export const imageSourceSchema = z.discriminatedUnion('kind', [...drawn(dealtSizes()), ...named()]).describe(IMAGES);

/** Where the images of an experiment come from: from here, or they are at the silos and never come. */
export const sourceSchema = z
  .discriminatedUnion('kind', [
    ...drawn(dealtSizes()),
    ...named(),
    z.strictObject({
      kind: z
        .literal('at-silos')
        .describe('Each silo brings images of its own on its own machine: for a federation across machines.'),
      shape: z
        .strictObject({
          channels: z.literal([1, 3]).describe('1 for grey, 3 for colour.'),
          height: count(MAX_SIDE).describe('In pixels.'),
          width: count(MAX_SIDE).describe('In pixels.'),
        })
        .describe('Of one image, the same at every silo.'),
      classes: count(256).describe('Classes of the whole federation; labels are 0 to this number less 1.'),
      testSource: z
        .discriminatedUnion('kind', [...drawn(testSize()), ...named()])
        .nullable()
        .default(null)
        .describe(
          'Where the server has test images from: the held-out part of this set; its training images are not used. Null where ' +
            'it has none: then nothing is judged.',
        ),
    }),
  ])
  .describe(IMAGES);

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
    z.strictObject({
      kind: z.literal('at-silos').describe('Nothing is dealt: goes with `data.source.kind: at-silos`.'),
    }),
  ])
  .describe('Which training images each silo has.');

// --- internal ---

function drawn<Sizes extends z.ZodRawShape>(sizes: Sizes) {
  return [
    z.strictObject({
      kind: z.literal('drawn-digits').describe('Digits drawn by the program: ten classes, 28 x 28, no download.'),
      ...sizes,
    }),
    z.strictObject({
      kind: z.literal('drawn-garments').describe('Garment-like shapes drawn by the program: ten classes, 28 x 28.'),
      ...sizes,
    }),
  ] as const;
}

function named() {
  return [
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
  ] as const;
}

function dealtSizes() {
  return {
    train: count(1_000_000).default(5000).describe('Training images in total, before they are dealt to the silos.'),
    ...testSize(),
  };
}

function testSize() {
  return { test: count(1_000_000).default(1000).describe('Test images; no silo ever sees them.') };
}
