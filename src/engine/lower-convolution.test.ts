import { fromBinary } from '@bufbuild/protobuf';
import { grad, lax, numpy as np } from '@jax-js/jax';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { draw, expectClose, expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { LoweringError } from '../errors.ts';
import { type ArraySpec, float32 } from './array-spec.ts';
import { lower, type LoweringOptions } from './lower.ts';
import { type ArrayFunction, trace } from './trace.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

/** `x [B, I, ...S]`, `w [O, I, ...K]`; what is left out is one, or zero for the padding. */
interface Convolution {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly strides?: readonly number[];
  readonly padding?: readonly (readonly [number, number])[];
  readonly lhsDilation?: readonly number[];
  readonly rhsDilation?: readonly number[];
}

const CASES: Readonly<Record<string, Convolution>> = {
  'a plain one': { x: [3, 2, 5, 4], w: [4, 2, 3, 2] },
  'one image, one channel': { x: [1, 1, 4, 4], w: [1, 1, 2, 2] },
  'a kernel of one element': { x: [3, 2, 4, 3], w: [5, 2, 1, 1] },
  'a kernel as large as the image': { x: [3, 2, 4, 3], w: [5, 2, 4, 3] },
  'three channels, zeros around': {
    x: [2, 3, 5, 5],
    w: [2, 3, 3, 3],
    padding: [
      [1, 1],
      [1, 1],
    ],
  },
  'the strided layer of the VAE': { x: [3, 1, 8, 8], w: [4, 1, 4, 4], strides: [2, 2], padding: both([1, 1]) },
  'a strided layer on odd images': { x: [2, 3, 7, 5], w: [4, 3, 4, 4], strides: [2, 2], padding: both([1, 1]) },
  'a stride that leaves pixels unread': { x: [2, 2, 8, 7], w: [3, 2, 2, 3], strides: [3, 3] },
  'strides that differ': { x: [2, 2, 6, 7], w: [3, 2, 3, 3], strides: [1, 2], padding: both([1, 1]) },
  'zeros on one side': {
    x: [2, 2, 5, 5],
    w: [3, 2, 3, 3],
    strides: [2, 2],
    padding: [
      [0, 2],
      [3, 0],
    ],
  },
  'elements cut off': {
    x: [2, 2, 7, 6],
    w: [3, 2, 3, 2],
    padding: [
      [-1, 1],
      [0, -2],
    ],
  },
  'a dilated kernel': { x: [2, 2, 7, 6], w: [3, 2, 3, 2], rhsDilation: [2, 3], padding: both([1, 1]) },
  'a dilated kernel with a stride': { x: [2, 1, 9, 8], w: [2, 1, 3, 2], rhsDilation: [2, 2], strides: [2, 3] },
  'the transposed layer of the VAE': { x: [3, 4, 4, 4], w: [1, 4, 4, 4], lhsDilation: [2, 2], padding: both([2, 2]) },
  'a transposed layer to three channels': {
    x: [2, 2, 3, 4],
    w: [3, 2, 4, 4],
    lhsDilation: [2, 2],
    padding: both([2, 2]),
  },
  'a transposed layer with output padding': {
    x: [2, 2, 3, 3],
    w: [3, 2, 3, 3],
    lhsDilation: [2, 2],
    padding: both([1, 2]),
  },
  'a transposed layer with a cut': { x: [2, 2, 3, 4], w: [2, 2, 3, 2], lhsDilation: [2, 3], padding: both([-1, 0]) },
  'a transposed layer with more zeros than its kernel': {
    x: [2, 2, 3, 2],
    w: [2, 2, 2, 2],
    lhsDilation: [2, 2],
    padding: both([3, 4]),
  },
  'a dilated input with a stride': {
    x: [2, 2, 4, 5],
    w: [3, 2, 3, 3],
    lhsDilation: [2, 3],
    strides: [3, 2],
    padding: both([2, 1]),
  },
  'input and kernel dilated': {
    x: [2, 2, 3, 4],
    w: [2, 2, 3, 2],
    lhsDilation: [3, 2],
    rhsDilation: [2, 3],
    padding: both([2, 3]),
  },
  'images of two by two': { x: [4, 2, 2, 2], w: [3, 2, 4, 4], strides: [2, 2], padding: both([1, 1]) },
  'one axis': { x: [3, 2, 9], w: [4, 2, 4], strides: [2], padding: [[1, 1]] },
  'one axis, transposed': { x: [3, 2, 4], w: [4, 2, 4], lhsDilation: [2], padding: [[2, 2]] },
  'three axes': { x: [2, 2, 3, 4, 3], w: [2, 2, 2, 2, 2], strides: [1, 2, 1], padding: [...both([1, 0]), [0, 1]] },
};

describe('a convolution and its gradients agree on both executors', () => {
  it.each(Object.entries(CASES))('%s', async (label, convolution) => {
    await expectTwins(twins, label, { f: gradients(convolution), specs: specsOf(convolution) }, TOLERANCE);
  });

  it('whatever its sizes, strides, paddings and dilations', async () => {
    const side = fc.integer({ min: 1, max: 5 });
    const step = fc.constantFrom(1, 1, 2, 3);
    const axis = fc
      .record({
        input: side,
        tap: fc.integer({ min: 1, max: 4 }),
        stride: step,
        lhs: step,
        rhs: step,
        before: fc.integer({ min: -1, max: 3 }),
        after: fc.integer({ min: -1, max: 3 }),
      })
      .filter((a) => (a.input - 1) * a.lhs + 1 + a.before + a.after >= (a.tap - 1) * a.rhs + 1)
      .filter((a) => a.input + Math.min(a.before, 0) + Math.min(a.after, 0) > 0);
    const any = fc.record({ b: side, i: side, o: side, axes: fc.array(axis, { minLength: 1, maxLength: 2 }) });
    await fc.assert(
      fc.asyncProperty(any, async ({ b, i, o, axes }) => {
        const convolution: Convolution = {
          x: [b, i, ...axes.map((a) => a.input)],
          w: [o, i, ...axes.map((a) => a.tap)],
          strides: axes.map((a) => a.stride),
          padding: axes.map((a) => [a.before, a.after] as const),
          lhsDilation: axes.map((a) => a.lhs),
          rhsDilation: axes.map((a) => a.rhs),
        };
        fc.pre(isTraceable(convolution));
        await expectTwins(twins, 'conv', { f: gradients(convolution), specs: specsOf(convolution) }, TOLERANCE);
      }),
      { seed: 11, numRuns: Number(process.env['RUNS'] ?? 25), verbose: 1 },
    );
  });

  it('when images come with their channels last in memory', async () => {
    const convolution: Convolution = { x: [3, 4, 5, 2], w: [3, 2, 3, 3], padding: both([1, 1]) };
    const inner = gradients({ ...convolution, x: [3, 2, 4, 5] });
    const f = ({ x, w }: Operands) => {
      const { y, forX, forW } = inner({ x: x.transpose([0, 3, 1, 2]), w });
      return { y: y.transpose([0, 2, 3, 1]), forX, forW };
    };
    await expectTwins(twins, 'channels last', { f, specs: specsOf(convolution) }, TOLERANCE);
  });

  it('in double precision', async () => {
    const convolution: Convolution = { x: [3, 2, 4, 4], w: [3, 2, 3, 3], strides: [2, 2], padding: both([1, 1]) };
    const f = ({ x, w }: Operands) => ({ y: convolve(convolution, x.astype(np.float64), w.astype(np.float64)) });
    const tolerance = { relative: 1e-12, absolute: 1e-12 };
    await expectTwins(twins, 'double', { f, specs: specsOf(convolution) }, tolerance);
  });

  it('when an operand is a broadcast', async () => {
    const convolution: Convolution = { x: [3, 2, 4, 4], w: [3, 2, 3, 3], strides: [2, 2], padding: both([1, 1]) };
    const inner = gradients(convolution);
    const f = ({ x, w }: Operands) => inner({ x: np.broadcastTo(x, [3, 2, 4, 4]), w: np.broadcastTo(w, [3, 2, 3, 3]) });
    await expectTwins(twins, 'broadcast', { f, specs: { x: float32(4, 4), w: float32(3, 1, 3, 1) } }, TOLERANCE);
  });
});

describe('a convolution by hand', () => {
  it('is a sum over a sliding window', async () => {
    const f = ({ x, w }: Operands) => ({ y: convolve({ x: [1, 1, 4], w: [1, 1, 2] }, x, w) });
    const inputs = { x: Float32Array.of(1, 2, 3, 4), w: Float32Array.of(10, 1) };
    const { y } = await runOn(twins.native, 'by hand', {
      f,
      specs: { x: float32(1, 1, 4), w: float32(1, 1, 2) },
      inputs,
    });
    expect([...(y as Float32Array)]).toEqual([12, 23, 34]);
  });

  it('is a matrix product over channels where the kernel has one element', async () => {
    const [x, w] = [float32(3, 2, 1, 1), float32(4, 2, 1, 1)];
    const f = (given: Operands) => {
      const product = np.matmul(given.x.ref.reshape([3, 2]), given.w.ref.reshape([4, 2]).transpose());
      return { product, y: convolve({ x: x.shape, w: w.shape }, given.x, given.w).reshape([3, 4]) };
    };
    const { y, product } = await runOn(twins.native, 'one element', { f, specs: { x, w } });
    expectClose('product', y as Float32Array, product);
  });

  // python3 -c "import torch; r = torch.arange; x = r(8.).view(1, 2, 2, 2); w = (r(32.) - 16).view(2, 1, 4, 4);
  // y = torch.nn.functional.conv_transpose2d(x, w, stride=2, padding=1); print(y.flatten().tolist())"
  it('gives what PyTorch gives for a transposed one', async () => {
    const convolution: Convolution = {
      x: [1, 2, 2, 2],
      w: [1, 2, 4, 4],
      lhsDilation: [2, 2],
      padding: both([2, 2]),
    };
    const f = ({ x, w }: Operands) => ({
      y: convolve(convolution, x, np.flip(w, [2, 3]).transpose([1, 0, 2, 3])),
    });
    const inputs = {
      x: Float32Array.from({ length: 8 }, (_, i) => i),
      w: Float32Array.from({ length: 32 }, (_, i) => i - 16),
    };
    const { y } = await runOn(twins.native, 'PyTorch', {
      f,
      specs: { x: float32(1, 2, 2, 2), w: float32(2, 1, 4, 4) },
      inputs,
    });
    expect([...(y as Float32Array)]).toEqual([20, 32, 42, 20, 12, 8, 36, 16, 60, 120, 148, 80, 40, 80, 98, 52]);
  });
});

describe('the graph of a convolution', () => {
  const strided: Convolution = { x: [4, 2, 8, 8], w: [3, 2, 4, 4], strides: [2, 2], padding: both([1, 1]) };
  const transposed: Convolution = { x: [4, 3, 4, 4], w: [2, 3, 4, 4], lhsDilation: [2, 2], padding: both([2, 2]) };

  it.each([
    ['strided', strided],
    ['transposed', transposed],
  ])('gathers once for a %s layer and its kernel, and once more for its input', (_, convolution) => {
    const operators = operatorsOf(gradients(convolution), specsOf(convolution));
    expect(operators.filter((name) => name === 'Gather')).toHaveLength(2);
    expect(operators.filter((name) => name === 'Gemm')).toHaveLength(3);
    expect(operators).not.toContain('Conv');
    expect(operators).not.toContain('ConvTranspose');
  });

  it('never transposes a whole batch between two layers', () => {
    const f = ({ x, w, v }: Operands & { v: np.Array }) => {
      const h = np.maximum(convolve(strided, x, w), 0);
      return { y: convolve({ x: [4, 3, 4, 4], w: [5, 3, 1, 1] }, h, v) };
    };
    const operators = operatorsOf(f, { ...specsOf(strided), v: float32(5, 3, 1, 1) });
    expect(operators.filter((name) => name === 'Transpose')).toHaveLength(2); // on the way in and out
  });

  it('is refused for whole numbers', () => {
    const f = ({ x, w }: Operands) => ({ y: lax.conv(x, w, [1], 'VALID') });
    expect(() => operatorsOf(f, { x: int32(1, 1, 4), w: int32(1, 1, 2) })).toThrow(
      /'conv' cannot be lowered for element type int32/,
    );
  });
});

describe('a convolution with a free batch axis', () => {
  const LENGTH = 101;
  const VIEWS = ['Slice', 'Transpose', 'Reshape']; // they turn the kernel round and name axes of length one

  it.each([
    ['Conv', CASES['the strided layer of the VAE']],
    ['ConvTranspose', CASES['the transposed layer of the VAE']],
  ] as const)('is one standard operator: %s', (operator, convolution) => {
    if (!convolution) throw new Error('no such case');
    const f = ({ x, w }: Operands) => ({ y: convolve(convolution, x, w) });
    const free = { ...convolution, x: [LENGTH, ...convolution.x.slice(1)] };
    const operators = operatorsOf(f, specsOf(free), { freeAxis: { name: 'n', length: LENGTH } });
    expect(operators.filter((name) => !VIEWS.includes(name))).toEqual([operator]);
  });

  it.each(Object.entries(CASES))('takes any batch: %s', async (label, convolution) => {
    const f = ({ x, w }: Operands) => ({ y: convolve(convolution, x, w) });
    const free = { ...convolution, x: [LENGTH, ...convolution.x.slice(1)] };
    const inputs = draw(specsOf(convolution));
    const model = lower(trace(label, f, specsOf(free)), { freeAxis: { name: 'n', length: LENGTH } });
    expect(namesIn(model.bytes)).not.toContain('Gather');
    const session = await InferenceSession.create(model.bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
    const { y } = await session.run({
      x: new Tensor('float32', inputs['x'] as Float32Array, convolution.x),
      w: new Tensor('float32', inputs['w'] as Float32Array, convolution.w),
    });
    const wanted = await runOn(twins.native, label, { f, specs: specsOf(convolution), inputs });
    expectClose(label, y?.data as Float32Array, wanted['y'], TOLERANCE);
    await session.release();
  });
});

function int32(...shape: readonly number[]): ArraySpec {
  return { shape, dtype: 'int32' };
}

type Operands = { x: np.Array; w: np.Array };

/** Sums of a few dozen products of numbers up to two, in float32. */
const TOLERANCE = { relative: 2e-5, absolute: 2e-5 };

/** The padding of two axes. */
function both(entry: readonly [number, number]) {
  return [entry, entry] as const;
}

function convolve(c: Convolution, x: np.Array, w: np.Array): np.Array {
  const space = c.x.slice(2);
  const ones = space.map(() => 1);
  const padding = (c.padding ?? space.map(() => [0, 0] as const)).map(([before, after]): [number, number] => [
    before,
    after,
  ]);
  return lax.convGeneralDilated(x, w, [...(c.strides ?? ones)], padding, {
    lhsDilation: [...(c.lhsDilation ?? ones)],
    rhsDilation: [...(c.rhsDilation ?? ones)],
  });
}

/** The convolution, and the gradients of a loss that tells its elements apart. */
function gradients(c: Convolution) {
  const loss = (x: np.Array, w: np.Array) => np.sin(convolve(c, x, w)).sum();
  return ({ x, w }: Operands) => ({
    y: convolve(c, x.ref, w.ref),
    forX: grad(loss, { argnums: 0 })(x.ref, w.ref) as np.Array,
    forW: grad(loss, { argnums: 1 })(x, w) as np.Array,
  });
}

/** jax-js 0.1.25 refuses some gradients: those of convolutions whose windows miss the whole input. */
function isTraceable(c: Convolution): boolean {
  try {
    trace('conv', gradients(c), specsOf(c));
    return true;
  } catch (error) {
    if (error instanceof LoweringError && error.message.includes('too negative')) return false;
    throw error;
  }
}

function specsOf(c: Convolution) {
  return { x: float32(...c.x), w: float32(...c.w) };
}

function operatorsOf(f: ArrayFunction, specs: Parameters<typeof trace>[2], options?: LoweringOptions): string[] {
  return namesIn(lower(trace('graph', f, specs), options).bytes);
}

function namesIn(bytes: Uint8Array): string[] {
  return (fromBinary(ModelProtoSchema, bytes).graph?.node ?? []).map((node) => node.opType);
}
