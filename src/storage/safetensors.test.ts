import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlignError, StateError } from '../errors.ts';
import { decodeSafetensors, encodeSafetensors, type Tensor } from './safetensors.ts';

// python3 -c 'import numpy as np; from safetensors.numpy import save; print(save({
//   "bias": np.array([1.5, -2.0], dtype=np.float32), "steps": np.array(7, dtype=np.uint32),
//   "mask": np.array([[1], [0], [255]], dtype=np.uint8)}, metadata={"step": "7"}).hex())'    (safetensors 0.8.0)
const REFERENCE = Buffer.from(
  'd0000000000000007b225f5f6d657461646174615f5f223a7b2273746570223a2237227d2c2262696173223a7b226474797065223a22463332222c' +
    '227368617065223a5b325d2c22646174615f6f666673657473223a5b302c385d7d2c227374657073223a7b226474797065223a22553332222c2273' +
    '68617065223a5b5d2c22646174615f6f666673657473223a5b382c31325d7d2c226d61736b223a7b226474797065223a225538222c227368617065' +
    '223a5b332c315d2c22646174615f6f666673657473223a5b31322c31355d7d7d202020202020200000c03f000000c0070000000100ff',
  'hex',
);
const tensors: Readonly<Record<string, Tensor>> = {
  mask: { dtype: 'U8', shape: [3, 1], data: Uint8Array.of(1, 0, 255) },
  steps: { dtype: 'U32', shape: [], data: Uint32Array.of(7) },
  bias: { dtype: 'F32', shape: [2], data: Float32Array.of(1.5, -2) },
};

/** A file with this header and `dataBytes` zeros. */
function fileOf(header: string, dataBytes = 0, claimedBytes?: bigint): Uint8Array {
  const json = Buffer.from(header);
  const out = Buffer.alloc(8 + json.length + dataBytes);
  out.writeBigUInt64LE(claimedBytes ?? BigInt(json.length));
  out.set(json, 8);
  return out;
}

describe('encodeSafetensors', () => {
  it('writes the very bytes that the reference implementation writes', () => {
    expect(Buffer.from(encodeSafetensors(tensors, { step: '7' })).toString('hex')).toBe(REFERENCE.toString('hex'));
  });

  it('does not depend on the order of insertion', () => {
    const reversed = Object.fromEntries(Object.entries(tensors).reverse());
    expect(encodeSafetensors(reversed)).toEqual(encodeSafetensors(tensors));
  });

  it('writes the part of a buffer that a view shows', () => {
    const data = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const back = decodeSafetensors(encodeSafetensors({ v: { dtype: 'F32', shape: [2], data } }));
    expect(back.tensors['v']?.data).toEqual(Float32Array.of(1, 2));
  });

  it('refuses a shape that does not fit, a type that is another, and the reserved name', () => {
    const data = Float32Array.of(1, 2);
    expect(() => encodeSafetensors({ v: { dtype: 'F32', shape: [3], data } })).toThrow(/shape \[3\]/);
    expect(() => encodeSafetensors({ v: { dtype: 'U32', shape: [2], data } as never })).toThrow(StateError);
    expect(() => encodeSafetensors({ __metadata__: { dtype: 'F32', shape: [2], data } })).toThrow(StateError);
  });
});

describe('decodeSafetensors', () => {
  it('reads the file of the reference implementation', () => {
    const file = decodeSafetensors(REFERENCE);
    expect(file.metadata).toEqual({ step: '7' });
    expect(file.tensors).toEqual(tensors);
  });

  it('reads a file of nothing', () => {
    expect(decodeSafetensors(encodeSafetensors({}))).toEqual({ tensors: {}, metadata: {} });
  });

  it('reads from an unaligned place, into arrays of their own', () => {
    const shifted = new Uint8Array(REFERENCE.length + 1);
    shifted.set(REFERENCE, 1);
    const file = decodeSafetensors(shifted.subarray(1));
    shifted.fill(0);
    expect(file.tensors).toEqual(tensors);
  });

  it('returns what was encoded, bit by bit, for any names, types, shapes and values', () => {
    fc.assert(
      fc.property(fc.dictionary(anyName, anyTensor), fc.dictionary(fc.string(), fc.string()), (all, metadata) => {
        const file = decodeSafetensors(encodeSafetensors(all, metadata));
        expect(Object.keys(file.tensors).sort()).toEqual(Object.keys(all).sort());
        for (const [name, tensor] of Object.entries(all)) {
          expect(file.tensors[name]?.shape).toEqual(tensor.shape);
          expect(file.tensors[name]?.dtype).toBe(tensor.dtype);
          expect(bitsOf(file.tensors[name])).toBe(bitsOf(tensor));
        }
        expect(new Map(Object.entries(file.metadata))).toEqual(new Map(Object.entries(metadata)));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('refuses every truncation', () => {
    for (let length = 0; length < REFERENCE.length; length++) {
      expect(() => decodeSafetensors(REFERENCE.subarray(0, length)), `${length} bytes`).toThrow(StateError);
    }
  });

  it('refuses bytes at the end that belong to nothing', () => {
    expect(() => decodeSafetensors(Buffer.concat([REFERENCE, Buffer.of(0)]))).toThrow(/belong to nothing/);
  });

  it('answers mutated and made-up bytes with a StateError or a consistent file, and with nothing else', () => {
    const mutation = fc.array(fc.tuple(fc.nat(REFERENCE.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    const mutated = mutation.map((changes) => {
      const bytes = Uint8Array.from(REFERENCE);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
    const madeUp = fc.json({ maxDepth: 4 }).map((json) => fileOf(json, 16));
    fc.assert(
      fc.property(fc.oneof(mutated, madeUp, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        try {
          for (const { shape, data } of Object.values(decodeSafetensors(bytes).tensors)) {
            expect(shape.reduce((a, b) => a * b, 1)).toBe(data.length);
          }
        } catch (error) {
          if (!(error instanceof AlignError)) throw error;
          expect(error).toBeInstanceOf(StateError);
        }
      }),
      { seed: 2, numRuns: 3000 },
    );
  });

  it.each([
    ['a header beyond the limit', fileOf('{}', 0, 2n ** 63n), /claims a header/],
    ['a header beyond the file', fileOf('{}', 0, 1000n), /cut off/],
    ['a header that is an array', fileOf('[]'), /begin with/],
    ['a header that is no JSON', fileOf('{'), /not valid JSON/],
    ['a null entry', fileOf('{"a":null}'), /no object/],
    ['an unknown type', fileOf('{"a":{"dtype":"F99","shape":[],"data_offsets":[0,0]}}'), /type "F99"/],
    [
      'a type from the prototype',
      fileOf('{"a":{"dtype":"toString","shape":[],"data_offsets":[0,0]}}'),
      /type "toString"/,
    ],
    ['a negative size', fileOf('{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}'), /shape/],
    ['a fractional size', fileOf('{"a":{"dtype":"U8","shape":[0.5],"data_offsets":[0,0]}}'), /shape/],
    [
      'an overflowing shape',
      fileOf('{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
      /needs/,
    ],
    [
      'a shape of too many axes',
      fileOf('{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}', 1),
      /shape/,
    ],
    ['offsets that run backward', fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[2,1]}}', 2), /takes -1/],
    ['a gap', fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2), /gap/],
    [
      'an overlap',
      fileOf(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        3,
      ),
      /overlap/,
    ],
    ['data beyond the end', fileOf('{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}', 3), /cut off/],
    ['metadata that are no text', fileOf('{"__metadata__":{"a":1}}'), /not all text/],
    ['an unknown field', fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}'), /unknown fields/],
    [
      'a type nested a hundred thousand deep',
      fileOf(`{"a":{"dtype":${'['.repeat(1e5)}${']'.repeat(1e5)},"shape":[],"data_offsets":[0,0]}}`),
      /known are/,
    ],
    ['a header nested a hundred thousand deep', fileOf(`{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`), StateError],
  ])('refuses %s', (_, bytes, expected) => {
    expect(() => decodeSafetensors(bytes)).toThrow(expected);
    expect(() => decodeSafetensors(bytes)).toThrow(StateError);
  });

  it('keeps to the limits that the caller sets', () => {
    expect(() => decodeSafetensors(REFERENCE, { maxHeaderBytes: 100 })).toThrow(/at most 100/);
    expect(() => decodeSafetensors(REFERENCE, { maxDataBytes: 14 })).toThrow(/at most 14/);
    expect(() => decodeSafetensors(REFERENCE, { maxTensors: 2 })).toThrow(/at most 2/);
    expect(decodeSafetensors(REFERENCE, { maxDataBytes: 15, maxTensors: 3 }).tensors).toEqual(tensors);
  });
});

function bitsOf(tensor: Tensor | undefined): string | undefined {
  return tensor && Buffer.from(tensor.data.buffer).toString('hex');
}

const anyName = fc.oneof(fc.string(), fc.constantFrom('7', '0', '__proto__', 'constructor', 'é', '\ud800'));
const anyShape = fc.array(fc.nat(3), { maxLength: 4 });
const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(anyShape, fc.constantFrom('I64', 'F64', 'F32', 'U32', 'I32', 'U8'), fc.infiniteStream(fc.nat(255)))
  .map(([shape, dtype, stream]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const Type = {
      I64: BigInt64Array,
      F64: Float64Array,
      F32: Float32Array,
      U32: Uint32Array,
      I32: Int32Array,
      U8: Uint8Array,
    }[dtype];
    const bytes = Uint8Array.from({ length: count * Type.BYTES_PER_ELEMENT }, () => stream.next().value ?? 0);
    return { dtype, shape, data: new Type(bytes.buffer) } as Tensor;
  });
