import { describe, expect, it } from 'vitest';
import {
  allocate,
  type ArraySpec,
  checkFits,
  type DType,
  flattenTree,
  float32,
  isSpec,
  mapTree,
  sizeOf,
  uint32,
} from './array-spec.ts';

describe('array specs', () => {
  it('count elements; a scalar has one', () => {
    expect(sizeOf(float32(2, 3))).toBe(6);
    expect(sizeOf(uint32())).toBe(1);
    expect(sizeOf(float32(3, 0))).toBe(0);
  });

  it.each<[DType, string]>([
    ['float32', 'Float32Array'],
    ['float64', 'Float64Array'],
    ['int32', 'Int32Array'],
    ['uint32', 'Uint32Array'],
    ['bool', 'Uint8Array'],
  ])('%s lives in a %s', (dtype, name) => {
    const array = allocate({ shape: [2, 2], dtype });
    expect(array.constructor.name).toBe(name);
    expect(() => checkFits(array, { name: 'a', shape: [4], dtype })).not.toThrow();
  });

  it('name what does not fit', () => {
    const wanted = { name: 'parameters.bias', ...float32(2, 2) };
    expect(() => checkFits(undefined, wanted)).toThrow(
      "'parameters.bias' is missing; expected float32[2, 2] (4 elements)",
    );
    expect(() => checkFits(new Float32Array(3), wanted)).toThrow(
      /should be float32\[2, 2\].*Float32Array of 3 elements/,
    );
    expect(() => checkFits(new Int32Array(4), wanted)).toThrow(/Int32Array of 4 elements/);
  });
});

describe('trees', () => {
  const tree = { b: { weight: float32(2), bias: float32(1) }, a: uint32(3) };

  it('flatten in the order of their keys as written, with paths', () => {
    const names = flattenTree<ArraySpec>(tree, isSpec).map(({ name }) => name);
    expect(names).toEqual(['b.weight', 'b.bias', 'a']);
    expect(flattenTree<ArraySpec>(float32(2), isSpec)).toEqual([{ name: 'value', leaf: float32(2) }]);
  });

  it('map leaf by leaf', () => {
    expect(mapTree<ArraySpec, number>(tree, isSpec, sizeOf)).toEqual({ b: { weight: 2, bias: 1 }, a: 3 });
  });
});
