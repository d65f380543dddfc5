// Resizing, channels and ranges by hand.

import { describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { imagePreparation, prepareImages } from './image-preparation.ts';

const PLAIN = { mean: 0, std: 1 };
const grey = (height: number, width: number): ImageShape => ({ channels: 1, height, width });

function prepared(image: readonly number[], from: ImageShape, to: ImageShape, normalisation = PLAIN): number[] {
  const out = new Float32Array(pixelCount(to) + 1).fill(-9);
  imagePreparation(from, to, normalisation)(Float32Array.from(image), out, 1);
  expect(out[0]).toBe(-9);
  return [...out.subarray(1)];
}

describe('images for a foreign network', () => {
  it('are resized as PyTorch does it: pixel centres at halves, borders repeated', () => {
    // torch.nn.functional.interpolate(..., mode='bilinear', align_corners=False) of [0, 1] to 4: 0, 0.25, 0.75, 1
    expect(prepared([0, 1], grey(1, 2), grey(1, 4))).toEqual([0, 0.25, 0.75, 1]);
    expect(prepared([0, 1, 2, 3], grey(1, 4), grey(1, 2))).toEqual([0.5, 2.5]);
    expect(prepared([0, 1, 2, 3, 4, 5], grey(1, 6), grey(1, 2))).toEqual([1, 4]); // without smoothing first
    const square = prepared([0, 1, 2, 3], grey(2, 2), grey(4, 4));
    expect(square.slice(0, 8)).toEqual([0, 0.25, 0.75, 1, 0.5, 0.75, 1.25, 1.5]);
    expect(square.slice(12)).toEqual([2, 2.25, 2.75, 3]);
  });

  it('stay as they are where the size does, but for mean and std of each channel', () => {
    const image = [0, 0.25, 0.5, 1];
    expect(prepared(image, grey(2, 2), grey(2, 2))).toEqual(image);
    expect(prepared(image, grey(2, 2), grey(2, 2), { mean: 0.5, std: 0.5 })).toEqual([-1, -0.5, 0, 1]);
  });

  it('have one channel repeated three times, or three of their own', () => {
    const three = { channels: 3, height: 1, width: 1 };
    const out = new Float32Array(3);
    imagePreparation(grey(1, 1), three, { mean: [0, 1, 2], std: [1, 1, 2] })(Float32Array.of(4), out, 0);
    expect([...out]).toEqual([4, 3, 1]);
    expect(prepared([1, 2, 3], three, three)).toEqual([1, 2, 3]);
    const wide = { channels: 3, height: 1, width: 2 };
    expect(prepared([0, 1, 2, 4, 6, 9], wide, three)).toEqual([0.5, 3, 7.5]);
  });

  it('are prepared one after another', () => {
    const [from, to] = [grey(1, 1), { channels: 3, height: 1, width: 1 }];
    const out = prepareImages(Float32Array.of(1, 2), imagePreparation(from, to, PLAIN), { from, to });
    expect([...out]).toEqual([1, 1, 1, 2, 2, 2]);
  });

  it('are refused where channels or normalisation do not fit', () => {
    const three = { channels: 3, height: 2, width: 2 };
    expect(() => imagePreparation(three, grey(2, 2), PLAIN)).toThrow(SpecError);
    expect(() => imagePreparation(three, grey(2, 2), PLAIN)).toThrow(/takes 1 channel.*have 3/);
    expect(() => imagePreparation(three, three, { mean: [0, 0], std: 1 })).toThrow(/one mean, or 3.*\[0, 0\]/);
    expect(() => imagePreparation(three, three, { mean: 0, std: [1, 0, 1] })).toThrow(/std must not be 0/);
  });
});
