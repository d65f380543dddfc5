import { describe, expect, it } from 'vitest';
import { reproduction } from './outlier-reproduction.ts';

// One number an image: typical ones near 0, foreign ones near 10.
const FOREIGN = Float32Array.of(10, 11, 12, 13);
const TYPICAL = Float32Array.of(0, 1, 2, 3);
const SYNTHETIC = Float32Array.of(5, 5.5, 0.9, 6);
const judge = (reconstructions: Float32Array, synthetic = SYNTHETIC, first = 0) =>
  reproduction({ reconstructions, own: FOREIGN, first, other: TYPICAL, synthetic, dim: 1 });

describe('reproduction of foreign images', () => {
  it('is complete, and recognises each image, where reconstructions are copies', () => {
    const found = judge(FOREIGN);
    expect(found.reproduced.share).toBe(1);
    expect(found.recognised.share).toBe(1);
    expect(found.nearest.own.share).toBe(1);
    expect(found.references).toEqual({ own: 4, other: 4, synthetic: 4 });
  });

  it('is none where everything becomes the mean typical image', () => {
    const found = judge(new Float32Array(4).fill(1.6));
    expect(found.reproduced.count).toBe(0);
    expect(found.reproduced.high).toBeCloseTo(1 - 0.025 ** (1 / 4), 12);
    expect(found.nearest.other.share).toBe(1);
    expect(found.recognised.count).toBe(1); // all are nearest to image 0, which is one of them
  });

  it('tells the kind from the image: foreign, but another one', () => {
    const found = judge(Float32Array.of(13, 12, 11, 10));
    expect([found.reproduced.count, found.recognised.count]).toEqual([4, 0]);
  });

  it('counts by hand: 9 is foreign, 1.1 typical, 5.1 and 0.91 synthetic', () => {
    const found = judge(Float32Array.of(9, 1.1, 5.1, 0.91));
    const { own, other, synthetic } = found.nearest;
    expect([own.count, other.count, synthetic.count]).toEqual([1, 1, 2]);
    expect(found.reproduced.count).toBe(1); // 5.1 is nearer to 3 than to 10
  });

  it('takes a copy for a real image, though a synthetic one is equal to it', () => {
    expect(judge(FOREIGN, FOREIGN).nearest.own.share).toBe(1);
  });

  it('recognises images that are further down among their kind', () => {
    const found = judge(Float32Array.of(12, 10), SYNTHETIC, 2);
    expect([found.recognised.count, found.recognised.of, found.references.own]).toEqual([1, 2, 4]);
  });

  it('refuses reconstructions of images that are not there', () => {
    expect(() => judge(new Float32Array(0))).toThrow(/one or more reconstructions/);
    expect(() => judge(Float32Array.of(1, 2), SYNTHETIC, 3)).toThrow(/among the 4 of their kind from row 3; got 2/);
  });
});
