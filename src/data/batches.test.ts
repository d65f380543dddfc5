import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { imageExamples } from './batches.ts';
import type { ImageSet } from './image-set.ts';

const SET: ImageSet = {
  name: 'two',
  shape: { channels: 1, height: 1, width: 3 },
  images: Uint8Array.of(0, 51, 255, 1, 2, 3),
  labels: Uint8Array.of(0, 1),
};

describe('examples read from images', () => {
  it('are bytes over 255, in the order of the rows', () => {
    const examples = imageExamples(SET);
    expect([examples.count, examples.size]).toEqual([2, 3]);
    const out = new Float32Array(10).fill(-1);
    examples.read([1, 0, 1], out);
    const f = Math.fround;
    expect([...out]).toEqual([
      f(1 / 255),
      f(2 / 255),
      f(3 / 255),
      0,
      f(0.2),
      1,
      f(1 / 255),
      f(2 / 255),
      f(3 / 255),
      -1,
    ]);
  });

  it('are refused outside of the set, or where they do not fit', () => {
    const examples = imageExamples(SET);
    expect(() => examples.read([2], new Float32Array(3))).toThrow(ShapeError);
    expect(() => examples.read([-1], new Float32Array(3))).toThrow(/outside/);
    expect(() => examples.read([0, 1], new Float32Array(5))).toThrow(/do not fit/);
    expect(() => imageExamples({ ...SET, labels: Uint8Array.of(0) })).toThrow(ShapeError);
  });
});
