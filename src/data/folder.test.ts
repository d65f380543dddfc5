import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadFolder, readFolder } from './folder.ts';
import { encodeIdxImages, encodeIdxLabels } from './idx.ts';

describe('an own folder of IDX files', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'align-fl-folder-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  async function writeImages(name: string, count: number, side: number): Promise<void> {
    const pixels = new Uint8Array(count * side * side).fill(9);
    const bytes = encodeIdxImages({ count, height: side, width: side, pixels });
    await writeFile(join(dir, name), name.endsWith('.gz') ? gzipSync(bytes) : bytes);
  }
  async function writeLabels(name: string, labels: readonly number[]): Promise<void> {
    await writeFile(join(dir, name), encodeIdxLabels(Uint8Array.from(labels)));
  }
  async function writeAll(): Promise<void> {
    await writeImages('train-images-idx3-ubyte.gz', 3, 20);
    await writeLabels('train-labels-idx1-ubyte', [0, 2, 1]);
    await writeImages('t10k-images.idx3-ubyte', 2, 20); // a dot, as some archives have it
    await writeLabels('t10k-labels-idx1-ubyte', [2, 0]);
  }

  it('is read, plain and zipped files mixed, with the classes that its labels have', async () => {
    await writeAll();
    const set = await loadFolder(dir);
    expect(set.classNames).toEqual(['0', '1', '2']);
    expect(set.train.shape).toEqual({ channels: 1, height: 20, width: 20 });
    expect(set.train.name).toBe(`${set.name}/train`);
    expect([...set.train.labels]).toEqual([0, 2, 1]);
    expect(set.test.images.length).toBe(2 * 400);
  });

  it('is refused with all names where a file is missing, and with all layouts where there is none', async () => {
    await expect(loadFolder(join(dir, 'nowhere'))).rejects.toThrow(/there is no such folder or file/);
    await expect(loadFolder(dir)).rejects.toThrow(
      /four IDX files .* one \.npz file, .* PNG files for each class; found nothing/,
    );
    await writeLabels('train-labels-idx1-ubyte', [0]);
    await expect(loadFolder(dir)).rejects.toThrow(
      /expected train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or with .gz/,
    );
    await expect(loadFolder(dir)).rejects.toMatchObject({ code: 'DATA', facts: { missing: { length: 3 } } });
  });

  it('is refused where counts, shapes or labels do not fit', async () => {
    await writeAll();
    await writeLabels('train-labels-idx1-ubyte', [0, 2]);
    await expect(loadFolder(dir)).rejects.toThrow(/expected 3 labels/);
    await writeLabels('train-labels-idx1-ubyte', [0, 1, 1]);
    await expect(loadFolder(dir)).rejects.toThrow(/test part has label 2/);
    await writeLabels('train-labels-idx1-ubyte', [0, 2, 255]);
    await expect(loadFolder(dir)).rejects.toThrow(/255 is kept for foreign/);
    await writeLabels('train-labels-idx1-ubyte', [0, 2, 1]);
    await rm(join(dir, 't10k-images.idx3-ubyte'));
    await writeImages('t10k-images-idx3-ubyte', 2, 21);
    await expect(loadFolder(dir)).rejects.toThrow(/20 x 20, test images 21 x 21/);
  });

  it('may name its classes, and hold a validation part, which is left aside', async () => {
    await writeAll();
    await writeFile(join(dir, 'classes.txt'), 'cat\nred dog\r\nbird\n\n');
    await writeLabels('val-labels-idx1-ubyte', [0]);
    const { dataSet, layout, notes } = await readFolder(dir);
    expect([layout, dataSet.classNames]).toEqual(['idx', ['cat', 'red dog', 'bird']]);
    expect(notes).toEqual(['val-labels-idx1-ubyte are left aside: neither trained on nor judged by.']);
    await writeFile(join(dir, 'classes.txt'), 'cat\ndog');
    await expect(loadFolder(dir)).rejects.toThrow(/labels from 0 to 1, one for each name of a class, found 2/);
    await writeFile(join(dir, 'classes.txt'), 'cat\ncat\ndog');
    await expect(loadFolder(dir)).rejects.toThrow(/found "cat"/);
  });

  it('is refused beside another data set: which of them is meant?', async () => {
    await writeAll();
    await writeFile(join(dir, 'more.npz'), '');
    await expect(loadFolder(dir)).rejects.toThrow(
      /expected one data set, found IDX files .* and \.npz files \(more\.npz\)/,
    );
  });
});
