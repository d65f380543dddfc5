// Images that a user brings along, whatever files they came in: the checks that all layouts share, and how a set without
// test images is split.

import { createHash } from 'node:crypto';
import { basename, extname, resolve } from 'node:path';
import { DataError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { type DataSet, FOREIGN_LABEL, type ImageSet, selectImages } from './image-set.ts';

/** How files can be laid out. */
export type OwnLayout = 'idx' | 'npz' | 'png' | 'cifar-10';

/** What was found. */
export interface OwnImages {
  readonly dataSet: DataSet;
  readonly layout: OwnLayout;
  /** What a person should know: parts that are left aside, how the set was split. Sentences. */
  readonly notes: readonly string[];
}

/** How a set without test images is read: an experiment holds some out, a silo trains on all that it has. */
export interface Reading {
  readonly isSplit: boolean;
}

/** One part as it was read. */
export interface OwnPart {
  readonly shape: ImageShape;
  /** [N, C, H, W] */
  readonly images: Uint8Array;
  /** [N] */
  readonly labels: Uint8Array;
  /** Where the labels come from, for messages. */
  readonly file: string;
}

/** What `ownImages` puts together. */
export interface OwnParts extends Reading {
  /** The folder or file that the user named. */
  readonly path: string;
  readonly layout: OwnLayout;
  readonly train: OwnPart;
  /** Null: every sixth training image or so is held out, where `isSplit`. */
  readonly test: OwnPart | null;
  /** Null: classes are named by their numbers, 0 to the greatest label. */
  readonly classNames: readonly string[] | null;
  readonly notes: readonly string[];
}

/** Least and greatest side of images in pixels, and all images of a part in bytes. */
export const OWN_LIMITS = { minSide: 8, maxSide: 64, maxSizeBytes: 2 ** 30 } as const;

/** Throws DataError where images of `file` are too small or too large. */
export function requireSides(file: string, { height, width }: ImageShape): void {
  const { minSide, maxSide } = OWN_LIMITS;
  if (Math.min(height, width) >= minSide && Math.max(height, width) <= maxSide) return;
  throw new DataError(
    `${file}: expected images of ${minSide} x ${minSide} to ${maxSide} x ${maxSide} pixels, found ${height} x ${width}. ` +
      'Scale them first.',
    { file, height, width },
  );
}

/** Throws DataError where parts do not fit each other, or labels do not fit the classes. */
export function ownImages({ path, layout, train, test, classNames, notes, isSplit }: OwnParts): OwnImages {
  const name = basename(resolve(path), extname(path) === '.npz' ? '.npz' : '');
  if (test !== null) requireSameShape(path, train, test);
  for (const part of test === null ? [train] : [train, test]) refuseForeignLabel(part);
  const classes = classNames?.length ?? 1 + greatest(train.labels);
  const parts = { train: toSet(`${name}/train`, train), test: test && toSet(`${name}/test`, test) };
  const split = parts.test === null && isSplit ? holdOut(path, name, parts.train) : null;
  for (const part of test === null ? [train] : [train, test]) refuseStrangeLabel(path, part, classes, part === test);
  const dataSet: DataSet = {
    name,
    classNames: classNames ?? Array.from({ length: classes }, (_, label) => String(label)),
    train: split?.train ?? parts.train,
    test: split?.test ?? parts.test ?? selectImages(parts.train, [], `${name}/test`),
  };
  const held =
    split &&
    `There is no test part: ${split.test.labels.length} ${split.test.labels.length === 1 ? 'image is' : 'images are'} held out, chosen by their content.`;
  return { dataSet, layout, notes: held ? [...notes, held] : notes };
}

// --- internal ---

/** One image in six is a test image, as in MNIST: 10,000 of 70,000 are one in seven. */
const HELD_OUT = 6;

function toSet(name: string, { shape, images, labels }: OwnPart): ImageSet {
  return { name, shape, images, labels };
}

/**
 * Images whose SHA-256 is a multiple of six, read as a big-endian number of its first four bytes, are held out: no name,
 * order or seed matters, and images that occur twice fall on the same side.
 */
function holdOut(path: string, name: string, all: ImageSet): { readonly train: ImageSet; readonly test: ImageSet } {
  const size = pixelCount(all.shape);
  const rows: { readonly train: number[]; readonly test: number[] } = { train: [], test: [] };
  for (let row = 0; row < all.labels.length; row++) {
    const digest = createHash('sha256')
      .update(all.images.subarray(row * size, (row + 1) * size))
      .digest();
    rows[digest.readUInt32BE(0) % HELD_OUT === 0 ? 'test' : 'train'].push(row);
  }
  if (rows.train.length > 0 && rows.test.length > 0) {
    return {
      train: selectImages(all, rows.train, `${name}/train`),
      test: selectImages(all, rows.test, `${name}/test`),
    };
  }
  const count = all.labels.length;
  throw new DataError(
    `${path}: expected images enough to hold one in ${HELD_OUT} out for the test, found ${count}. Add images, or a test part.`,
    { file: path, images: count },
  );
}

function requireSameShape(path: string, train: OwnPart, test: OwnPart): void {
  const { channels, height, width } = train.shape;
  const other = test.shape;
  if (channels === other.channels && height === other.height && width === other.width) return;
  const words = (shape: ImageShape, size: boolean) =>
    size ? `${shape.height} x ${shape.width}` : `in ${shape.channels === 1 ? 'grey' : 'colour'}`;
  const bySize = height !== other.height || width !== other.width;
  throw new DataError(
    `${path}: training images are ${words(train.shape, bySize)}, test images ${words(other, bySize)}. They must agree.`,
    { dir: path, channels, height, width, testHeight: other.height, testWidth: other.width },
  );
}

function refuseForeignLabel({ labels, file }: OwnPart): void {
  if (!labels.includes(FOREIGN_LABEL)) return;
  throw new DataError(
    `${file}: label ${FOREIGN_LABEL} is kept for foreign images. Number the classes from 0 to ${FOREIGN_LABEL - 1}.`,
    { file },
  );
}

function refuseStrangeLabel(path: string, { labels, file }: OwnPart, classes: number, isTest: boolean): void {
  const strange = labels.find((label) => label >= classes);
  if (strange === undefined) return;
  const message = isTest
    ? `${path}: the test part has label ${strange}, but the training part ends at ${classes - 1}. Check both label files.`
    : `${file}: expected labels from 0 to ${classes - 1}, one for each name of a class, found ${strange}. Add the names.`;
  throw new DataError(message, { dir: path, file, label: strange });
}

function greatest(labels: Uint8Array): number {
  return labels.reduce((most, label) => Math.max(most, label), 0);
}
