import { decode } from 'fast-png';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { decodeIdxImages, decodeIdxLabels } from './idx.ts';
import { readNpy } from './npy-array.ts';
import { MAX_PNG_FILES, requireFormatFits, SYNTHETIC_FORMATS, syntheticFiles } from './synthetic-files.ts';
import { type SyntheticSet, toByte } from './synthetic-set.ts';
import { zipMembers } from './zip-archive.ts';

const GREY: SyntheticSet = {
  shape: { channels: 1, height: 2, width: 3 },
  images: Uint8Array.from({ length: 18 }, (_, i) => 14 * i),
  labels: Uint8Array.of(0, 2, 2),
  classes: 3,
  silos: ['north', 'east'],
  origins: Uint16Array.of(0, 0, 1),
};
const COLOUR: SyntheticSet = {
  ...GREY,
  shape: { channels: 3, height: 1, width: 2 },
  labels: null,
  classes: null,
};

const filesOf = (set: SyntheticSet, format: (typeof SYNTHETIC_FORMATS)[number]) =>
  Object.fromEntries([...syntheticFiles(set, format)].map(({ path, bytes }) => [path, bytes]));
const only = (files: Record<string, Uint8Array>, name: string) => files[name] ?? expect.fail(`no ${name}`);

test('a pixel becomes the nearest byte', () => {
  expect([0, 0.5 / 255 - 1e-9, 0.5 / 255, 0.5, 1].map(toByte)).toEqual([0, 0, 1, 128, 255]);
});

describe('a synthetic set', () => {
  test('as IDX is read back by our own reader', () => {
    const files = filesOf(GREY, 'idx');
    expect(Object.keys(files)).toEqual(['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']);
    const images = decodeIdxImages(only(files, 'train-images-idx3-ubyte'), 'images');
    expect(images).toEqual({ count: 3, height: 2, width: 3, pixels: GREY.images });
    expect(decodeIdxLabels(only(files, 'train-labels-idx1-ubyte'), 'labels')).toEqual(GREY.labels);
    expect(Object.keys(filesOf({ ...GREY, labels: null, classes: null }, 'idx'))).toHaveLength(1);
  });

  test('as .npz is read back by our own reader', () => {
    const members = zipMembers(only(filesOf(GREY, 'npz'), 'synthetic.npz'), 'npz');
    const arrays = [...members].map(([name, member]) => ({ name, ...readNpy(member.read(), name) }));
    expect(arrays).toEqual([
      { name: 'images.npy', shape: [3, 2, 3], type: '|u1', bytes: GREY.images },
      { name: 'labels.npy', shape: [3], type: '|u1', bytes: GREY.labels },
      { name: 'silos.npy', shape: [3], type: '<u2', bytes: Uint8Array.of(0, 0, 0, 0, 1, 0) },
    ]);
  });

  test('as .npz keeps grey images [M, H, W], colours in the last axis, and labels where there are any', () => {
    const text = (set: SyntheticSet) => Buffer.from(only(filesOf(set, 'npz'), 'synthetic.npz')).toString('latin1');
    const [grey, colour] = [text(GREY), text(COLOUR)];
    expect(grey).toContain("'shape': (3, 2, 3), }");
    expect(grey).toContain('labels.npy');
    expect(colour).toContain("'shape': (3, 1, 2, 3), }");
    expect(colour).not.toContain('labels.npy');
    // first image: planes 0 14 | 28 42 | 56 70, so pixels (0, 28, 56) and (14, 42, 70)
    expect(colour).toContain(String.fromCharCode(0, 28, 56, 14, 42, 70));
  });

  test('as PNG is a folder a class, with a list of what is in it', () => {
    const files = filesOf(GREY, 'png');
    expect(Object.keys(files)).toEqual(['0/00001.png', '2/00001.png', '2/00002.png', 'metadata.csv']);
    const last = decode(only(files, '2/00002.png'));
    expect([last.width, last.height, last.channels, [...last.data]]).toEqual([3, 2, 1, [...GREY.images.subarray(12)]]);
    const lines = new TextDecoder().decode(files['metadata.csv']).split('\n');
    expect(lines[0]).toBe('file_name,label,silo,sha256');
    expect(lines[3]).toBe(`2/00002.png,2,east,${contentHash(only(files, '2/00002.png'))}`);
    expect(lines).toHaveLength(5); // the last one empty
    const colours = filesOf(COLOUR, 'png');
    expect([...decode(only(colours, 'images/00001.png')).data]).toEqual([0, 28, 56, 14, 42, 70]);
    expect(new TextDecoder().decode(colours['metadata.csv'])).toMatch(
      /^file_name,silo,sha256\nimages\/00001.png,north,/,
    );
  });

  test('as Parquet has PNG bytes, labels and silos, and tells readers what the columns are', async () => {
    const rowsOf = (bytes: Uint8Array) => parquetReadObjects({ file: Uint8Array.from(bytes).buffer, utf8: false });
    const bytes = only(filesOf(GREY, 'parquet'), 'synthetic.parquet');
    const rows = await rowsOf(bytes);
    expect(rows).toHaveLength(3);
    const image = (rows[2]?.['image'] ?? {}) as { bytes: Uint8Array; path: string };
    expect(rows[2]).toMatchObject({ label: 2n, silo: 'east' });
    expect(image.path).toBe('2/00002.png');
    expect([...decode(image.bytes).data]).toEqual([...GREY.images.subarray(12)]);
    const { key_value_metadata: notes } = parquetMetadata(Uint8Array.from(bytes).buffer);
    expect(JSON.parse(notes?.[0]?.value ?? '')).toEqual({
      info: {
        features: {
          image: { _type: 'Image' },
          label: { names: ['0', '1', '2'], _type: 'ClassLabel' },
          silo: { dtype: 'string', _type: 'Value' },
        },
      },
    });
    const unlabelled = await rowsOf(only(filesOf(COLOUR, 'parquet'), 'synthetic.parquet'));
    expect(Object.keys(unlabelled[0] ?? {})).toEqual(['image', 'silo']);
  });

  test.each(SYNTHETIC_FORMATS)('as %s is the same bytes every time', (format) => {
    expect(filesOf(GREY, format)).toEqual(filesOf(GREY, format));
  });

  test('is refused in a format that cannot hold it', () => {
    expect(() => requireFormatFits('idx', COLOUR.shape, 3)).toThrow(/grey images/);
    expect(() => requireFormatFits('png', GREY.shape, MAX_PNG_FILES + 1)).toThrow(SpecError);
    expect(() => requireFormatFits('png', GREY.shape, MAX_PNG_FILES)).not.toThrow();
    expect(() => requireFormatFits('parquet', COLOUR.shape, MAX_PNG_FILES + 1)).not.toThrow();
  });
});
