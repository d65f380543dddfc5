// Images from a NumPy .npz file, with the names that Keras and MedMNIST give their arrays.

import { DataError } from '../errors.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { imageAxes, toPlanes } from './channel-order.ts';
import { FOREIGN_LABEL } from './image-set.ts';
import { type NpyArray, npyNumbers, readNpy } from './npy-array.ts';
import { OWN_LIMITS, type OwnImages, ownImages, type OwnPart, type Reading, requireSides } from './own-set.ts';
import { type ZipMember, zipMembers } from './zip-archive.ts';

/**
 * Reads `x_train, y_train, x_test, y_test`, or `train_images, train_labels, test_images, test_labels`, or a single pair
 * `x, y` or `images, labels`, which is split. Images: uint8 [N, H, W], [N, H, W, 1 or 3] or [N, 1 or 3, H, W], sides 8 to
 * 64. Labels: whole numbers of any width, [N] or [N, 1]. Throws DataError, StateError where the file can't be read.
 */
export async function loadNpz(path: string, { isSplit }: Reading): Promise<OwnImages> {
  const bytes = await readFileBounded(path, { maxBytes: MAX_FILE_BYTES });
  const members = zipMembers(bytes, path);
  const has = (name: string) => members.has(`${name}.npy`);
  const names = NAMES.find(({ train }) => train.every(has));
  if (names === undefined) throw unknownNames(path, members);
  const { train, test, left } = names;
  const testNames = test?.filter(has) ?? [];
  if (test && testNames.length === 1) {
    throw new DataError(`${path}: expected both ${test.join(' and ')}, found ${testNames[0]} alone. Add the other.`, {
      file: path,
    });
  }
  const isLeft = left.filter(has);
  return ownImages({
    path,
    layout: 'npz',
    train: readPart(path, train, members),
    test: test && testNames.length === 2 ? readPart(path, test, members) : null,
    classNames: null,
    notes: isLeft.length === 0 ? [] : [`${isLeft.join(' and ')} are left aside: neither trained on nor judged by.`],
    isSplit,
  });
}

// --- internal ---

const MAX_FILE_BYTES = 2 * OWN_LIMITS.maxSizeBytes;

type Pair = readonly [images: string, labels: string];

const NAMES: readonly { readonly train: Pair; readonly test: Pair | null; readonly left: readonly string[] }[] = [
  { train: ['x_train', 'y_train'], test: ['x_test', 'y_test'], left: ['x_val', 'y_val'] },
  {
    train: ['train_images', 'train_labels'],
    test: ['test_images', 'test_labels'],
    left: ['val_images', 'val_labels'],
  },
  { train: ['x', 'y'], test: null, left: [] },
  { train: ['images', 'labels'], test: null, left: [] },
];

function unknownNames(path: string, members: ReadonlyMap<string, ZipMember>): DataError {
  const found = [...members.keys()].slice(0, 20).map((name) => JSON.stringify(name.replace(/\.npy$/, '').slice(0, 40)));
  const known = NAMES.map(({ train, test }) => [...train, ...(test ?? [])].join(', ')).join('; or ');
  return new DataError(
    `${path}: expected the arrays ${known}. Found ${found.join(', ') || 'none'}. Save them under these names with numpy.savez.`,
    { file: path, found },
  );
}

function readPart(path: string, names: Pair, members: ReadonlyMap<string, ZipMember>): OwnPart {
  const [images, labels] = names.map((name) => readMember(path, name, members)) as [NpyArray, NpyArray];
  const [imagesFile, labelsFile] = names.map((name) => `${path}: ${name}`) as [string, string];
  const axes = imageAxes(images.shape);
  if (images.shape[0] === 0) throw noImages(path, names, images);
  if (axes === null || !images.type.endsWith('u1')) {
    throw new DataError(
      `${imagesFile}: expected uint8 images [N, H, W], [N, H, W, 1 or 3] or [N, 1 or 3, H, W], found ${written(images)}. ` +
        'Convert them: bytes from 0 to 255, grey or red, green and blue.',
      { file: path, array: names[0], type: images.type, shape: images.shape },
    );
  }
  requireSides(imagesFile, axes.shape);
  return {
    shape: axes.shape,
    images: axes.interleaved ? toPlanes(images.bytes, axes.shape) : images.bytes,
    labels: readLabels(labelsFile, labels, axes.count),
    file: labelsFile,
  };
}

function noImages(path: string, names: Pair, { shape }: NpyArray): DataError {
  const isTest = NAMES.some(({ test }) => test?.[0] === names[0]);
  const wayOut = isTest ? `Add images, or leave ${names.join(' and ')} out.` : 'Add images, and a label for each.';
  return new DataError(
    `${path}: ${names[0]}: there are no images in it, its shape is [${shape.join(', ')}]. ${wayOut}`,
    {
      file: path,
      array: names[0],
      shape,
    },
  );
}

function readMember(path: string, name: string, members: ReadonlyMap<string, ZipMember>): NpyArray {
  const member = members.get(`${name}.npy`) as ZipMember;
  if (member.sizeBytes <= OWN_LIMITS.maxSizeBytes) return readNpy(member.read(), `${path}: ${name}`);
  throw new DataError(
    `${path}: expected at most ${OWN_LIMITS.maxSizeBytes} bytes in ${name}, found ${member.sizeBytes}. Take fewer images.`,
    { file: path, array: name, sizeBytes: member.sizeBytes },
  );
}

function readLabels(file: string, array: NpyArray, count: number): Uint8Array {
  const [length, columns = 1] = array.shape;
  if (array.shape.length > 2 || array.shape.length === 0 || columns !== 1 || length !== count) {
    throw new DataError(
      `${file}: expected one label for each of the ${count} images, [${count}] or [${count}, 1], found ${written(array)}. ` +
        'Give each image the number of its one class.',
      { file, shape: array.shape, images: count },
    );
  }
  const labels = new Uint8Array(count);
  let row = 0;
  for (const label of npyNumbers(array)) {
    if (!(label >= 0 && label < FOREIGN_LABEL)) {
      throw new DataError(
        `${file}: expected labels from 0 to ${FOREIGN_LABEL - 1}, found ${label} at row ${row}. Number the classes from 0.`,
        { file, label, row },
      );
    }
    labels[row] = label;
    row += 1;
  }
  return labels;
}

function written({ type, shape }: NpyArray): string {
  return `${type} [${shape.join(', ')}]`;
}
