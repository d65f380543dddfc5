// The images of one silo, on the silo's own machine: all for training, none held out, classes numbered as in the federation.

import { DataError } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { readFolder } from './folder.ts';
import type { ImageSet } from './image-set.ts';
import type { OwnImages } from './own-set.ts';

/** What the images of every silo of a federation have in common. */
export interface ExpectedImages {
  readonly shape: ImageShape;
  /** C: labels are 0 to C - 1. */
  readonly classes: number;
}

/** What was found, and what a person should know of it. */
export interface SiloImages {
  readonly set: ImageSet;
  readonly notes: readonly string[];
}

/**
 * Reads the training images of a folder or an .npz file (docs/data.md); a test part is left aside. Folders of PNG files are
 * named after the numbers of their classes. Throws DataError where images are of another size or labels of another range
 * than the federation agreed on, and what `readFolder` throws.
 */
export async function readSiloImages(path: string, { shape, classes }: ExpectedImages): Promise<SiloImages> {
  const own = await readFolder(path, { isSplit: false });
  const { train, test } = own.dataSet;
  if (sides(train.shape) !== sides(shape)) {
    throw new DataError(
      `${path}: the federation is about images of ${sides(shape)} (channels x height x width), found ${sides(train.shape)}. ` +
        'Scale or convert them, or ask whoever runs the server.',
      { path, expected: sides(shape), found: sides(train.shape) },
    );
  }
  const labels = own.layout === 'png' ? numberedByName(path, own, classes) : train.labels;
  const greatest = labels.reduce((most, label) => Math.max(most, label), 0);
  if (greatest >= classes) {
    throw new DataError(
      `${path}: the federation has classes 0 to ${classes - 1}, found a label of ${greatest}. Number the classes as agreed.`,
      { path, expected: classes, found: greatest },
    );
  }
  const left = test.labels.length === 0 ? [] : [`${test.labels.length} test images are left aside: nobody uses them.`];
  return { set: { ...train, labels }, notes: [...own.notes, ...left] };
}

// --- internal ---

function sides({ channels, height, width }: ImageShape): string {
  return `${channels} x ${height} x ${width}`;
}

/** A silo need not have all classes, so the place of a folder among its folders says nothing. */
function numberedByName(path: string, { dataSet: { classNames, train } }: OwnImages, classes: number): Uint8Array {
  const numbers = classNames.map((name) => (/^\d{1,3}$/.test(name) ? Number(name) : Number.NaN));
  const strange = classNames.find((_, i) => !((numbers[i] ?? Number.NaN) < classes));
  if (strange === undefined) return train.labels.map((label) => numbers[label] as number);
  throw new DataError(
    `${path}: expected folders named after the numbers of their classes, 0 to ${classes - 1}, found '${strange.slice(0, 40)}'. ` +
      'Rename them: every silo must mean the same by a number.',
    { path, found: strange.slice(0, 40) },
  );
}
