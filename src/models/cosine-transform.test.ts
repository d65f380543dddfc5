import { expect, test } from 'vitest';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { cosineBasis, cosineTransform } from './cosine-transform.ts';

const KEY = seedKey('cosine-transform');
const SHAPE = { channels: 2, height: 6, width: 4 };
const bytes = (name: string, count: number) =>
  Uint8Array.from(uniforms(childKey(KEY, name), count), (value) => Math.floor(256 * value));

test('the basis of two is sum and difference', () => {
  const root = Math.SQRT1_2;
  [root, root, root, -root].forEach((value, at) => expect(cosineBasis(2, 2)[at]).toBeCloseTo(value, 15));
});

test('with all frequencies lengths and distances stay what they are', () => {
  const images = bytes('whole', 3 * 48);
  const { coefficientsOf, size } = cosineTransform(SHAPE, 28);
  expect(size).toBe(48);
  const coefficients = coefficientsOf(images);
  const energy = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value * value, 0);
  expect(energy(coefficients.subarray(0, 48))).toBeCloseTo(energy(images.subarray(0, 48)) / 255 ** 2, 10);
});

test('each coefficient is the product with a row and a column of the basis', () => {
  const images = bytes('slow', 2 * 48);
  const { coefficientsOf, rows, columns, height, width, size } = cosineTransform(SHAPE, 3);
  expect([height, width, size]).toEqual([3, 3, 18]);
  const coefficients = coefficientsOf(images);
  for (const [image, channel, f, g] of [
    [0, 0, 0, 0],
    [0, 1, 2, 1],
    [1, 0, 1, 2],
    [1, 1, 0, 2],
  ] as const) {
    let expected = 0;
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 4; x++) {
        expected += (images[image * 48 + channel * 24 + y * 4 + x]! / 255) * rows[f * 6 + y]! * columns[g * 4 + x]!;
      }
    }
    expect(coefficients[image * 18 + channel * 9 + f * 3 + g]).toBeCloseTo(expected, 12);
  }
});

test('half an image is refused', () => {
  expect(() => cosineTransform(SHAPE, 3).coefficientsOf(new Uint8Array(24))).toThrow(ShapeError);
});
