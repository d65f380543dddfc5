// The images of one silo, on the silo's own machine: all for training, none held out, classes numbered as in the federation.

import { DataError } from '../errors.ts';
import { readFolder } from './folder.ts';
import type { ImageSet } from './image-set.ts';
import type { OwnImages } from './own-set.ts';

/** What was found, and what a person should know of it. */
export interface SiloImages {
  readonly set: ImageSet;
  /** Sentences. */
  readonly notes: readonly string[];
}

/**
 * Reads the training images of a folder or an .npz file (docs/data.md); a test part is left aside. Folders of PNG files are
 * to be named after the numbers of their classes. Throws DataError where they are not, and what `readFolder` throws.
 */
export async function readSiloImages(path: string): Promise<SiloImages> {
  const own = await readFolder(path, { isSplit: false });
  const { train, test } = own.dataSet;
  const labels = own.layout === 'png' ? numberedByName(path, own) : train.labels;
  const left =
    test.labels.length === 0
      ? []
      : [
          `${test.labels.length} test ${test.labels.length === 1 ? 'image is' : 'images are'} left aside: nobody uses them.`,
        ];
  return { set: { ...train, labels }, notes: [...own.notes, ...left] };
}

// --- internal ---

/** A silo need not have all classes, so the place of a folder among its folders says nothing. */
function numberedByName(path: string, { dataSet: { classNames, train } }: OwnImages): Uint8Array {
  const numbers = classNames.map(Number);
  const strange = classNames.find((name) => !(/^\d{1,3}$/.test(name) && Number(name) < 255));
  if (strange === undefined) return train.labels.map((label) => numbers[label] as number);
  throw new DataError(
    `${path}: expected folders named after the numbers of their classes in the federation, from 0, found '${strange.slice(0, 40)}'. ` +
      'Rename them: every silo must mean the same by a number.',
    { path, found: strange.slice(0, 40) },
  );
}
