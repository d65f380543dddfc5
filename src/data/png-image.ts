// One small PNG file as pixels: its chunks are checked and counted before anything is inflated, and only those that make
// the picture reach the decoder.

import { crc32, inflateSync } from 'node:zlib';
import { decode, type DecodedPng } from 'fast-png';
import { DataError, type ErrorFacts } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { requireSides } from './own-set.ts';

/** A decoded image. */
export interface PngImage {
  readonly shape: ImageShape;
  /** [C, H, W] */
  readonly pixels: Uint8Array;
}

/** Largest file that is read: 64 x 64 pixels take 16 KiB at most, the rest may be colour profiles and dates. */
export const MAX_PNG_BYTES = 2 ** 20;

/**
 * Grey, colour or palette of 1 to 8 bits, not interlaced. Grey of fewer bits is spread over 0 to 255; a palette of greys
 * alone is grey. Colour profiles are not applied. `file` names it in messages. Throws DataError for 16 bits, for
 * transparency that is used, for interlacing, for sides outside of 8 to 64, and for damage of any kind.
 */
export function decodePng(bytes: Uint8Array, file: string): PngImage {
  const chunks = chunksOf(bytes, file);
  const header = headerOf(chunks, file);
  requireSides(file, { channels: header.samples, height: header.height, width: header.width });
  if (header.depth === 16) throw refused(file, 'at most 8 bits a colour', '16', ADVICE);
  refuseOtherSize(chunks, header, file);
  let png: DecodedPng;
  try {
    png = decode(joined(chunks));
  } catch (cause) {
    throw refused(file, 'a whole PNG image', 'a damaged one', 'Replace the file.', {}, cause);
  }
  return toImage(png, file);
}

// --- internal ---

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** The chunks that make the picture. All others - texts, profiles, animations - are left out. */
const PICTURE = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'];
const MAX_CHUNKS = 10_000;
const ADVICE = 'Convert it to 8 bits, without transparency.';

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** Length, type, data and checksum. */
  readonly whole: Uint8Array;
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** Numbers a pixel. */
  readonly samples: number;
}

function chunksOf(bytes: Uint8Array, file: string): readonly Chunk[] {
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) {
    throw refused(file, 'a PNG image', 'another kind of file', 'Convert it to PNG.');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  let at = SIGNATURE.length;
  for (let i = 0; i < MAX_CHUNKS && at + 12 <= bytes.length; i++) {
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (PICTURE.includes(type)) {
      if (crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
        throw refused(file, 'the checksums that it states', `another one in ${type}`, 'Replace the file.');
      }
      chunks.push({ type, data: bytes.subarray(at + 8, end - 4), whole: bytes.subarray(at, end) });
      if (type === 'IEND') return chunks;
    }
    at = end;
  }
  throw refused(file, 'a whole PNG image', 'one that was cut short', 'Replace the file.');
}

function headerOf(chunks: readonly Chunk[], file: string): Header {
  const [first] = chunks;
  const again = chunks.filter(({ type }) => type === 'IHDR').length;
  if (first?.type !== 'IHDR' || first.data.length !== 13 || again !== 1) {
    throw refused(file, 'one header at the beginning', 'none, or several', 'Replace the file.');
  }
  const view = new DataView(first.data.buffer, first.data.byteOffset, 13);
  const depth = view.getUint8(8);
  const kind = view.getUint8(9);
  const samples = ({ 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as Readonly<Record<number, number>>)[kind];
  const depths = kind === 0 ? [1, 2, 4, 8, 16] : kind === 3 ? [1, 2, 4, 8] : [8, 16];
  if (samples === undefined || !depths.includes(depth)) {
    throw refused(file, 'a known kind of PNG image', `colour type ${kind} of ${depth} bits`, 'Replace the file.');
  }
  if (view.getUint8(12) !== 0) {
    throw refused(file, 'rows in their order', 'an interlaced image', 'Save it without interlacing.');
  }
  return { width: view.getUint32(0), height: view.getUint32(4), depth, samples };
}

/** Inflates once within bounds, so that the decoder, which has none, can't be made to fill the memory. */
function refuseOtherSize(chunks: readonly Chunk[], { width, height, depth, samples }: Header, file: string): void {
  const data = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map((chunk) => chunk.data));
  const rowBytes = Math.ceil((width * depth * samples) / 8);
  const sizeBytes = height * (1 + rowBytes); // each row begins with the number of its filter
  let found = -1;
  try {
    found = inflateSync(data, { maxOutputLength: sizeBytes }).length;
  } catch (cause) {
    throw refused(file, `pixels of ${height} x ${width}`, 'damaged data, or more', 'Replace the file.', {}, cause);
  }
  if (found < sizeBytes) throw refused(file, `${sizeBytes} bytes of pixels`, `${found}`, 'Replace the file.');
}

function joined(chunks: readonly Chunk[]): Uint8Array {
  return Buffer.concat([SIGNATURE, ...chunks.map(({ whole }) => whole)]);
}

function toImage(png: DecodedPng, file: string): PngImage {
  const { width, height, channels: samples } = png;
  const area = width * height;
  const colour = colourReader(png);
  const pixels = new Uint8Array(3 * area);
  const rgba = new Uint8Array(4);
  let isGrey = png.palette !== undefined || samples < 3;
  for (let pixel = 0; pixel < area; pixel++) {
    if (!colour(pixel, rgba)) throw refused(file, 'colours of its palette', 'others', 'Replace the file.');
    const [r = 0, g = 0, b = 0, alpha] = rgba;
    if (alpha !== 255) throw refused(file, 'an opaque image', 'transparency', ADVICE);
    isGrey &&= r === g && g === b;
    pixels[pixel] = r;
    pixels[area + pixel] = g;
    pixels[2 * area + pixel] = b;
  }
  const shape: ImageShape = { channels: isGrey ? 1 : 3, height, width };
  return { shape, pixels: isGrey ? pixels.slice(0, pixelCount(shape)) : pixels };
}

/** Writes a pixel's red, green, blue and alpha into its second argument; false where the palette has no such colour. */
function colourReader(png: DecodedPng): (pixel: number, rgba: Uint8Array) => boolean {
  const { channels: samples, palette, transparency } = png;
  const sample = sampleReader(png);
  if (palette) {
    return (pixel, rgba) => {
      const entry = palette[sample(pixel, 0)];
      rgba.fill(255).set(entry ?? []);
      return entry !== undefined;
    };
  }
  const scale = 255 / (2 ** png.depth - 1);
  const isColour = samples >= 3;
  const hasAlpha = samples % 2 === 0;
  return (pixel, rgba) => {
    for (let i = 0; i < 3; i++) rgba[i] = scale * sample(pixel, isColour ? i : 0);
    const isSeenThrough = transparency?.every((value, i) => value === sample(pixel, i)) ?? false;
    rgba[3] = isSeenThrough ? 0 : hasAlpha ? sample(pixel, samples - 1) : 255;
    return true;
  };
}

/** The `i`-th number of a pixel, which may be a few bits of a byte; rows begin at whole bytes. */
function sampleReader({ width, channels: samples, depth, data }: DecodedPng): (pixel: number, i: number) => number {
  if (depth === 8) return (pixel, i) => data[pixel * samples + i] as number;
  const rowBytes = Math.ceil((width * samples * depth) / 8);
  return (pixel, i) => {
    const bit = ((pixel % width) * samples + i) * depth;
    const byte = data[Math.floor(pixel / width) * rowBytes + Math.floor(bit / 8)] as number;
    return (byte >> (8 - depth - (bit % 8))) & (2 ** depth - 1);
  };
}

function refused(
  file: string,
  expected: string,
  found: string,
  advice: string,
  facts: ErrorFacts = {},
  cause?: unknown,
): DataError {
  return new DataError(
    `${file}: expected ${expected}, found ${found}. ${advice}`,
    { file, expected, found, ...facts },
    { cause },
  );
}
