// What a person wants to know of images before training on them: counts, and images that occur more than once.

import { createHash } from 'node:crypto';
import { pixelCount } from '../models/image-shape.ts';
import { classCounts, type DataSet, type ImageSet } from './image-set.ts';

export interface ImageFacts {
  /** Every class, in order of labels. */
  readonly classes: readonly {
    readonly label: number;
    readonly name: string;
    readonly train: number;
    readonly test: number;
  }[];
  /** Training images that are, pixel for pixel, another training image before them. */
  readonly repeatedInTraining: number;
  /** Test images that are also training images: they are judged by what was learnt by heart. */
  readonly testInTraining: number;
}

/** Counts and compares; reads every image once. */
export function imageFacts({ classNames, train, test }: DataSet): ImageFacts {
  const [inTrain, inTest] = [train, test].map(countsOf) as [ReadonlyMap<number, number>, ReadonlyMap<number, number>];
  const known = new Set(digestsOf(train));
  return {
    classes: classNames.map((name, label) => ({
      label,
      name,
      train: inTrain.get(label) ?? 0,
      test: inTest.get(label) ?? 0,
    })),
    repeatedInTraining: train.labels.length - known.size,
    testInTraining: digestsOf(test).filter((digest) => known.has(digest)).length,
  };
}

// --- internal ---

function countsOf({ labels }: ImageSet): ReadonlyMap<number, number> {
  return new Map(classCounts(labels).map(({ label, count }) => [label, count]));
}

function digestsOf({ images, labels, shape }: ImageSet): readonly string[] {
  const size = pixelCount(shape);
  return Array.from(labels, (_, row) =>
    createHash('sha256')
      .update(images.subarray(row * size, (row + 1) * size))
      .digest('base64'),
  );
}
