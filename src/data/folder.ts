// A folder of IDX files that the user brings along, in MNIST's layout and of any size that the format may have.

import { basename, resolve } from 'node:path';
import { DataError } from '../errors.ts';
import { decodeIdxImages, decodeIdxLabels, pairIdx } from './idx.ts';
import { IDX_ROLES, type IdxRole, idxFileName, readIdxFiles, type StoredFile } from './idx-files.ts';
import { type DataSet, type ImageSet, FOREIGN_LABEL } from './image-set.ts';

/**
 * Reads the four files of `dir`. Classes are named by their numbers, 0 to the greatest label; [N, 1, H, W] with H
 * and W up to 64. Throws DataError where a file is missing, damaged or does not fit the others.
 */
export async function loadFolder(dir: string): Promise<DataSet> {
  const files = new Map<IdxRole, StoredFile>();
  for (const role of IDX_ROLES) {
    for await (const stored of readIdxFiles(dir, role)) {
      files.set(role, stored);
      break;
    }
  }
  const missing = IDX_ROLES.filter((role) => !files.has(role)).map(idxFileName);
  if (missing.length > 0) {
    const all = IDX_ROLES.map(idxFileName);
    throw new DataError(
      `${dir}: expected ${all.join(', ')}, each plain or with .gz; missing: ${missing.join(', ')}. ` +
        'Add them, or correct the folder.',
      { dir, missing },
    );
  }
  const name = basename(resolve(dir));
  const part = (partName: string, imagesRole: IdxRole, labelsRole: IdxRole): ImageSet =>
    readPart(`${name}/${partName}`, files.get(imagesRole) as StoredFile, files.get(labelsRole) as StoredFile);
  const train = part('train', 'train-images', 'train-labels');
  const test = part('test', 't10k-images', 't10k-labels');
  requireSameShape(dir, train, test);
  const classes = 1 + train.labels.reduce((greatest, label) => Math.max(greatest, label), 0);
  const strange = test.labels.find((label) => label >= classes);
  if (strange !== undefined) {
    throw new DataError(
      `${dir}: the test part has label ${strange}, but the training part ends at ${classes - 1}. Check both label files.`,
      { dir, label: strange },
    );
  }
  return { name, classNames: Array.from({ length: classes }, (_, label) => String(label)), train, test };
}

// --- internal ---

function readPart(name: string, images: StoredFile, labels: StoredFile): ImageSet {
  const set = pairIdx({
    name,
    images: decodeIdxImages(images.bytes, images.path),
    labels: decodeIdxLabels(labels.bytes, labels.path),
    imagesFile: images.path,
    labelsFile: labels.path,
  });
  if (set.labels.includes(FOREIGN_LABEL)) {
    throw new DataError(
      `${labels.path}: label ${FOREIGN_LABEL} is kept for foreign images. Number the classes from 0 to ${FOREIGN_LABEL - 1}.`,
      { file: labels.path },
    );
  }
  return set;
}

function requireSameShape(dir: string, train: ImageSet, test: ImageSet): void {
  const { height, width } = train.shape;
  if (height === test.shape.height && width === test.shape.width) return;
  throw new DataError(
    `${dir}: training images are ${height} x ${width}, test images ${test.shape.height} x ${test.shape.width}. They must agree.`,
    { dir, height, width, testHeight: test.shape.height, testWidth: test.shape.width },
  );
}
