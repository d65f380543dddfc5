import { describe, expect, it } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { mixForeign } from './foreign.ts';
import { type ImageSet, imageSetHash, selectImages } from './image-set.ts';
import { partitionManifest } from './manifest.ts';

const SOURCE: ImageSet = {
  name: 'source',
  shape: { channels: 1, height: 1, width: 1 },
  images: Uint8Array.from({ length: 12 }, (_, i) => i),
  labels: Uint8Array.of(0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3),
};
const FOREIGN: ImageSet = { ...SOURCE, name: 'foreign' };

function silo(name: string, rows: readonly number[]): { name: string; set: ImageSet; foreignRows: Uint32Array } {
  return { name, set: selectImages(SOURCE, rows), foreignRows: new Uint32Array(0) };
}

describe('the manifest of a partition', () => {
  it('counts and hashes what each silo got, foreign images apart', () => {
    const silos = mixForeign({
      silos: [silo('a', [0, 1, 3]), silo('b', [7, 8])],
      into: ['a'],
      amount: { count: 2 },
      foreign: FOREIGN,
      key: seedKey('manifest'),
    });
    const manifest = partitionManifest(SOURCE, silos);
    expect(manifest).toEqual({
      version: 1,
      dataSet: { name: 'source', examples: 12, sha256: imageSetHash(SOURCE) },
      disjoint: true,
      sharedClasses: [],
      silos: [
        {
          name: 'a',
          examples: 5,
          classes: [
            { label: 0, count: 2 },
            { label: 1, count: 1 },
          ],
          foreign: 2,
          sha256: imageSetHash(silos[0]?.set as ImageSet),
        },
        {
          name: 'b',
          examples: 2,
          classes: [{ label: 3, count: 2 }],
          foreign: 0,
          sha256: imageSetHash(silos[1]?.set as ImageSet),
        },
      ],
    });
    expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
  });

  it('finds classes that several silos share, and foreign images are none', () => {
    const manifest = partitionManifest(SOURCE, [silo('a', [0, 3, 5]), silo('b', [4, 7]), silo('c', [1, 4])]);
    expect(manifest.disjoint).toBe(false);
    expect(manifest.sharedClasses).toEqual([0, 1]);
    const bothForeign = mixForeign({
      silos: [silo('a', [0]), silo('b', [4])],
      into: ['a', 'b'],
      amount: { count: 1 },
      foreign: FOREIGN,
      key: seedKey('manifest'),
    });
    expect(partitionManifest(SOURCE, bothForeign).disjoint).toBe(true);
  });

  it('refuses two silos of one name', () => {
    expect(() => partitionManifest(SOURCE, [silo('a', [0]), silo('a', [1])])).toThrow(SpecError);
  });
});
