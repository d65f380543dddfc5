// The IDX format of MNIST and its relatives, read and written. A file is refused by its header, before
// anything of the size that the header claims is allocated, and a gzip file can't grow beyond that size.

import { constants, gunzipSync } from 'node:zlib';
import { DataError, type ErrorFacts, ShapeError } from '../errors.ts';
import { imageAxes, LEAST_SIDE, toInterleaved, toPlanes } from './channel-order.ts';
import type { ImageSet } from './image-set.ts';

/** What a header may claim. A file beyond it is refused unread. */
export interface IdxLimits {
  /** Greatest height and width, in pixels. */
  readonly maxSide: number;
  /** Greatest size of the uncompressed file. */
  readonly maxSizeBytes: number;
}

/** Limits where the caller gives none: images up to 64 x 64, files up to 1 GiB. */
export const IDX_LIMITS: IdxLimits = { maxSide: 64, maxSizeBytes: 2 ** 30 };

/** First four bytes of a file of grey images, [N, H, W]. */
export const IMAGE_MAGIC = 2051;
/** First four bytes of a file of images with four dimensions: colour, [N, H, W, 3], which some write as [N, 3, H, W]. */
export const COLOUR_MAGIC = 2052;
/** First four bytes of a file of labels. */
export const LABEL_MAGIC = 2049;

/** The images of a file. */
export interface IdxImages {
  readonly count: number;
  /** 3 for red, green and blue. Default 1. */
  readonly channels?: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** [N, C, H, W], unsigned bytes, row by row. */
  readonly pixels: Uint8Array;
}

/**
 * Reads a file of images, gzip or plain (told apart by their first bytes).
 * `file` names it in messages. Throws DataError for anything but one complete, sensible IDX file.
 */
export function decodeIdxImages(bytes: Uint8Array, file: string, limits = IDX_LIMITS): IdxImages {
  return imagesOf(inflateIdx(bytes, file, limits), file, limits);
}

/** Reads a file of labels, [N] bytes. Otherwise as `decodeIdxImages`. */
export function decodeIdxLabels(bytes: Uint8Array, file: string, limits = IDX_LIMITS): Uint8Array {
  return labelsOf(inflateIdx(bytes, file, limits), file, limits);
}

/**
 * The uncompressed bytes of an IDX file of either kind, header included and already checked against the length:
 * what the published hashes are taken over. A plain file is returned as it is, not copied.
 */
export function inflateIdx(bytes: Uint8Array, file: string, limits = IDX_LIMITS): Uint8Array {
  if (!isGzip(bytes)) {
    readHeader(bytes, bytes.length, file, limits);
    return bytes;
  }
  const start = gunzip(bytes.subarray(0, PEEK_BYTES), file, {
    finishFlush: constants.Z_SYNC_FLUSH, // a beginning only: its end is no error
    maxOutputLength: PEEK_BYTES * DEFLATE_MAX_RATIO,
  });
  const { totalBytes } = readHeader(start, null, file, limits);
  if (bytes.length * DEFLATE_MAX_RATIO < totalBytes) {
    throw refused(file, `a gzip file that can hold the ${totalBytes} bytes of its header`, `${bytes.length} bytes`, {
      expectedBytes: totalBytes,
    });
  }
  const all = gunzip(bytes, file, { maxOutputLength: totalBytes, chunkSize: Math.min(totalBytes, CHUNK_BYTES) + 64 });
  readHeader(all, all.length, file, limits);
  return all;
}

/**
 * Writes images as an uncompressed IDX file: grey ones [N, H, W] as MNIST's, colour [N, H, W, 3] with four dimensions.
 * Throws ShapeError where sizes and bytes disagree.
 */
export function encodeIdxImages(images: IdxImages): Uint8Array {
  const { count, channels = 1, height, width, pixels } = images;
  const sizeBytes = count * channels * height * width;
  if (pixels.length !== sizeBytes) {
    const what = channels === 1 ? '' : ` with ${channels} channels`;
    throw new ShapeError(
      `${count} images of ${height} x ${width}${what} need ${sizeBytes} bytes, got ${pixels.length}.`,
    );
  }
  const words = channels === 1 ? [IMAGE_MAGIC, count, height, width] : [COLOUR_MAGIC, count, height, width, channels];
  const bytes = new Uint8Array(4 * words.length + pixels.length);
  writeWords(bytes, words);
  bytes.set(toInterleaved(pixels, { channels, height, width }), 4 * words.length);
  return bytes;
}

/** Writes [N] labels as an uncompressed IDX file. */
export function encodeIdxLabels(labels: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LABEL_HEADER_BYTES + labels.length);
  writeWords(bytes, [LABEL_MAGIC, labels.length]);
  bytes.set(labels, LABEL_HEADER_BYTES);
  return bytes;
}

/** What `pairIdx` puts together, with the names that its messages use. */
export interface IdxPair {
  readonly name: string;
  readonly images: IdxImages;
  readonly labels: Uint8Array;
  readonly imagesFile: string;
  readonly labelsFile: string;
}

/** The images of one file with the labels of another. Throws DataError where their counts differ. */
export function pairIdx({ name, images, labels, imagesFile, labelsFile }: IdxPair): ImageSet {
  if (images.count !== labels.length) {
    throw refused(labelsFile, `${images.count} labels, one for each image of ${imagesFile}`, `${labels.length}`, {
      images: images.count,
      labels: labels.length,
    });
  }
  const { channels = 1, height, width, pixels } = images;
  return { name, shape: { channels, height, width }, images: pixels, labels };
}

/** Whether bytes begin as a gzip file does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

// --- internal ---

/** Magic, N, and one word for each further dimension. */
const HEADER_BYTES: Readonly<Record<number, number>> = { [LABEL_MAGIC]: 8, [IMAGE_MAGIC]: 16, [COLOUR_MAGIC]: 20 };
const LABEL_HEADER_BYTES = 8;
const PEEK_BYTES = 4096;
const CHUNK_BYTES = 1 << 20;
/** Deflate can't do better than 1032 : 1 (a property of the format, zlib's technical notes). */
const DEFLATE_MAX_RATIO = 1032;

interface Header {
  readonly magic: number;
  readonly count: number;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** Whether a pixel's colours lie together. */
  readonly interleaved: boolean;
  readonly headerBytes: number;
  readonly totalBytes: number;
}

/** Checks a header, and against it the length of the whole file where that is known already. */
function readHeader(bytes: Uint8Array, lengthBytes: number | null, file: string, limits: IdxLimits): Header {
  if (bytes.length < LABEL_HEADER_BYTES) {
    throw refused(file, 'an IDX header of 8, 16 or 20 bytes', `${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const headerBytes = HEADER_BYTES[magic];
  if (headerBytes === undefined) {
    const kinds = `magic ${IMAGE_MAGIC} for grey images, ${COLOUR_MAGIC} for colour, ${LABEL_MAGIC} for labels`;
    throw refused(file, `an IDX file (${kinds})`, `magic ${magic}`, { magic });
  }
  if (bytes.length < headerBytes) throw refused(file, `a header of ${headerBytes} bytes`, `${bytes.length} bytes`);
  const sides = Array.from({ length: headerBytes / 4 - 1 }, (_, i) => view.getUint32(4 + 4 * i));
  const axes = imageAxes(magic === LABEL_MAGIC ? [...sides, 1, 1] : sides);
  if (axes === null) throw refused(file, 'images [N, H, W, 3] or [N, 3, H, W]', `[${sides.join(', ')}]`);
  const { count, interleaved } = axes;
  const { channels, height, width } = axes.shape;
  if (count === 0) {
    const what = magic === LABEL_MAGIC ? 'label' : 'image';
    throw refused(file, `at least one ${what}`, 'none: its header says 0', { count });
  }
  const least = magic === COLOUR_MAGIC ? LEAST_SIDE : 1;
  if (!(Math.min(height, width) >= least && Math.max(height, width) <= limits.maxSide)) {
    throw refused(
      file,
      `images of ${least} x ${least} to ${limits.maxSide} x ${limits.maxSide} pixels`,
      `${height} x ${width}`,
      {
        height,
        width,
      },
    );
  }
  const totalBytes = headerBytes + count * channels * height * width; // < 2^32 * 2^14: exact
  if (totalBytes > limits.maxSizeBytes) {
    throw refused(file, `at most ${limits.maxSizeBytes} bytes`, `a header that asks for ${totalBytes}`, {
      count,
      height,
      width,
    });
  }
  if (lengthBytes !== null && lengthBytes !== totalBytes) {
    const what = lengthBytes < totalBytes ? 'The file was cut short' : 'Bytes follow after the last item';
    throw refused(file, `${totalBytes} bytes, as its header says`, `${lengthBytes}. ${what}`, {
      expectedBytes: totalBytes,
      foundBytes: lengthBytes,
    });
  }
  return { magic, count, channels: channels === 3 ? 3 : 1, height, width, interleaved, headerBytes, totalBytes };
}

function imagesOf(bytes: Uint8Array, file: string, limits: IdxLimits): IdxImages {
  const header = readHeader(bytes, bytes.length, file, limits);
  const { magic, count, channels, height, width, interleaved, headerBytes } = header;
  if (magic === LABEL_MAGIC) throw refused(file, `images (magic ${IMAGE_MAGIC})`, `labels (magic ${magic})`, { magic });
  const stored = tail(bytes, headerBytes);
  const pixels = interleaved ? toPlanes(stored, { channels, height, width }) : stored;
  return { count, ...(channels === 3 && { channels }), height, width, pixels };
}

function labelsOf(bytes: Uint8Array, file: string, limits: IdxLimits): Uint8Array {
  const { magic, headerBytes } = readHeader(bytes, bytes.length, file, limits);
  if (magic !== LABEL_MAGIC) throw refused(file, `labels (magic ${LABEL_MAGIC})`, `images (magic ${magic})`, { magic });
  return tail(bytes, headerBytes);
}

/** The rest as a plain array: never a Buffer, whose `slice` and equality differ. */
function tail(bytes: Uint8Array, from: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, bytes.length - from);
}

function gunzip(bytes: Uint8Array, file: string, options: Parameters<typeof gunzipSync>[1] & object): Uint8Array {
  try {
    return gunzipSync(bytes, options);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null;
    const found =
      code === 'ERR_BUFFER_TOO_LARGE'
        ? 'more bytes than its header says'
        : code === 'Z_BUF_ERROR'
          ? 'a gzip file that was cut short'
          : 'a damaged gzip file';
    throw refused(file, 'one complete gzip file', found, {}, cause);
  }
}

function refused(file: string, expected: string, found: string, facts: ErrorFacts = {}, cause?: unknown): DataError {
  const message = `${file}: expected ${expected}, found ${found}. Fetch the file again, or check that it is what its name says.`;
  return new DataError(message, { file, expected, found, ...facts }, { cause });
}

function writeWords(bytes: Uint8Array, words: readonly number[]): void {
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(4 * i, word);
  });
}
