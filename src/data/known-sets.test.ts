import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { dataPlaces } from './data-places.ts';
import { mixForeign } from './foreign.ts';
import { IDX_ROLES } from './idx-files.ts';
import { classCounts, type ImageSet, imageSetHash, selectImages } from './image-set.ts';
import { inspectKnownSets } from './inspect-sets.ts';
import { ALL_KNOWN_SETS, KNOWN_SETS } from './known-sets.ts';
import { loadKnownSet } from './locate.ts';
import { partitionManifest } from './manifest.ts';
import { partition } from './partition.ts';

const dataDir = process.env.ALIGN_FL_DATA ?? '';
const REAL = dataDir === '' ? '(skipped: set ALIGN_FL_DATA to a folder with mnist/ and fashion-mnist/)' : '';
const places = dataPlaces({ env: { ALIGN_FL_DATA: dataDir }, homeDir: homedir() }).filter(
  ({ kind }) => kind !== 'cache',
);

function histogram(set: ImageSet): readonly number[] {
  return classCounts(set.labels).map(({ count }) => count);
}

describe('the descriptions of known sets', () => {
  it('list four files in one order, with hashes that occur only once', () => {
    for (const set of ALL_KNOWN_SETS) {
      expect(set.files.map(({ role }) => role)).toEqual(IDX_ROLES);
      expect(set.classNames).toHaveLength(10);
      expect(set.mirrors.every((mirror) => mirror.endsWith('/'))).toBe(true);
    }
    const hashes = ALL_KNOWN_SETS.flatMap(({ files }) => files.flatMap((file) => [file.sha256, file.gzipSha256]));
    expect(new Set(hashes).size).toBe(16);
    expect(hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
    expect(KNOWN_SETS.mnist.files[0]?.sizeBytes).toBe(47_040_016);
  });
});

describe.skipIf(dataDir === '')(`the real data sets ${REAL}`, () => {
  it('are all there and verified', async () => {
    expect((await inspectKnownSets(places)).map(({ set, state }) => [set, state])).toEqual([
      ['mnist', 'complete'],
      ['fashion-mnist', 'complete'],
    ]);
  });

  it('have the published class counts', async () => {
    const mnist = await loadKnownSet(KNOWN_SETS.mnist, { places, download: false });
    expect(histogram(mnist.train)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(histogram(mnist.test)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    const fashion = await loadKnownSet(KNOWN_SETS['fashion-mnist'], { places, download: false });
    expect(histogram(fashion.train)).toEqual(Array.from({ length: 10 }, () => 6000));
    expect(histogram(fashion.test)).toEqual(Array.from({ length: 10 }, () => 1000));
    expect(fashion.train.shape).toEqual({ channels: 1, height: 28, width: 28 });
    expect(imageSetHash(fashion.test)).not.toBe(imageSetHash(mnist.test));
  });

  it('are dealt as in the paper: five disjoint pairs of digits, 600 garments in the first silo', async () => {
    const { train } = await loadKnownSet(KNOWN_SETS.mnist, { places, download: false });
    const foreign = (await loadKnownSet(KNOWN_SETS['fashion-mnist'], { places, download: false })).train;
    const key = seedKey(1);
    const pairs = [0, 2, 4, 6, 8].map((first) => [first, first + 1]);
    const silos = partition(train.labels, { kind: 'classes', classes: pairs, perClass: 6000 }, key).map((rows, i) => ({
      name: `silo-${i + 1}`,
      set: selectImages(train, rows),
    }));
    const mixed = mixForeign({
      silos,
      into: ['silo-1'],
      amount: { count: 600 },
      foreign,
      key: childKey(key, 'foreign'),
    });
    const manifest = partitionManifest(train, mixed);
    expect(manifest.disjoint).toBe(true);
    expect(manifest.silos.map(({ examples }) => examples)).toEqual([11923 + 600, 11958, 11263, 11918, 11800]);
    expect(manifest.silos[0]?.classes).toEqual([
      { label: 0, count: 5923 },
      { label: 1, count: 6000 },
    ]);
    expect(manifest.silos[0]?.foreign).toBe(600);
  });
});
