import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'fast-png';
import { afterAll, describe, expect, it } from 'vitest';
import { readFolder } from './folder.ts';
import { decodePng } from './png-image.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'align-fl-png-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** 8 x 8 pixels that all have these numbers. */
function flat(values: readonly number[], side = 8): Uint8Array {
  const data = Uint8Array.from({ length: side * side * values.length }, (_, i) => values[i % values.length] as number);
  return encode({ width: side, height: side, channels: values.length, depth: 8, data });
}

function chunk(type: string, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length, 0);
  whole.write(type, 4, 'latin1');
  whole.set(data, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
  return whole;
}

interface RawPng {
  readonly depth: number;
  readonly kind: number;
  readonly interlaced?: boolean;
  readonly rows: Uint8Array;
  readonly extra?: readonly Buffer[];
}

/** A PNG of 8 x 8 pixels, chunk by chunk. */
function rawPng({ depth, kind, interlaced = false, rows, extra = [] }: RawPng): Uint8Array {
  const header = Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 8, depth, kind, 0, 0, Number(interlaced));
  const image = chunk('IDAT', deflateSync(rows));
  return Buffer.concat([
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', header),
    ...extra,
    image,
    chunk('IEND', Buffer.of()),
  ]);
}

/** Eight rows that begin with filter 0. */
function rowsOf(row: readonly number[]): Uint8Array {
  return Uint8Array.from(Array.from({ length: 8 }, () => [0, ...row]).flat());
}

describe('a PNG file', () => {
  it.each([
    ['grey', flat([9]), 1, [9]],
    ['grey with alpha that is not used', flat([9, 255]), 1, [9]],
    ['in colour', flat([1, 2, 3]), 3, [1, 2, 3]],
    ['in colour with alpha that is not used', flat([1, 2, 3, 255]), 3, [1, 2, 3]],
    ['black and white, of one bit', rawPng({ depth: 1, kind: 0, rows: rowsOf([0xff]) }), 1, [255]],
    ['grey, of four bits', rawPng({ depth: 4, kind: 0, rows: rowsOf([0x33, 0x33, 0x33, 0x33]) }), 1, [51]],
    [
      'with a palette',
      rawPng({
        depth: 2,
        kind: 3,
        rows: rowsOf([0x55, 0x55]), // 01 01 01 01
        extra: [chunk('PLTE', Uint8Array.of(0, 0, 0, 10, 20, 30))],
      }),
      3,
      [10, 20, 30],
    ],
    [
      'with a palette of greys',
      rawPng({
        depth: 8,
        kind: 3,
        rows: rowsOf(Array(8).fill(1)),
        extra: [chunk('PLTE', Uint8Array.of(0, 0, 0, 7, 7, 7))],
      }),
      1,
      [7],
    ],
  ])('%s is read, plane by plane', (_, bytes, channels, first) => {
    const { shape, pixels } = decodePng(bytes, 'x.png');
    expect(shape).toEqual({ channels, height: 8, width: 8 });
    expect(pixels).toHaveLength(64 * channels);
    for (const [plane, value] of first.entries()) {
      expect(new Set(pixels.subarray(64 * plane, 64 * (plane + 1)))).toEqual(new Set([value]));
    }
  });

  it('has its pixels where they were, whatever is between them', () => {
    const data = Uint8Array.from({ length: 8 * 9 * 3 }, (_, i) => (i * 37) % 256);
    const { shape, pixels } = decodePng(encode({ width: 8, height: 9, channels: 3, depth: 8, data }), 'x.png');
    expect(shape).toEqual({ channels: 3, height: 9, width: 8 });
    for (let i = 0; i < data.length; i++) expect(pixels[(i % 3) * 72 + Math.floor(i / 3)]).toBe(data[i]);
  });

  const grey = { depth: 8, kind: 0, rows: rowsOf(Array(8).fill(3)) };
  it.each<readonly [string, Uint8Array, RegExp]>([
    ['another kind of file', Uint8Array.of(0xff, 0xd8, 0xff), /another kind of file\. Convert it to PNG/],
    [
      'pixels of 16 bits',
      rawPng({ depth: 16, kind: 0, rows: rowsOf(Array(16).fill(3)) }),
      /at most 8 bits a colour, found 16/,
    ],
    ['transparency', flat([1, 2, 3, 254]), /opaque image, found transparency/],
    ['a colour that is transparent', rawPng({ ...grey, extra: [chunk('tRNS', Uint8Array.of(0, 3))] }), /transparency/],
    ['interlaced rows', rawPng({ ...grey, interlaced: true }), /without interlacing/],
    ['sides of 7', flat([1], 7), /8 x 8 to 64 x 64 pixels, found 7 x 7/],
    ['sides of 65', flat([1], 65), /found 65 x 65/],
    ['too few rows', rawPng({ ...grey, rows: grey.rows.slice(9) }), /72 bytes of pixels, found 63/],
    ['rows without end', rawPng({ ...grey, rows: new Uint8Array(10_000_000) }), /damaged data, or more/],
    ['an unknown filter', rawPng({ ...grey, rows: grey.rows.map((byte, i) => (i === 0 ? 9 : byte)) }), /a damaged one/],
    ['an unknown kind', rawPng({ ...grey, kind: 5 }), /colour type 5 of 8 bits/],
    ['two headers', rawPng({ ...grey, extra: [chunk('IHDR', new Uint8Array(13))] }), /one header/],
    ['a colour beyond its palette', rawPng({ ...grey, kind: 3, extra: [chunk('PLTE', new Uint8Array(3))] }), /palette/],
    ['a false checksum', flat([1]).map((byte, i) => (i === 20 ? byte ^ 1 : byte)), /checksums/],
    ['its end cut off', flat([1]).slice(0, -6), /cut short/],
  ])('is refused with %s', (_, bytes, message) => {
    expect(() => decodePng(bytes, 'x.png')).toThrow(message);
    expect(() => decodePng(bytes, 'x.png')).toThrow(expect.objectContaining({ code: 'DATA' }));
  });

  it('may carry a colour profile that would unpack to gigabytes: it is not read', () => {
    const extra = [chunk('iCCP', Buffer.concat([Buffer.from('x\0\0'), Buffer.from('damaged')]))];
    expect(decodePng(rawPng({ ...grey, extra }), 'x.png').pixels[0]).toBe(3);
  });
});

let folders = 0;
/** A folder with these files; a folder where there is no content. */
function folderOf(files: Readonly<Record<string, Uint8Array | string>>): string {
  folders += 1;
  const dir = join(FOLDER, `set-${folders}`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

describe('a folder of PNG files a class', () => {
  it('has a part for training and one for the test, and classes in the order of their names', async () => {
    const dir = folderOf({
      'train/dog/b.png': flat([2]),
      'train/dog/a.png': flat([1]),
      'train/cat/1.PNG': flat([7, 8, 9]),
      'test/dog/x.png': flat([4]),
      'val/dog/x.png': flat([4]),
      '.hidden/x': 'y',
    });
    const { dataSet, layout, notes } = await readFolder(dir);
    const { train, test, classNames } = dataSet;
    expect([layout, classNames]).toEqual(['png', ['cat', 'dog']]);
    expect(train.shape).toEqual({ channels: 3, height: 8, width: 8 });
    expect([[...train.labels], [...test.labels]]).toEqual([[0, 1, 1], [1]]);
    const corners = [0, 1, 2].map((row) => [0, 64, 128].map((at) => train.images[192 * row + at]));
    expect(corners).toEqual([
      [7, 8, 9],
      [1, 1, 1],
      [2, 2, 2],
    ]); // grey ones are spread over the colours
    expect(notes).toEqual(['val: left aside, neither trained on nor judged by.']);
  });

  it('without parts is split, and numbers are classes in the order of their values', async () => {
    const files = [10, 9, 2].flatMap((name) =>
      Array.from({ length: 20 }, (_, i) => [`${name}/${i}.png`, flat([name * 20 + i])] as const),
    );
    const { dataSet, notes } = await readFolder(folderOf(Object.fromEntries(files)));
    expect(dataSet.classNames).toEqual(['2', '9', '10']);
    expect(dataSet.train.labels.length + dataSet.test.labels.length).toBe(60);
    expect(notes[0]).toMatch(/^There is no test part: (\d|1\d) images are held out/);
  });

  it.each<readonly [string, Readonly<Record<string, Uint8Array | string>>, RegExp]>([
    ['another file among them', { 'a/x.png': flat([1]), 'a/notes.txt': '' }, /notes\.txt: expected PNG files alone/],
    [
      'images of two sizes',
      { 'a/x.png': flat([1]), 'a/y.png': flat([1], 9) },
      /y\.png: expected 8 x 8 pixels, .* found 9 x 9/,
    ],
    [
      'a class in the test alone',
      { 'train/a/x.png': flat([1]), 'test/b/x.png': flat([1]) },
      /found b in the test part alone/,
    ],
    ['no images', { 'a/.keep': '' }, /there are no PNG files in its folders of classes/],
    ['a damaged image', { 'a/x.png': flat([1]).slice(0, 30) }, /x\.png: .* cut short/],
    ['a single image', { 'a/x.png': flat([1]) }, /enough to hold one in 6 out/],
  ])('is refused with %s', async (_, files, message) => {
    await expect(readFolder(folderOf(files))).rejects.toThrow(message);
  });

  it.runIf(process.platform !== 'win32')('is refused with links, which lead elsewhere', async () => {
    const dir = folderOf({ 'a/x.png': flat([1]) });
    symlinkSync('/etc/hostname', join(dir, 'a', 'y.png'));
    await expect(readFolder(dir)).rejects.toThrow(/y\.png: expected a file or a folder, found a link/);
    const other = folderOf({ 'a/x.png': flat([1]), 'b/x.png': flat([2]) });
    symlinkSync('..', join(other, 'loop'));
    await expect(readFolder(other)).rejects.toThrow(/loop: expected a file or a folder, found a link/);
  });
});

describe("CIFAR-10's binary files", () => {
  const record = (label: number, ...planes: readonly [number, number, number]) =>
    Uint8Array.of(label, ...planes.flatMap((value) => Array<number>(1024).fill(value)));

  it('are read in order of their numbers, with the names of classes that lie beside them', async () => {
    const dir = folderOf({
      'data_batch_10.bin': record(0, 4, 5, 6),
      'data_batch_9.bin': Buffer.concat([record(1, 1, 2, 3), record(0, 7, 8, 9)]),
      'test_batch.bin': record(1, 3, 2, 1),
      'batches.meta.txt': 'plane\ncar\n\n',
      'readme.html': '',
    });
    const { dataSet, layout } = await readFolder(dir);
    expect([layout, dataSet.classNames]).toEqual(['cifar-10', ['plane', 'car']]);
    expect(dataSet.train.shape).toEqual({ channels: 3, height: 32, width: 32 });
    expect([...dataSet.train.labels]).toEqual([1, 0, 0]);
    expect([0, 1024, 2048].map((plane) => dataSet.train.images[plane])).toEqual([1, 2, 3]);
    expect(dataSet.train.images[2 * 3072]).toBe(4);
    expect([...dataSet.test.images.subarray(1023, 1025)]).toEqual([3, 2]);
  });

  it('are refused where they hold no whole images, or none to train on', async () => {
    const short = { 'train.bin': record(0, 1, 2, 3).slice(1), 'test.bin': record(0, 1, 2, 3) };
    await expect(readFolder(folderOf(short))).rejects.toThrow(
      /train\.bin: expected images of 3073 bytes, .* found 3072 bytes/,
    );
    await expect(readFolder(folderOf({ 'test.bin': record(0, 1, 2, 3) }))).rejects.toThrow(/for the test alone/);
  });
});
