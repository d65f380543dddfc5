import { numpy as np } from '@jax-js/jax';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { float32, sizeOf } from './array-spec.ts';
import { type Engine, openEngine } from './engine.ts';
import { childKey, normals, seedKey } from './keys.ts';
import { lower } from './lower.ts';
import { trace } from './trace.ts';

// jax-js 0.1.25's WebAssembly backend gets some of these wrong, so loops in float64 are the twin here.

const KEY = seedKey('outer product');
const [B, I, O] = [3, 4, 5];
const X = normals(childKey(KEY, 'x'), B * I);
const W = normals(childKey(KEY, 'w'), I * O);
const SPECS = { x: float32(B, I), w: float32(I, O) };
const x = (b: number, i: number) => X[b * I + i] as number;
const w = (i: number, o: number) => W[i * O + o] as number;

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

type Traced = (inputs: { x: np.Array; w: np.Array }) => np.Array;

/** x and w as the dot over an axis of length one: [B, I, O]. */
function outer({ x: left, w: right }: { x: np.Array; w: np.Array }): np.Array {
  return np.vecdot(left.reshape([B, I, 1, 1]), right.reshape([1, I, O, 1]));
}

async function evaluated(f: Traced): Promise<Float32Array> {
  const program = await engine.compile('outer', f as never, SPECS);
  const value = new Float32Array(sizeOf(program.outputs[0]!));
  await program.bind({ x: X, w: W }, { value })();
  return value;
}

function operatorsOf(f: Traced): string[] {
  const { bytes } = lower(trace('outer', f as never, SPECS));
  return fromBinary(ModelProtoSchema, bytes).graph!.node.map(({ opType }) => opType);
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const sum = (count: number, term: (i: number) => number) => range(count).reduce((total, i) => total + term(i), 0);

const CASES: Readonly<Record<string, { readonly f: Traced; readonly wanted: number[] }>> = {
  'over the shared axis': {
    f: (inputs) => outer(inputs).sum(1),
    wanted: range(B).flatMap((b) => range(O).map((o) => sum(I, (i) => x(b, i) * w(i, o)))),
  },
  'over the shared axis, transposed': {
    f: (inputs) => outer(inputs).transpose([2, 1, 0]).sum(1),
    wanted: range(O).flatMap((o) => range(B).map((b) => sum(I, (i) => x(b, i) * w(i, o)))),
  },
  "over the left's axis": {
    f: (inputs) => outer(inputs).sum(0),
    wanted: range(I).flatMap((i) => range(O).map((o) => sum(B, (b) => x(b, i)) * w(i, o))),
  },
  'over two axes': {
    f: (inputs) => outer(inputs).sum([1, 2]),
    wanted: range(B).map((b) => sum(I, (i) => x(b, i) * sum(O, (o) => w(i, o)))),
  },
  'over the shared axis and one of length one': {
    f: (inputs) => outer(inputs).reshape([B, 1, I, O]).sum([1, 2]),
    wanted: range(B).flatMap((b) => range(O).map((o) => sum(I, (i) => x(b, i) * w(i, o)))),
  },
  'over no axis': {
    f: outer,
    wanted: range(B).flatMap((b) => range(I).flatMap((i) => range(O).map((o) => x(b, i) * w(i, o)))),
  },
  'over one axis, and read whole as well': {
    f: (inputs) => {
      const product = outer(inputs);
      return product.ref.sum(1).reshape([B, 1, O]).add(product);
    },
    wanted: range(B).flatMap((b) =>
      range(I).flatMap((i) => range(O).map((o) => sum(I, (k) => x(b, k) * w(k, o)) + x(b, i) * w(i, o))),
    ),
  },
};

describe.each(Object.entries(CASES))('the sum of an outer product %s', (name, { f, wanted }) => {
  test('is what loops give', async () => {
    const found = await evaluated(f);
    expect(found.length).toBe(wanted.length);
    for (const [i, value] of wanted.entries()) expect(found[i], name).toBeCloseTo(value, 4);
  });
});

test('a sum over the shared axis is one matrix product: nothing of [B, I, O] is written out', () => {
  expect(operatorsOf(CASES['over the shared axis']!.f).filter((operator) => operator !== 'Reshape')).toEqual(['Gemm']);
  expect(operatorsOf(CASES['over no axis']!.f)).toContain('Mul');
});
