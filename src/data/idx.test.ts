import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError, ShapeError } from '../errors.ts';
import {
  decodeIdxImages,
  decodeIdxLabels,
  encodeIdxImages,
  encodeIdxLabels,
  type IdxImages,
  inflateIdx,
  pairIdx,
} from './idx.ts';

const TWO: IdxImages = {
  count: 2,
  height: 2,
  width: 3,
  pixels: Uint8Array.of(0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255),
};

/** A header of big-endian words, and then `bodyBytes` zeros. */
function header(words: readonly number[], bodyBytes = 0): Uint8Array {
  const bytes = new Uint8Array(4 * words.length + bodyBytes);
  words.forEach((word, i) => {
    new DataView(bytes.buffer).setUint32(4 * i, word);
  });
  return bytes;
}

function errorOf(run: () => unknown): DataError {
  try {
    run();
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('reading and writing IDX', () => {
  it('writes the bytes of the format by hand', () => {
    expect([...encodeIdxImages({ count: 1, height: 1, width: 2, pixels: Uint8Array.of(7, 9) })]).toEqual([
      0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 9,
    ]);
    expect([...encodeIdxLabels(Uint8Array.of(5, 0))]).toEqual([0, 0, 8, 1, 0, 0, 0, 2, 5, 0]);
  });

  it('reads back what it wrote, plain and gzip', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        (count, height, width) => {
          const pixels = Uint8Array.from({ length: count * height * width }, (_, i) => (i * 31) % 256);
          const plain = encodeIdxImages({ count, height, width, pixels });
          for (const bytes of [plain, gzipSync(plain)]) {
            expect(decodeIdxImages(bytes, 'file')).toEqual({ count, height, width, pixels });
          }
        },
      ),
      { numRuns: 20, seed: 1 },
    );
    const labels = Uint8Array.of(3, 1, 4);
    expect(decodeIdxLabels(gzipSync(encodeIdxLabels(labels)), 'file')).toEqual(labels);
  });

  it('reads a view into a greater buffer', () => {
    const plain = encodeIdxImages(TWO);
    const padded = new Uint8Array(plain.length + 10);
    padded.set(plain, 5);
    expect(decodeIdxImages(padded.subarray(5, 5 + plain.length), 'file')).toEqual(TWO);
  });

  it('refuses to write pixels that do not fit the sizes', () => {
    expect(() => encodeIdxImages({ ...TWO, count: 3 })).toThrow(ShapeError);
  });

  it('says which file, what was expected, what was found and what to do', () => {
    const error = errorOf(() => decodeIdxImages(encodeIdxImages(TWO).subarray(0, 20), 'some/images'));
    expect(error.message).toBe(
      'some/images: expected 28 bytes, as its header says, found 20. The file was cut short. ' +
        'Fetch the file again, or check that it is what its name says.',
    );
    expect(error.facts).toMatchObject({ file: 'some/images', expectedBytes: 28, foundBytes: 20 });
  });
});

describe('an IDX file is refused', () => {
  const plain = encodeIdxImages(TWO);
  const zipped = gzipSync(plain);
  const damaged = Uint8Array.from(zipped);
  damaged[zipped.length - 6] = (damaged[zipped.length - 6] as number) ^ 1; // in the checksum

  it.each([
    ['empty', new Uint8Array(0), /header/],
    ['cut within the first header', plain.subarray(0, 7), /header/],
    ['cut within the image header', plain.subarray(0, 12), /header of 16 bytes/],
    ['cut within the pixels', plain.subarray(0, plain.length - 1), /cut short/],
    ['followed by a byte', Uint8Array.of(...plain, 0), /Bytes follow/],
    ['of another format', header([0x89504e47, 1, 1, 1], 1), /magic 2303741511/],
    ['of the little-endian kind', header([0x03080000, 1, 1, 1], 1), /magic/],
    ['of labels where images belong', encodeIdxLabels(Uint8Array.of(1)), /found labels/],
    ['of no images', header([2051, 0, 28, 28]), /at least one/],
    ['of images without height', header([2051, 5, 0, 28]), /0 x 28/],
    ['of images without width', header([2051, 5, 28, 0]), /28 x 0/],
    ['of images of 65 rows', header([2051, 1, 65, 1], 65), /65 x 1/],
    ['of absurd sides', header([2051, 1, 0xffffffff, 0xffffffff]), /4294967295 x 4294967295/],
    ['of absurd count', header([2051, 0xffffffff, 64, 64]), /asks for 17592186040336/],
    ['zipped and cut', zipped.subarray(0, zipped.length - 9), /cut short/],
    ['zipped and damaged', damaged, /damaged/],
    ['zipped and not IDX', gzipSync(Uint8Array.of(1, 2, 3)), /header/],
    ['zipped and followed by pixels', gzipSync(Uint8Array.of(...plain, 0)), /more bytes than its header/],
    ['zipped and short of pixels', gzipSync(plain.subarray(0, 20)), /cut short/],
    ['zipped with a second member', Buffer.concat([zipped, zipped]), /more bytes/],
  ])('when %s', (_, bytes, message) => {
    expect(errorOf(() => decodeIdxImages(bytes, 'file')).message).toMatch(message);
  });

  it('when images stand where labels belong', () => {
    expect(errorOf(() => decodeIdxLabels(plain, 'file')).message).toMatch(/found images/);
  });

  it('when counts of images and labels differ', () => {
    const error = errorOf(() =>
      pairIdx({ name: 'x', images: TWO, labels: Uint8Array.of(1), imagesFile: 'i', labelsFile: 'l' }),
    );
    expect(error.facts).toMatchObject({ file: 'l', images: 2, labels: 1 });
  });

  it('before anything of the size that it claims is allocated', () => {
    const claimsMuch = gzipSync(header([2051, 200_000, 64, 64])); // 800 MB out of 40 bytes
    const error = errorOf(() => decodeIdxImages(claimsMuch, 'bomb'));
    expect(error.message).toMatch(/gzip file that can hold the 819200016 bytes/);
    const zeros = Buffer.concat([header([2051, 1, 28, 28]), Buffer.alloc(64 * 2 ** 20)]);
    const bomb = gzipSync(zeros); // 64 MiB behind a header of one image
    const before = process.memoryUsage().arrayBuffers;
    expect(errorOf(() => inflateIdx(bomb, 'bomb')).message).toMatch(/more bytes than its header/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20);
  });

  it('when it passes the limits of the caller', () => {
    const limits = { maxSide: 3, maxSizeBytes: 27 };
    expect(errorOf(() => decodeIdxImages(plain, 'file', limits)).message).toMatch(/at most 27 bytes/);
    expect(decodeIdxImages(plain, 'file', { ...limits, maxSizeBytes: 28 }).count).toBe(2);
    expect(errorOf(() => decodeIdxImages(plain, 'file', { ...limits, maxSide: 2 })).message).toMatch(/1 x 1 to 2 x 2/);
  });

  it('whatever a random file holds, without any other error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, zip) => {
        try {
          decodeIdxImages(zip ? gzipSync(bytes) : bytes, 'file');
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 300, seed: 2 },
    );
  });
});

describe('images in colour', () => {
  // one image of 8 x 8 whose red plane is 1, green 2, blue 3
  const pixels = Uint8Array.from({ length: 192 }, (_, i) => 1 + Math.floor(i / 64));
  const images: IdxImages = { count: 1, channels: 3, height: 8, width: 8, pixels };

  it('lie in the file with a fourth dimension, the colours of a pixel together', () => {
    const bytes = encodeIdxImages(images);
    const header = [0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 3];
    expect([...bytes.subarray(0, 26)]).toEqual([...header, 1, 2, 3, 1, 2, 3]);
    expect(decodeIdxImages(bytes, 'file')).toEqual(images);
    expect(decodeIdxImages(gzipSync(bytes), 'file')).toEqual(images);
  });

  it('may lie in the file plane by plane, too', () => {
    const bytes = encodeIdxImages(images);
    bytes.set([0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 8], 8);
    bytes.set(pixels, 20);
    expect(decodeIdxImages(bytes, 'file')).toEqual(images);
  });

  it('have one channel or three', () => {
    const bytes = encodeIdxImages(images);
    bytes[19] = 4;
    expect(errorOf(() => decodeIdxImages(bytes, 'file')).message).toMatch(/\[N, H, W, 3\] or \[N, 3, H, W\]/);
  });
});
