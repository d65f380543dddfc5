// Reconstruction errors by hand.

import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { reconstructionError } from './reconstruction.ts';

describe('reconstructionError', () => {
  const images = Float32Array.of(0, 1, 0.5, 0.5, 1, 1); // three images of two pixels
  const reconstructions = Float32Array.of(0.5, 1, 0.5, 0.5, 0, 0);

  it('averages squares over pixels, images and classes', () => {
    // Sums of squares: 0.25, 0 and 2.
    const error = reconstructionError({ images, reconstructions, labels: [0, 2, 2], classes: 4 });
    expect(error).toMatchObject({ count: 3, perImage: 0.75, perPixel: 0.375 });
    expect(error.perClass).toEqual([
      { count: 1, perImage: 0.25, perPixel: 0.125 },
      null,
      { count: 2, perImage: 1, perPixel: 0.5 },
      null,
    ]);
  });

  it('reads bytes as 0 to 1, on either side', () => {
    const bytes = Uint8Array.of(0, 255, 51, 102);
    const floats = Float32Array.of(0, 1, 0.2, 0.4);
    expect(
      reconstructionError({ images: bytes, reconstructions: floats, labels: [0, 1], classes: 2 }).perPixel,
    ).toBeCloseTo(0, 12);
    expect(
      reconstructionError({ images: floats, reconstructions: bytes, labels: [0, 1], classes: 2 }).perPixel,
    ).toBeCloseTo(0, 12);
  });

  it('is zero for perfect reconstructions and not a number for broken ones', () => {
    const labels = [0, 0, 1];
    expect(reconstructionError({ images, reconstructions: images, labels, classes: 2 }).perPixel).toBe(0);
    const broken = reconstructions.map(() => Number.NaN);
    expect(reconstructionError({ images, reconstructions: broken, labels, classes: 2 }).perPixel).toBeNaN();
  });

  it('refuses sizes and labels that do not fit', () => {
    const labels = [0, 0, 0];
    expect(() => reconstructionError({ images, reconstructions: images.subarray(2), labels, classes: 1 })).toThrow(
      ShapeError,
    );
    expect(() => reconstructionError({ images, reconstructions, labels: [0, 0, 0, 0], classes: 1 })).toThrow(
      ShapeError,
    );
    expect(() => reconstructionError({ images, reconstructions, labels: [], classes: 1 })).toThrow(ShapeError);
    expect(() => reconstructionError({ images, reconstructions, labels: [0, 0, 1], classes: 1 })).toThrow(/label 1/);
  });
});
