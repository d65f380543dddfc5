// The controls on made-up images: which they are, and that all are scored alike.

import { describe, expect, it } from 'vitest';
import { type ImageSet, selectImages } from '../data/image-set.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { probeControls } from './controls.ts';
import { probeCodes } from './probe.ts';

const key = seedKey('controls');
const COUNT = 200;

/** 6x6 images: a bright row that tells the class, under noise. */
const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 6);
const noise = normals(childKey(key, 'noise'), COUNT * 36);
const images: ImageSet = {
  name: 'rows/test',
  shape: { channels: 1, height: 6, width: 6 },
  images: Uint8Array.from(noise, (value, at) => {
    const row = Math.floor((at % 36) / 6);
    return Math.min(255, Math.max(0, 60 * value + (row === labels[Math.floor(at / 36)] ? 150 : 0)));
  }),
  labels,
};

describe('probeControls', () => {
  const codes = Float32Array.from(images.images, (byte) => byte / 255);
  const controls = [
    ...probeControls({
      images,
      classes: 6,
      key,
      seeds: 3,
      others: [{ name: 'untrained encoder', codes, dim: 36 }],
    }),
  ];
  const [raw, pca16, pca2, untrained] = controls.map(({ probe }) => probe);

  it('lists pixels, components and the caller\u2019s own by name', () => {
    expect(controls.map(({ name }) => name)).toEqual(['raw pixels', 'PCA-16', 'PCA-2', 'untrained encoder']);
  });

  it('scores all on the same splits', () => {
    expect(untrained?.paper).toEqual(raw?.paper); // the same numbers under another name
    expect(untrained?.all).toEqual(probeCodes({ codes, dim: 36, labels, classes: 6, key, seeds: 3 }).all);
  });

  it('splits all images once for the raw pixels unless told otherwise', () => {
    expect([raw, pca16, pca2].map((probe) => probe?.all.splits)).toEqual([1, 3, 3]);
    expect([raw, pca16, pca2].map((probe) => probe?.paper?.splits)).toEqual([3, 3, 3]);
  });

  it('leaves out components of which there are not enough', () => {
    const few = selectImages(
      images,
      Array.from({ length: 15 }, (_, row) => row),
    );
    const names = [...probeControls({ images: few, classes: 6, key, seeds: 1 })].map(({ name }) => name);
    expect(names).toEqual(['raw pixels', 'PCA-2']);
  });

  it('ranks them as the classes need: six rows do not fit into two numbers', () => {
    expect(pca16?.all.accuracy.mean).toBeGreaterThan(0.9);
    expect(pca2?.all.accuracy.mean).toBeLessThan(0.8);
  });
});
