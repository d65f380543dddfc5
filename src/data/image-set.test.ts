import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { classCounts, type ImageSet, imageSetHash, selectImages } from './image-set.ts';

const SET: ImageSet = {
  name: 'three',
  shape: { channels: 1, height: 1, width: 2 },
  images: Uint8Array.of(1, 2, 3, 4, 5, 6),
  labels: Uint8Array.of(7, 7, 2),
};

describe('an image set', () => {
  it('gives the chosen rows in the chosen order, as copies', () => {
    const chosen = selectImages(SET, [2, 0], 'two');
    expect(chosen).toEqual({ ...SET, name: 'two', images: Uint8Array.of(5, 6, 1, 2), labels: Uint8Array.of(2, 7) });
    chosen.images[0] = 99;
    expect(SET.images[4]).toBe(5);
  });

  it('refuses rows that it has not', () => {
    expect(() => selectImages(SET, [3])).toThrow(ShapeError);
    expect(() => selectImages(SET, [-1])).toThrow(/outside/);
  });

  it('counts the classes that occur', () => {
    expect(classCounts(SET.labels)).toEqual([
      { label: 2, count: 1 },
      { label: 7, count: 2 },
    ]);
    expect(classCounts([])).toEqual([]);
    expect(() => classCounts([256])).toThrow(ShapeError);
    expect(() => classCounts([-1])).toThrow(/Label -1/);
  });

  it('has a hash that other tools can repeat', () => {
    // printf 'align-fl/images:3x1x1x2:\x07\x07\x02\x01\x02\x03\x04\x05\x06' | sha256sum
    expect(imageSetHash(SET)).toBe('3872a1ae8034f5274e567e466adf4cb7b2d00e32ab3b26482425c9d39a6d4af9');
  });

  it('has another hash for another shape, order or label, not for another name', () => {
    const hash = imageSetHash(SET);
    expect(imageSetHash({ ...SET, name: 'other' })).toBe(hash);
    expect(imageSetHash({ ...SET, shape: { channels: 1, height: 2, width: 1 } })).not.toBe(hash);
    expect(imageSetHash({ ...SET, labels: Uint8Array.of(7, 2, 7) })).not.toBe(hash);
    expect(imageSetHash(selectImages(SET, [1, 0, 2]))).not.toBe(hash);
  });
});
