import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { byteArray, npy, npz, type TestArray, zip } from '../../test/npz-writer.ts';
import { loadNpz } from './npz-file.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'align-fl-npz-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

let files = 0;
/** Writes a file and reads it. */
function loaded(bytes: Uint8Array) {
  files += 1;
  const path = join(FOLDER, `set-${files}.npz`);
  writeFileSync(path, bytes);
  return loadNpz(path, { isSplit: true });
}

const images = (count: number, value = 7): TestArray =>
  byteArray([count, 8, 8], new Uint8Array(64 * count).fill(value));
const labels = (...values: number[]): TestArray => byteArray([values.length], values);
const keras = { x_train: images(2), y_train: labels(0, 1), x_test: images(1), y_test: labels(1) };

// numpy 2.4: savez_compressed(train_images, ...), 7 colour images [N, 8, 8, 3], labels int64 [N, 1];
// x[:, 0, 0] = [10, 20, 30]; x[3, 7, 7] = [1, 2, 3]
const BY_NUMPY =
  'UEsDBC0AAAAIAAAAIQDXWNSo//////////8QABQAdHJhaW5faW1hZ2VzLm5weQEAEADABQAAAAAAAGUAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvka5joKFmBkrKmjUKtABuDiEpFjGMpg1P0DC4a0+xmZmIe0+xmGePgzDH33AwBQSwMELQAAAAgAAAAhAEjl0VP//////////xAAFAB0cmFpbl9sYWJlbHMubnB5AQAQALgAAAAAAAAAUQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrmOgqGmjoKtQpkAy4GKGCE0kwMqACXOABQSwMELQAAAAgAAAAhACmrjAP//////////w4AFAB2YWxfaW1hZ2VzLm5weQEAEABAAQAAAAAAAE8AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkahjoKFmBkrKmjUKtABuDiEpFjGMoAAFBLAwQtAAAACAAAACEAkKquaf//////////DgAUAHZhbF9sYWJlbHMubnB5AQAQAIgAAAAAAAAASQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqGOgqGmjoKtQpkAy4GKAAAUEsDBC0AAAAIAAAAIQDtqZfw//////////8PABQAdGVzdF9pbWFnZXMubnB5AQAQAMACAAAAAAAAUwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBeU2qorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOgoWYGSsqaNQq0AG4OISkWMYymDU/QMLAFBLAwQtAAAACAAAACEAmX5ITP//////////DwAUAHRlc3RfbGFiZWxzLm5weQEAEACYAAAAAAAAAE4AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjoKhpo6CrUKZAMuBihghNJMUBoAUEsBAi0DLQAAAAgAAAAhANdY1KhlAAAAwAUAABAAAAAAAAAAAAAAAIABAAAAAHRyYWluX2ltYWdlcy5ucHlQSwECLQMtAAAACAAAACEASOXRU1EAAAC4AAAAEAAAAAAAAAAAAAAAgAGnAAAAdHJhaW5fbGFiZWxzLm5weVBLAQItAy0AAAAIAAAAIQApq4wDTwAAAEABAAAOAAAAAAAAAAAAAACAAToBAAB2YWxfaW1hZ2VzLm5weVBLAQItAy0AAAAIAAAAIQCQqq5pSQAAAIgAAAAOAAAAAAAAAAAAAACAAckBAAB2YWxfbGFiZWxzLm5weVBLAQItAy0AAAAIAAAAIQDtqZfwUwAAAMACAAAPAAAAAAAAAAAAAACAAVICAAB0ZXN0X2ltYWdlcy5ucHlQSwECLQMtAAAACAAAACEAmX5ITE4AAACYAAAADwAAAAAAAAAAAAAAgAHmAgAAdGVzdF9sYWJlbHMubnB5UEsFBgAAAAAGAAYAbgEAAHUDAAAAAA==';

describe('an .npz file', () => {
  it('of MedMNIST, as NumPy wrote it, has its colours in planes, its labels as bytes, and a part left aside', async () => {
    const { dataSet, layout, notes } = await loaded(Buffer.from(BY_NUMPY, 'base64'));
    const { train, test, classNames } = dataSet;
    expect(layout).toBe('npz');
    expect(train.shape).toEqual({ channels: 3, height: 8, width: 8 });
    expect([0, 64, 128].map((plane) => train.images[plane])).toEqual([10, 20, 30]);
    expect([63, 127, 191].map((last) => train.images[3 * 192 + last])).toEqual([1, 2, 3]);
    expect([[...train.labels], [...test.labels]]).toEqual([
      [0, 1, 2, 0, 1, 2, 0],
      [0, 1, 2],
    ]);
    expect(classNames).toEqual(['0', '1', '2']);
    expect(notes).toEqual(['val_images and val_labels are left aside: neither trained on nor judged by.']);
  });

  it('of Keras is grey; its arrays may be stored', async () => {
    const { dataSet } = await loaded(npz(keras));
    expect(dataSet.train.shape).toEqual({ channels: 1, height: 8, width: 8 });
    expect([dataSet.train.labels.length, dataSet.test.labels.length]).toEqual([2, 1]);
    const members = Object.fromEntries(Object.entries(keras).map(([name, array]) => [`${name}.npy`, npy(array)]));
    const stored = await loaded(zip(members, { stored: true }));
    expect(stored.dataSet.train.images).toEqual(dataSet.train.images);
  });

  it('with a single pair is split by content: in any order the same images are held out, and twins stay together', async () => {
    const pixels = (order: readonly number[]) => order.flatMap((i) => Array<number>(64).fill(i % 50));
    const order = Array.from({ length: 100 }, (_, i) => i); // 50 images, each twice
    const heldOut = async (rows: readonly number[]) => {
      const single = { x: byteArray([100, 8, 8], pixels(rows)), y: labels(...rows.map((i) => i % 5)) };
      const { dataSet, notes } = await loaded(npz(single));
      expect(notes[0]).toMatch(/There is no test part: \d+ images are held out/);
      const { train, test } = dataSet;
      const kinds = (set: typeof test) => new Set(set.images.filter((_, at) => at % 64 === 0));
      expect([...kinds(test)].filter((kind) => kinds(train).has(kind))).toEqual([]);
      return [...kinds(test)].sort((a, b) => a - b);
    };
    const first = await heldOut(order);
    expect(first.length).toBeGreaterThan(2);
    expect(await heldOut([...order].reverse())).toEqual(first);
  });

  it.each([
    ['[N, 3, H, W]', byteArray([2, 3, 8, 8], new Uint8Array(384).fill(1)), 3],
    ['[N, H, W, 1]', byteArray([2, 8, 8, 1], new Uint8Array(128)), 1],
  ])('may have images %s', async (_, x_train, channels) => {
    const x_test = { ...x_train, shape: [1, ...x_train.shape.slice(1)], bytes: x_train.bytes.slice(0, 64 * channels) };
    const { dataSet } = await loaded(npz({ ...keras, x_train, x_test }));
    expect(dataSet.train.shape.channels).toBe(channels);
  });

  it.each<readonly [string, Record<string, TestArray>, RegExp]>([
    ['other names', { a: images(1) }, /expected the arrays x_train, y_train, .* Found "a"/],
    [
      'no images',
      { x: byteArray([0, 1, 8, 8], []), y: byteArray([0], []) },
      /: x: there are no images in it, .*\[0, 1, 8, 8\]/,
    ],
    [
      'no images for the test',
      { ...keras, x_test: byteArray([0, 8, 8], []), y_test: byteArray([0], []) },
      /: x_test: there are no images in it, .*or leave x_test and y_test out/,
    ],
    [
      'axes of another meaning',
      { ...keras, x_train: byteArray([2, 5, 8, 8], new Uint8Array(640)) },
      /\[N, H, W\], \[N, H, W, 1 or 3\] or \[N, 1 or 3, H, W\], found \|u1 \[2, 5, 8, 8\]/,
    ],
    ['half a test part', { x_train: images(2), y_train: labels(0, 1), x_test: images(1) }, /found x_test alone/],
    [
      'numbers with a point',
      { ...keras, x_train: { ...images(2), type: '<f4' } },
      /whole numbers .* found numbers of type <f4/,
    ],
    [
      'objects, which only Python could read',
      { ...keras, y_train: { ...labels(0, 1), type: '|O' } },
      /numbers of type \|O/,
    ],
    [
      'wide pixels',
      { ...keras, x_train: { type: '<u2', shape: [1, 8, 8], bytes: new Uint8Array(128) } },
      /uint8 images .* found <u2/,
    ],
    ['column-major order', { ...keras, x_train: { ...images(2), order: 'True' } }, /row-major/],
    [
      'a shape that its length belies',
      { ...keras, x_train: { ...images(2), shape: [3, 8, 8] } },
      /192 bytes for \[3, 8, 8\]/,
    ],
    ['an absurd shape', { ...keras, x_train: { ...images(2), shape: [2 ** 40, 2 ** 40, 8] } }, /bytes for/],
    [
      'sides of 7',
      { ...keras, x_train: byteArray([1, 7, 8], new Uint8Array(56)) },
      /8 x 8 to 64 x 64 pixels, found 7 x 8/,
    ],
    [
      'two classes an image',
      { ...keras, y_train: byteArray([2, 2], [0, 1, 1, 0]) },
      /\[2\] or \[2, 1\], found \|u1 \[2, 2\]/,
    ],
    ['too few labels', { ...keras, y_train: labels(0) }, /one label for each of the 2 images/],
    ['the label of foreign images', { ...keras, y_train: labels(0, 255) }, /labels from 0 to 254, found 255 at row 1/],
    ['a negative label', { ...keras, y_train: { ...labels(0, 255), type: '|i1' } }, /found -1 at row 1/],
    ['a class in the test alone', { ...keras, y_test: labels(2) }, /test part has label 2/],
    [
      'test images in colour',
      { ...keras, x_test: byteArray([1, 8, 8, 3], new Uint8Array(192)) },
      /in grey, test images in colour/,
    ],
  ])('is refused with %s', async (_, arrays, message) => {
    await expect(loaded(npz(arrays))).rejects.toThrow(message);
  });

  it.each<readonly [string, Parameters<typeof zip>[1], RegExp]>([
    ['a false checksum', { crc: 1 }, /checksum 00000001/],
    ['more bytes than its directory says', { sizeBytes: 100 }, /100 bytes in member "x_train.npy"/],
    ['a size that its bytes cannot give', { sizeBytes: 2 ** 30 }, /packed ones/],
    ['a size beyond all bounds', { sizeBytes: 2 ** 31 }, /at most 1073741824 bytes in x_train, found 2147483648/],
    ['a password', { flags: 1 }, /no encryption/],
  ])('is refused with %s', async (_, change, message) => {
    const members = Object.fromEntries(Object.entries(keras).map(([name, array]) => [`${name}.npy`, npy(array)]));
    await expect(loaded(zip(members, change))).rejects.toThrow(message);
  });

  it('is refused, however it is cut or spoilt, with an error of ours', async () => {
    const whole = npz(keras);
    await expect(loaded(Buffer.from('no zip'))).rejects.toThrow(/expected a zip archive/);
    for (let at = 0; at < whole.length; at += 23) {
      await expect(loaded(whole.slice(0, at))).rejects.toMatchObject({ code: 'DATA' });
      const spoilt = Uint8Array.from(whole);
      spoilt[at] = (spoilt[at] as number) ^ 0x55;
      await loaded(spoilt).catch((error: unknown) => expect(error).toMatchObject({ code: 'DATA' }));
    }
  });
});
