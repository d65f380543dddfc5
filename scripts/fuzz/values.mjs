// Extreme values that broke programs before, and where to put them in a tensor.

import { create } from '@bufbuild/protobuf';
import { TensorProto_DataType, TensorProtoSchema } from 'onnx-buf';

/** @typedef {import('./random.mjs').Random} Random */

export const INTEGERS = /** @type {readonly bigint[]} */ ([
  ...[0n, 1n, -1n, 2n, 3n, 7n, 8n, 64n, 255n, 1000n, 65_536n, 65_537n, 2n ** 20n, 2n ** 24n, 2n ** 31n - 1n, 2n ** 31n],
  ...[2n ** 32n, 2n ** 33n, 2n ** 40n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, -2n, -7n, -(2n ** 31n), -(2n ** 63n)],
]);

export const FLOATS = [0, -0, 1, -1, 0.5, 1e-45, 1e-38, 1e38, 3.4e38, -3.4e38, Infinity, -Infinity, NaN, 2 ** 31, 1e9];

export const TEXTS = [
  '',
  'z',
  'x',
  'class',
  '\u0000',
  '\uFFFD',
  'a'.repeat(5000),
  '../../etc/passwd',
  'Loop',
  'com.microsoft',
];

/**
 * A tensor of whole numbers.
 * @param {string} name
 * @param {readonly bigint[]} values
 */
export function wholeNumbers(name, values) {
  return create(TensorProtoSchema, {
    name,
    dims: [BigInt(values.length)],
    dataType: TensorProto_DataType.INT64,
    int64Data: [...values],
  });
}

/**
 * A tensor of float32 numbers in one row.
 * @param {string} name
 * @param {readonly number[]} values
 */
export function realNumbers(name, values) {
  return create(TensorProtoSchema, {
    name,
    dims: [BigInt(values.length)],
    dataType: TensorProto_DataType.FLOAT,
    floatData: [...values],
  });
}

/**
 * Changes some numbers of a tensor where they stand.
 * @param {Random} random
 * @param {import('onnx-buf').TensorProto} tensor
 */
export function spoilNumbers(random, tensor) {
  const { rawData, dataType, int64Data, floatData, int32Data } = tensor;
  const times = 1 + random.below(4);
  for (let i = 0; i < times; i++) {
    if (int64Data.length > 0) int64Data[random.below(int64Data.length)] = random.pick(INTEGERS);
    else if (floatData.length > 0) floatData[random.below(floatData.length)] = random.pick(FLOATS);
    else if (int32Data.length > 0) int32Data[random.below(int32Data.length)] = random.below(2 ** 31);
    else if (rawData.length >= 8) {
      const whole = dataType === TensorProto_DataType.INT64;
      tensor.rawData = rawData.slice();
      const view = new DataView(tensor.rawData.buffer, tensor.rawData.byteOffset, tensor.rawData.byteLength);
      const size = whole ? 8 : 4;
      const at = size * random.below(Math.floor(view.byteLength / size));
      if (whole) view.setBigInt64(at, BigInt.asIntN(64, random.pick(INTEGERS)), true);
      else view.setFloat32(at, random.pick(FLOATS), true);
    }
  }
}
