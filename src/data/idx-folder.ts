// A folder of four IDX files in MNIST's layout, of any size that the format may have.

import { DataError } from '../errors.ts';
import { readClassNames } from './class-names.ts';
import { decodeIdxImages, decodeIdxLabels, pairIdx } from './idx.ts';
import { IDX_ROLES, type IdxRole, idxFileName, readIdxFiles, type StoredFile } from './idx-files.ts';
import { type OwnImages, ownImages, type OwnPart, type Reading } from './own-set.ts';

/**
 * Reads the four files of `dir`. Classes are named by `classes.txt`, else by their numbers, 0 to the greatest label; sides up
 * to 64. A validation part (`val-...`) is left aside. Throws DataError where a file is missing, damaged or does not fit the
 * others.
 */
export async function loadIdxFolder(dir: string, names: readonly string[], { isSplit }: Reading): Promise<OwnImages> {
  const files = new Map<IdxRole, StoredFile>();
  for (const role of IDX_ROLES) {
    for await (const stored of readIdxFiles(dir, role)) {
      files.set(role, stored);
      break;
    }
  }
  const hasTest = files.has('t10k-images') || files.has('t10k-labels') || isSplit;
  const needed = hasTest ? IDX_ROLES : IDX_ROLES.filter((role) => role.startsWith('train-'));
  const missing = needed.filter((role) => !files.has(role)).map(idxFileName);
  if (missing.length > 0) {
    const all = needed.map(idxFileName);
    throw new DataError(
      `${dir}: expected ${all.join(', ')}, each plain or with .gz; missing: ${missing.join(', ')}. ` +
        'Add them, or correct the folder.',
      { dir, missing },
    );
  }
  const part = (imagesRole: IdxRole, labelsRole: IdxRole): OwnPart =>
    readPart(files.get(imagesRole) as StoredFile, files.get(labelsRole) as StoredFile);
  const left = names.filter((name) => name.startsWith('val-'));
  return ownImages({
    path: dir,
    layout: 'idx',
    train: part('train-images', 'train-labels'),
    test: hasTest ? part('t10k-images', 't10k-labels') : null,
    classNames: await readClassNames(dir),
    notes: left.length === 0 ? [] : [`${left.join(' and ')} are left aside: neither trained on nor judged by.`],
    isSplit,
  });
}

// --- internal ---

function readPart(images: StoredFile, labels: StoredFile): OwnPart {
  const set = pairIdx({
    name: images.path,
    images: decodeIdxImages(images.bytes, images.path),
    labels: decodeIdxLabels(labels.bytes, labels.path),
    imagesFile: images.path,
    labelsFile: labels.path,
  });
  return { ...set, file: labels.path };
}
