// A folder of PNG files a class, perhaps within one for training and one for testing.

import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { FOREIGN_LABEL } from './image-set.ts';
import { OWN_LIMITS, type OwnImages, ownImages, type OwnPart, type Reading } from './own-set.ts';
import { decodePng, MAX_PNG_BYTES, type PngImage } from './png-image.ts';

/**
 * Reads `train/<class>/*.png` and `test/<class>/*.png` (or `training`, `testing`), or `<class>/*.png`, which is split.
 * Classes are named after their folders and numbered in order of these names, numbers by their value. Within a class images
 * are in order of file names. All have one size; where some are in colour, grey ones are spread over three channels. Names
 * that begin with a dot are passed over, other files and links refused. Throws DataError.
 */
export async function loadPngFolders(dir: string, { isSplit }: Reading): Promise<OwnImages> {
  const folders = await foldersIn(dir);
  const named = (names: readonly string[]) => folders.find((name) => names.includes(name)) ?? null;
  const [train, test] = [named(['train', 'training']), named(['test', 'testing'])];
  const isParted = train !== null && test !== null && (await foldersIn(join(dir, train))).length > 0;
  const parts = isParted ? [join(dir, train), join(dir, test)] : [dir];
  const others = isParted ? folders.filter((name) => name !== train && name !== test) : [];
  const found = await Promise.all(parts.map(foldersIn));
  const classNames = inOrder([...new Set(found.flat())]);
  refuseClasses(dir, classNames, found[0] ?? [], isParted);
  const read: RawPart[] = [];
  for (const [i, part] of parts.entries()) read.push(await readPart(part, classNames, found[i] ?? []));
  const channels = Math.max(...read.map((part) => part.channels));
  const [trainPart, testPart] = read.map((part) => toPart(part, channels));
  return ownImages({
    path: dir,
    layout: 'png',
    train: trainPart as OwnPart,
    test: testPart ?? null,
    classNames,
    notes: others.length === 0 ? [] : [`${others.join(', ')}: left aside, neither trained on nor judged by.`],
    isSplit,
  });
}

// --- internal ---

const MAX_IMAGES = 1_000_000;
/** Files that are read at the same time. */
const AT_ONCE = 16;

/** Images as they come: each grey or in colour. */
interface RawPart {
  readonly dir: string;
  readonly images: readonly Uint8Array[];
  readonly labels: readonly number[];
  readonly height: number;
  readonly width: number;
  /** The most that any image has. */
  readonly channels: number;
}

async function entriesOf(dir: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith('.'));
  } catch (cause) {
    throw new DataError(`${dir}: could not be listed. Check its permissions.`, { dir }, { cause });
  }
}

/** Names of folders; links are refused, for what they lead to is not what lies here. */
async function foldersIn(dir: string): Promise<readonly string[]> {
  const entries = await entriesOf(dir);
  const link = entries.find((entry) => entry.isSymbolicLink());
  if (link) throw linkFound(join(dir, link.name));
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function linkFound(path: string): DataError {
  return new DataError(`${path}: expected a file or a folder, found a link. Put a copy in its place.`, { file: path });
}

/** Numbers by their value, before all others, which are sorted by their characters. */
function inOrder(names: readonly string[]): readonly string[] {
  const isNumber = (name: string) => /^\d{1,15}$/.test(name);
  return [...names].sort((a, b) => {
    if (isNumber(a) && isNumber(b) && Number(a) !== Number(b)) return Number(a) - Number(b);
    if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1;
    return a < b ? -1 : 1;
  });
}

function refuseClasses(dir: string, all: readonly string[], trained: readonly string[], isParted: boolean): void {
  const refuse = (expected: string, found: string) => {
    throw new DataError(`${dir}: expected ${expected}, found ${found}. Correct the folders.`, { dir, expected, found });
  };
  if (all.length === 0) refuse('a folder of PNG files a class', 'no folders');
  if (all.length > FOREIGN_LABEL) refuse(`at most ${FOREIGN_LABEL} classes`, `${all.length} folders`);
  const strange = all.find((name) => /\p{Cc}/u.test(name));
  if (strange !== undefined) refuse('names of classes without control characters', JSON.stringify(strange));
  const untrained = all.filter((name) => !trained.includes(name));
  if (isParted && untrained.length > 0) {
    refuse('the classes of the training part', `${untrained.slice(0, 5).join(', ')} in the test part alone`);
  }
}

/** `present`: the classes that have a folder in `dir`. */
async function readPart(dir: string, classNames: readonly string[], present: readonly string[]): Promise<RawPart> {
  const files: { readonly path: string; readonly label: number }[] = [];
  for (const [label, name] of classNames.entries()) {
    if (!present.includes(name)) continue;
    for (const path of await pngsIn(join(dir, name))) files.push({ path, label });
  }
  if (files.length === 0) {
    throw new DataError(
      `${dir}: there are no PNG files in its folders of classes. Put the images of each class there.`,
      {
        dir,
        images: 0,
      },
    );
  }
  if (files.length > MAX_IMAGES) {
    throw new DataError(`${dir}: expected at most ${MAX_IMAGES} PNG files, found ${files.length}. Take fewer.`, {
      dir,
      images: files.length,
    });
  }
  const images: Uint8Array[] = [];
  let first: ImageShape | null = null;
  let channels = 1;
  for (let start = 0; start < files.length; start += AT_ONCE) {
    const batch = files.slice(start, start + AT_ONCE);
    const decoded = await Promise.all(batch.map(({ path }) => readPng(path)));
    for (const [i, { shape, pixels }] of decoded.entries()) {
      first ??= shape;
      requireOneSize(batch[i]?.path ?? dir, shape, first);
      channels = Math.max(channels, shape.channels);
      images.push(pixels);
    }
    refuseTooMany(dir, files.length * channels * (first?.height ?? 0) * (first?.width ?? 0));
  }
  const { height, width } = first as ImageShape;
  return { dir, images, labels: files.map(({ label }) => label), height, width, channels };
}

/** The PNG files of a class, in order of their names. */
async function pngsIn(dir: string): Promise<readonly string[]> {
  const entries = await entriesOf(dir);
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isSymbolicLink()) throw linkFound(path);
    if (!entry.isFile() || !/\.png$/i.test(entry.name)) {
      throw new DataError(
        `${path}: expected PNG files alone in the folder of a class, found this. Move it away, or name the folder that has the images (docs/data.md).`,
        {
          file: path,
        },
      );
    }
  }
  return entries
    .map(({ name }) => name)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => join(dir, name));
}

async function readPng(path: string): Promise<PngImage> {
  return decodePng(await readFileBounded(path, { maxBytes: MAX_PNG_BYTES }), path);
}

function requireOneSize(path: string, { height, width }: ImageShape, first: ImageShape): void {
  if (height === first.height && width === first.width) return;
  throw new DataError(
    `${path}: expected ${first.height} x ${first.width} pixels, as the first image has, found ${height} x ${width}. ` +
      'Scale all images to one size.',
    { file: path, height, width },
  );
}

function refuseTooMany(dir: string, sizeBytes: number): void {
  if (sizeBytes <= OWN_LIMITS.maxSizeBytes) return;
  throw new DataError(
    `${dir}: expected at most ${OWN_LIMITS.maxSizeBytes} bytes of pixels, found ${sizeBytes}. Take fewer images.`,
    { dir, sizeBytes },
  );
}

function toPart({ dir, images, labels, height, width }: RawPart, channels: number): OwnPart {
  const shape: ImageShape = { channels, height, width };
  const all = new Uint8Array(images.length * pixelCount(shape)); // [N, C, H, W]
  for (const [row, image] of images.entries()) {
    for (let at = row * pixelCount(shape); at < (row + 1) * pixelCount(shape); at += image.length) all.set(image, at);
  }
  return { shape, images: all, labels: Uint8Array.from(labels), file: dir };
}
