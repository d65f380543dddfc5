import { fromBinary } from '@bufbuild/protobuf';
import { grad, numpy as np } from '@jax-js/jax';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectClose, expectTwins, openTwins, type Twins } from '../../test/twins.ts';
import { LoweringError } from '../errors.ts';
import { float32 } from './array-spec.ts';
import { lower } from './lower.ts';
import { type ArrayFunction, trace } from './trace.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

/** One step of a random chain: an operation, and numbers that choose its axes and sizes whatever the shape is. */
interface Step {
  readonly op: keyof typeof OPERATIONS;
  readonly a: number;
  readonly b: number;
}

type Operation = (x: np.Array, a: number, b: number) => np.Array;

const MOST_ELEMENTS = 400;
const RUNS = 60; // 600 passed when this was written

/** Each takes an array of any shape and gives another; values stay within a few units. */
const OPERATIONS = {
  transpose: (x, a, b) => {
    const order = range(x.ndim);
    for (const [i, step] of [a, b].entries()) if (i < order.length) order.push(...order.splice(step % order.length, 1));
    return x.transpose(order);
  },
  expand: (x, a) => (x.ndim < 5 ? np.expandDims(x, a % (x.ndim + 1)) : x),
  broadcast: (x, a, b) => {
    const side = 2 + (b % 3);
    if (x.size * side > MOST_ELEMENTS || x.ndim > 4) return x;
    const at = a % (x.ndim + 1);
    return np.broadcastTo(np.expandDims(x, at), x.shape.toSpliced(at, 0, side));
  },
  squeeze: (x) => np.squeeze(x),
  merge: (x, a) => {
    if (x.ndim < 2) return x;
    const at = a % (x.ndim - 1);
    return x.reshape(x.shape.toSpliced(at, 2, side(x, at) * side(x, at + 1)));
  },
  split: (x, a, b) => {
    if (x.ndim === 0 || x.ndim > 4) return x;
    const at = a % x.ndim;
    const factors = [1, 2, 3, 4, 5, 6].filter((n) => side(x, at) % n === 0);
    const factor = factors[b % factors.length] as number;
    return x.reshape(x.shape.toSpliced(at, 1, factor, side(x, at) / factor));
  },
  flatten: (x) => x.reshape([-1]),
  flip: (x, a) => (x.ndim === 0 ? x : np.flip(x, a % x.ndim)),
  pad: (x, a, b) => {
    if (x.ndim === 0 || x.size > MOST_ELEMENTS / 2) return x;
    const widths = range(x.ndim).map((axis): [number, number] => (axis === a % x.ndim ? [b % 2, b % 3] : [0, 0]));
    return np.pad(x, widths);
  },
  shrink: (x, a, b) => {
    if (x.ndim === 0) return x;
    const at = a % x.ndim;
    const start = b % side(x, at);
    return x.slice(...range(x.ndim).map((axis): [] | [number] => (axis === at ? [start] : [])));
  },
  halves: (x, a) => {
    const at = x.shape.findIndex((n) => n > 1);
    if (at === -1) return x;
    const [first, rest] = np.split(x, [1 + (a % (side(x, at) - 1))], at) as [np.Array, np.Array];
    return np.concatenate([rest, first], at);
  },
  take: (x, a, b) => {
    if (x.ndim === 0) return x;
    const at = a % x.ndim;
    const rows = Int32Array.from([b, a, b + 1], (n) => n % side(x, at));
    return x.size * 3 > MOST_ELEMENTS ? x : np.take(x, np.array(rows), at);
  },
  sine: (x) => np.sin(x),
  shift: (x) => x.mul(0.5).add(0.25),
  relu: (x) => np.maximum(x, 0),
  select: (x) => np.where(x.ref.less(0.1), x.ref.mul(-0.5), x),
  centre: (x, a) => (x.ndim === 0 ? x : x.ref.sub(x.mean(a % x.ndim, { keepdims: true }))),
  normalise: (x, a) =>
    x.ndim === 0
      ? x
      : x.ref.div(
          np
            .abs(x)
            .sum(a % x.ndim, { keepdims: true })
            .add(1),
        ),
  multiplyOuter: (x) => (x.size > 20 ? x : np.multiply(x.ref.reshape([-1, 1]), x.reshape([1, -1]))),
  sum: (x, a, b) => np.tanh(x.sum(someAxes(x, a), { keepdims: b % 2 === 0 })),
  largest: (x, a, b) => x.max(someAxes(x, a), { keepdims: b % 2 === 0 }),
  smallest: (x, a, b) => x.min(someAxes(x, a), { keepdims: b % 2 === 0 }),
  product: (x, a) => np.sin(x).prod(someAxes(x, a)),
  gram: (x) => {
    if (x.ndim < 2 || x.ndim > 4) return x;
    return np.tanh(np.matmul(x.ref, np.swapaxes(x, -1, -2)));
  },
  innerFirst: (x) => (x.ndim < 2 ? x : np.tanh(np.tensordot(x.ref, x, [[0], [0]]).reshape([-1]))),
  matvec: (x) => {
    if (x.ndim < 2) return x;
    const weights = np.linspace(-1, 1, side(x, x.ndim - 1));
    return np.tanh(np.matmul(x, weights));
  },
  dense: (x, a) => {
    if (x.ndim < 1) return x;
    const [inputs, outputs] = [side(x, x.ndim - 1), 2 + (a % 3)];
    const weights = np.linspace(-1, 1, inputs * outputs).reshape([inputs, outputs]);
    return np.tanh(np.matmul(x, weights).add(np.linspace(0, 0.5, outputs)));
  },
} satisfies Record<string, Operation>;

describe('random chains of operations', () => {
  const names = Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[];
  const stepsOf = (ops: typeof names) =>
    fc.array(fc.record<Step>({ op: fc.constantFrom(...ops), a: fc.nat(11), b: fc.nat(11) }), {
      minLength: 1,
      maxLength: 9,
    });
  const shape = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 });
  const chain = (program: readonly Step[], x: np.Array) =>
    program.reduce((y, { op, a, b }) => {
      const next: Operation = OPERATIONS[op];
      const z = next(y, a, b);
      return z.size > MOST_ELEMENTS ? np.squeeze(z.sum(0)) : z;
    }, x);
  const options = { seed: 20251, numRuns: RUNS, verbose: 1 };

  it('agree on both executors', async () => {
    await fc.assert(
      fc.asyncProperty(shape, stepsOf(names), async (sides, program) => {
        const f = ({ x }: { x: np.Array }) => ({ y: chain(program, x) });
        await expectTwins(twins, 'chain', { f, specs: { x: float32(...sides) } }, { absolute: 1e-5 });
      }),
      options,
    );
  });

  it('have gradients that agree on both executors', async () => {
    // jax-js 0.1.25 cannot jit the gradient of a gather whose input is computed in the same kernel.
    const differentiable = names.filter((name) => name !== 'take');
    await fc.assert(
      fc.asyncProperty(shape, stepsOf(differentiable), async (sides, program) => {
        const loss = (x: np.Array) => np.sin(chain(program, x)).sum();
        const f = ({ x }: { x: np.Array }) => ({ gradient: grad(loss)(x) });
        await expectTwins(twins, 'chain', { f, specs: { x: float32(...sides) } }, { absolute: 1e-4, relative: 1e-4 });
      }),
      options,
    );
  });
});

describe('ports', () => {
  const specs = { x: float32(2, 3), y: float32(3) };
  type Inputs = { x: np.Array; y: np.Array };

  it.each<[string, ArrayFunction]>([
    ['an input handed through', ({ x }: Inputs) => ({ out: x })],
    ['outputs with the names of inputs', ({ x, y }: Inputs) => ({ x: x.mul(2), y })],
    ['one value under two names', ({ x }: Inputs) => ((z) => ({ a: z.ref, b: z }))(x.mul(2))],
    ['one value and its transpose', ({ x }: Inputs) => ((z) => ({ a: z.ref.transpose(), b: z }))(x.mul(2))],
    ['numbers and constants', ({ x }: Inputs) => ({ three: np.array(3), zeros: np.zeros([2]), x })],
    ['an array without a record', ({ x }: Inputs) => x.mul(3)],
    ['a list', ({ x, y }: Inputs) => [x.mul(3), y]],
    ['nested records', ({ x, y }: Inputs) => ({ a: { b: { c: x } }, d: { e: y.mul(2) } })],
    ['unused inputs', ({ y }: Inputs) => ({ z: y.mul(2) })],
  ])('may be %s', async (name, f) => {
    await expectTwins(twins, name, { f, specs });
  });

  it('may carry names that a compiler would give', async () => {
    const f = ({ t0, c1 }: Record<'t0' | 'c1', np.Array>) => ({ t1: t0.mul(c1.ref).add(3), c0: c1.greater(0) });
    await expectTwins(twins, 'names', { f, specs: { t0: float32(2), c1: float32(2) } });
  });

  it('of the file are named as the record: paths joined by dots', () => {
    const f = ({ a }: { a: { b: np.Array } }) => ({ c: { d: a.b } });
    const { inputs, outputs } = lower(trace('paths', f as ArrayFunction, { a: { b: float32(2) } }));
    expect(inputs).toEqual([{ name: 'a.b', shape: [2], dtype: 'float32' }]);
    expect(outputs).toEqual([{ name: 'c.d', shape: [2], dtype: 'float32' }]);
  });
});

describe('a lowered file', () => {
  it('shares equal nodes and constants', () => {
    const f = ({ x }: { x: np.Array }) => ({ y: np.exp(x.ref).add(1).mul(np.exp(x).add(1)) });
    expect(operators(lower(trace('shared', f, { x: float32(2) })).bytes)).toEqual(['Exp', 'Add', 'Mul']);
  });

  it('has one Gemm for a dense layer, and in its backward pass no Transpose and no Expand', () => {
    const loss = (w: np.Array, x: np.Array, b: np.Array) => np.square(np.matmul(x, w).add(b)).sum();
    const f = ({ w, x, b }: Record<'w' | 'x' | 'b', np.Array>) => ({ g: grad(loss, { argnums: [0, 2] })(w, x, b) });
    const names = operators(lower(trace('dense', f, { w: float32(4, 5), x: float32(3, 4), b: float32(5) })).bytes);
    expect(names.filter((name) => name === 'Gemm')).toHaveLength(2);
    expect(names).not.toContain('Transpose');
    expect(names).not.toContain('Expand');
  });

  it('computes in the order in which arrays are stored, not in the order in which they are seen', () => {
    const f = ({ x, y }: Record<'x' | 'y', np.Array>) => ({ sums: x.transpose().mul(y.transpose()).sum(0) });
    const names = operators(lower(trace('transposed', f, { x: float32(4, 5), y: float32(4, 5) })).bytes);
    expect(names).toEqual(['Mul', 'ReduceSum']);
  });

  it('may hold weights, run at any batch size, and be opened by either executor', async () => {
    const f = ({ w, z }: { w: np.Array; z: np.Array }) => ({ x: np.tanh(np.matmul(z, w).add(1)) });
    const [n, w] = [7, Float32Array.of(1, -1, 0.5, 2, 0, 1)];
    const traced = trace('decoder', f, { z: float32(n, 2), w: float32(2, 3) });
    const { bytes, inputs, outputs } = lower(traced, { weights: { w }, freeAxis: { name: 'n', length: n } });
    expect(inputs.map(({ name }) => name)).toEqual(['z']);
    for (const count of [1, 4, 20]) {
      const ports = {
        label: 'decoder',
        inputs: inputs.map((port) => ({ ...port, shape: [count, 2] })),
        outputs: outputs.map((port) => ({ ...port, shape: [count, 3] })),
      };
      const z = Float32Array.from({ length: 2 * count }, (_, i) => Math.sin(i));
      const wanted = Float32Array.from({ length: 3 * count }, (_, i) => {
        const [row, column] = [Math.floor(i / 3), i % 3];
        return Math.tanh(1 + z[2 * row]! * w[column]! + z[2 * row + 1]! * w[3 + column]!);
      });
      for (const engine of [twins.native, twins.wasm]) {
        const x = new Float32Array(3 * count);
        await (await engine.openModel(bytes, ports)).bind({ z }, { x })();
        expectClose(`${engine.executor}, ${count} rows`, x, wanted, { absolute: 1e-5 });
      }
    }
  });

  it('refuses a primitive it does not know, by name', () => {
    const f = ({ x }: { x: np.Array }) => np.sort(x);
    const job = () => lower(trace('my step', f, { x: float32(3) }));
    expect(job).toThrow(LoweringError);
    expect(job).toThrow(/'my step' uses the primitive 'sort' on float32\[3\]/);
  });
});

/** Operators of a model file, in order. */
function operators(bytes: Uint8Array): string[] {
  return fromBinary(ModelProtoSchema, bytes).graph?.node.map(({ opType }) => opType) ?? [];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function side(x: np.Array, axis: number): number {
  return x.shape[axis] as number;
}

/** A non-empty choice of axes; null for a scalar. */
function someAxes(x: np.Array, choice: number): number[] | null {
  if (x.ndim === 0) return null;
  const chosen = range(x.ndim).filter((axis) => ((choice + 1) >> axis) % 2 === 1);
  return chosen.length === 0 ? [choice % x.ndim] : chosen;
}
