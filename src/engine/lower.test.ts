import { grad, numpy as np } from '@jax-js/jax';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTwins, openTwins, type Twins } from '../../test/twins.ts';
import { float32 } from './array-spec.ts';

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
    return x.slice(...range(x.ndim).map((axis) => (axis === at ? [start, side(x, at)] : [])));
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
  const options = { seed: 20251, numRuns: Number(process.env['RUNS'] ?? 150), verbose: 1 };

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
