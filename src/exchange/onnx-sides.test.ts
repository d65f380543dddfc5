import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { floats, node } from '../../test/hand-made-decoder.ts';
import { constantsOf } from './onnx-constants.ts';
import { convolvedSide, reshaped } from './onnx-sides.ts';

describe('a reshape keeps images apart', () => {
  test.each<readonly [readonly (number | null)[], readonly number[], readonly (number | null)[] | null]>([
    [
      [null, 12],
      [-1, 3, 2, 2],
      [null, 3, 2, 2],
    ],
    [
      [null, 12],
      [0, 3, 4],
      [null, 3, 4],
    ],
    [
      [null, 3, 4],
      [0, -1],
      [null, 12],
    ],
    [
      [5, 3, 4],
      [5, -1],
      [5, 12],
    ],
    [
      [null, 3, 4],
      [0, 0, 2, -1],
      [null, 3, 2, 2],
    ],
    [[null, 12], [-1, 24], null], // two images in a row
    [[null, 12], [1, -1], null],
    [[4, 12], [2, -1], null],
    [[null, null], [-1, 12], null], // an image of unknown size
    [[null, 12], [], null],
  ])('%j to %j', (sides, wanted, expected) => {
    expect(reshaped({ sides, parts: 1 }, wanted)).toEqual(expected && { sides: expected, parts: 1 });
  });

  test('or their parts, as many of each', () => {
    const whole = { sides: [null, 12], parts: 1 };
    const halves = { sides: [null, 6], parts: 2 };
    expect(reshaped(whole, [-1, 6])).toEqual(halves);
    expect(reshaped(halves, [-1, 12])).toEqual(whole);
    expect(reshaped(halves, [-1, 2, 6])).toEqual({ sides: [null, 2, 6], parts: 1 });
    expect(reshaped(halves, [0, 3, 2])).toEqual({ sides: [null, 3, 2], parts: 2 });
    expect(reshaped(halves, [-1, 4])).toEqual({ sides: [null, 4], parts: 3 }); // across the halves
    expect(reshaped(halves, [-1, 24])).toBeNull(); // across images
    expect(reshaped(halves, [-1, 5])).toBeNull();
    expect(reshaped({ sides: [8, 6], parts: 2 }, [-1, 3])).toEqual({ sides: [16, 3], parts: 4 });
    expect(reshaped({ sides: [8, 6], parts: 2 }, [4, 12])).toBeNull(); // may be told so by a file for one batch alone
  });
});

test('sides after convolutions are those of PyTorch', () => {
  // Conv2d(k=3, stride=2, padding=1, dilation=2) takes 28 to 13; ConvTranspose2d(k=4, stride=2, padding=1) 7 to 14, and with
  // output_padding=1 to 15.
  expect(convolvedSide(28, { span: 5, stride: 2, padding: 2, added: 0, isTransposed: false })).toBe(13);
  expect(convolvedSide(7, { span: 4, stride: 2, padding: 2, added: 0, isTransposed: true })).toBe(14);
  expect(convolvedSide(7, { span: 4, stride: 2, padding: 2, added: 1, isTransposed: true })).toBe(15);
  expect(convolvedSide(null, { span: 4, stride: 2, padding: 2, added: 0, isTransposed: true })).toBeNull();
});

test('an empty constant is not moved about, however long its other sides are', () => {
  const graph = create(GraphProtoSchema, {
    initializer: [floats('none', [0, 2 ** 20], new Float32Array())],
    node: [node('Transpose', ['none'], ['turned'])],
  });
  expect(constantsOf(graph)('turned')).toBeNull();
});
