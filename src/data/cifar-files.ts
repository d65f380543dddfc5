// The "binary version" of CIFAR-10 and whatever is laid out like it: a label byte and three planes of 32 x 32, image by image.

import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DataError } from '../errors.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { readClassNames } from './class-names.ts';
import { isGzip } from './idx.ts';
import { OWN_LIMITS, type OwnImages, ownImages, type OwnPart, type Reading } from './own-set.ts';

/** Whether a file of this name may hold such images. */
export function isCifarFile(name: string): boolean {
  return partOf(name) !== null;
}

/**
 * Reads `data_batch_*.bin` or `train*.bin`, and `test*.bin`, plain or with .gz, among `names` in `dir`, in order of their
 * numbers; without any for the test the others are split. Names of classes from `classes.txt` or `batches.meta.txt`.
 * Throws DataError where a file is no whole number of images.
 */
export async function loadCifarFiles(dir: string, names: readonly string[], { isSplit }: Reading): Promise<OwnImages> {
  const read = async (part: 'train' | 'test') => {
    const files = names.filter((name) => partOf(name) === part);
    const once = files.filter((name) => !(name.endsWith('.gz') && files.includes(name.slice(0, -3)))); // plain wins
    return once.length === 0 ? null : readPart(dir, once.sort(byNumber));
  };
  const train = await read('train');
  if (train === null) {
    throw new DataError(
      `${dir}: expected data_batch_*.bin or train*.bin, each plain or with .gz; found images for the test alone. Add them.`,
      { dir },
    );
  }
  const test = await read('test');
  return ownImages({
    path: dir,
    layout: 'cifar-10',
    train,
    test,
    classNames: await readClassNames(dir),
    notes: [],
    isSplit,
  });
}

// --- internal ---

const SIDE = 32;
const SHAPE = { channels: 3, height: SIDE, width: SIDE } as const;
const IMAGE_BYTES = 3 * SIDE * SIDE;
const RECORD_BYTES = 1 + IMAGE_BYTES;

function partOf(name: string): 'train' | 'test' | null {
  if (/^(data_batch|train)[\w-]*\.bin(\.gz)?$/.test(name)) return 'train';
  return /^test[\w-]*\.bin(\.gz)?$/.test(name) ? 'test' : null;
}

/** `data_batch_10.bin` comes after `data_batch_9.bin`. */
function byNumber(a: string, b: string): number {
  const [x, y] = [a, b].map((name) => Number(/\d+/.exec(name)?.[0] ?? 0)) as [number, number];
  return x - y || (a < b ? -1 : 1);
}

async function readPart(dir: string, names: readonly string[]): Promise<OwnPart> {
  const contents: Uint8Array[] = [];
  let room: number = OWN_LIMITS.maxSizeBytes;
  for (const name of names) {
    const content = await readRecords(join(dir, name), room);
    room -= content.length;
    contents.push(content);
  }
  const count = contents.reduce((sum, content) => sum + content.length, 0) / RECORD_BYTES;
  const images = new Uint8Array(count * IMAGE_BYTES); // [N, 3, H, W]
  const labels = new Uint8Array(count);
  let row = 0;
  for (const content of contents) {
    for (let at = 0; at < content.length; at += RECORD_BYTES) {
      labels[row] = content[at] as number;
      images.set(content.subarray(at + 1, at + RECORD_BYTES), row * IMAGE_BYTES);
      row += 1;
    }
  }
  return { shape: SHAPE, images, labels, file: join(dir, names.join(', ')) };
}

/** A whole number of records, at most `maxBytes`. */
async function readRecords(file: string, maxBytes: number): Promise<Uint8Array> {
  const stored = await readFileBounded(file, { maxBytes });
  const packed = isGzip(stored) && stored.length > 18;
  // A gzip file ends in its size, modulo 2 ** 32: what is beyond our bound anyway.
  const sizeBytes = packed ? new DataView(stored.buffer).getUint32(stored.length - 4, true) : stored.length;
  if (sizeBytes === 0 || sizeBytes % RECORD_BYTES !== 0 || sizeBytes > maxBytes) {
    throw refused(file, `images of ${RECORD_BYTES} bytes, ${maxBytes} at most`, `${sizeBytes} bytes`);
  }
  if (!packed) return stored;
  try {
    const content = gunzipSync(stored, { maxOutputLength: sizeBytes });
    if (content.length === sizeBytes) return content;
  } catch (cause) {
    throw refused(file, `a gzip file of ${sizeBytes} bytes`, 'a damaged one, or more', cause);
  }
  throw refused(file, `a gzip file of ${sizeBytes} bytes`, 'fewer');
}

function refused(file: string, expected: string, found: string, cause?: unknown): DataError {
  return new DataError(
    `${file}: expected ${expected}, found ${found}. Fetch the file again: a label and 3 x 32 x 32 bytes an image.`,
    { file, expected, found },
    { cause },
  );
}
