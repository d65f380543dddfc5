import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { draw, expectClose, expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { type ArraySpec, type DType, float32 } from './array-spec.ts';
import type { Buffers } from './program.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

/** How an axis of the product comes about: s in both operands, r in the left, c in the right, o in neither. */
const ROLES = ['s', 'r', 'c', 'o'] as const;

/** All patterns of roles for three outer axes: `rsc` and so on. */
const PATTERNS = ROLES.flatMap((a) => ROLES.flatMap((b) => ROLES.map((c) => `${a}${b}${c}`)));

const SIDES = [2, 3, 4];
const DEPTH = 5;

/** Shape of one operand: the side where it has the axis, else 1; the last axis is the contracted one. */
function shapeOf(pattern: string, mine: 'r' | 'c', depth: number): number[] {
  return [...pattern.split('').map((role, i) => (role === 's' || role === mine ? (SIDES[i] as number) : 1)), depth];
}

interface Layout {
  /** Orders in which the operands' axes are stored. */
  readonly left?: readonly number[];
  readonly right?: readonly number[];
  /** 1 where an operand is the same along the contracted axis. */
  readonly depths?: readonly [number, number];
  readonly dtype?: DType;
}

/** Every pattern in one program. */
function everyPattern({
  left = [0, 1, 2, 3],
  right = [0, 1, 2, 3],
  depths = [DEPTH, DEPTH],
  dtype = 'float32',
}: Layout) {
  const stored = (shape: number[], order: readonly number[]): ArraySpec => ({
    shape: order.map((axis) => shape[axis] as number),
    dtype,
  });
  const specs = Object.fromEntries(
    PATTERNS.flatMap((pattern) => [
      [`${pattern} left`, stored(shapeOf(pattern, 'r', depths[0]), left)],
      [`${pattern} right`, stored(shapeOf(pattern, 'c', depths[1]), right)],
    ]),
  );
  const inverse = (order: readonly number[]) => order.map((_, i) => order.indexOf(i));
  const f = (inputs: Record<string, np.Array>) =>
    Object.fromEntries(
      PATTERNS.map((pattern) => {
        const x = np.transpose(inputs[`${pattern} left`] as np.Array, inverse(left));
        const y = np.transpose(inputs[`${pattern} right`] as np.Array, inverse(right));
        const full = (z: np.Array) => np.broadcastTo(z, [...z.shape.slice(0, -1), DEPTH]);
        return [pattern, np.vecdot(full(x), full(y))];
      }),
    );
  return { f, specs };
}

/** The same sums, one number at a time. */
function slowPattern(
  pattern: string,
  { left = [0, 1, 2, 3], right = [0, 1, 2, 3] }: Layout,
  inputs: Buffers,
  specs: Specs,
) {
  const at = (side: 'left' | 'right', order: readonly number[], index: readonly number[]) => {
    const name = `${pattern} ${side}`;
    const shape = specs[name]?.shape as readonly number[];
    const place = order.reduce((sum, axis, i) => {
      const length = shape[i] as number;
      return sum * length + (length === 1 ? 0 : (index[axis] as number));
    }, 0);
    return inputs[name]?.[place] as number;
  };
  const out = SIDES.map((side, i) => (pattern[i] === 'o' ? 1 : side));
  const values: number[] = [];
  for (let i = 0; i < out[0]!; i++) {
    for (let j = 0; j < out[1]!; j++) {
      for (let k = 0; k < out[2]!; k++) {
        let sum = 0;
        for (let d = 0; d < DEPTH; d++) sum += at('left', left, [i, j, k, d]) * at('right', right, [i, j, k, d]);
        values.push(sum);
      }
    }
  }
  return values;
}

type Specs = Readonly<Record<string, ArraySpec>>;

describe('dot is right for every way in which three axes can be shared, rows, columns or absent', () => {
  it.each<[string, Layout]>([
    ['stored in order', {}],
    ['with the contracted axis first', { left: [3, 0, 1, 2], right: [3, 0, 1, 2] }],
    ['with axes stored backwards', { left: [3, 2, 1, 0], right: [3, 2, 1, 0] }],
    ['with axes stored in two different orders', { left: [1, 3, 0, 2], right: [2, 0, 3, 1] }],
    ['with a left operand that is the same along the contracted axis', { depths: [1, DEPTH] }],
    ['with a right operand that is the same along the contracted axis', { depths: [DEPTH, 1] }],
    ['with both the same along the contracted axis', { depths: [1, 1] }],
    ['in int32', { dtype: 'int32' }],
  ])('%s', async (name, layout) => {
    const { f, specs } = everyPattern(layout);
    const inputs = draw(specs);
    const outputs = await runOn(twins.native, name, { f, specs, inputs });
    for (const pattern of PATTERNS) {
      const wanted = slowPattern(pattern, layout, inputs, specs);
      const actual = outputs[pattern] as Float32Array;
      expectClose(`${name}: ${pattern}`, Float64Array.from(actual), Float64Array.from(wanted), { relative: 1e-6 });
    }
  });

  it('and agrees on both executors', async () => {
    // Not with `depths` of 1: there jax-js 0.1.25 itself takes the wrong elements.
    await expectTwins(twins, 'both', everyPattern({ left: [1, 3, 0, 2], right: [2, 0, 3, 1] }));
    await expectTwins(twins, 'integers', everyPattern({ dtype: 'int32' }));
  });

  it('in float64, and with operands of two types', async () => {
    const f = ({ x, y, i }: Record<'x' | 'y' | 'i', np.Array>) => ({
      double: np.matmul(x.ref.astype(np.float64), y.ref.astype(np.float64)),
      biased: np.matmul(x.ref.astype(np.float64), y.ref.astype(np.float64)).add(y.ref.slice(0)),
      mixed: np.matmul(x, i.ref),
      mixedDouble: np.matmul(i.astype(np.float64), y),
    });
    const i: ArraySpec = { shape: [4, 4], dtype: 'int32' };
    await expectTwins(twins, 'types', { f, specs: { x: float32(3, 4), y: float32(4, 2), i } });
  });

  it('but not in uint32, which it refuses', async () => {
    const x: ArraySpec = { shape: [3], dtype: 'uint32' };
    const job = twins.native.compile('square', (i: Record<'x', np.Array>) => np.vecdot(i.x.ref, i.x), { x });
    await expect(job).rejects.toThrow(/'square'.*'dot'.*uint32.*cast/);
  });
});

describe('products that other operations read', () => {
  const specs = { x: float32(3, 4), w: float32(4, 5), row: float32(5), column: float32(3, 1), wide: float32(1, 5) };
  type Inputs = Record<keyof typeof specs, np.Array>;
  const product = ({ x, w }: Inputs) => np.matmul(x.ref, w.ref);

  it.each<[string, (inputs: Inputs) => Record<string, np.Array> | np.Array]>([
    ['a bias along the columns', (i) => product(i).add(i.row)],
    ['a bias on the left of the sum', (i) => i.row.add(product(i))],
    ['a bias of shape [1, columns]', (i) => product(i).add(i.wide)],
    ['a bias along the rows', (i) => product(i).add(i.column)],
    ['a number', (i) => product(i).add(1.5)],
    ['a bias with a new axis in front', (i) => product(i).add(i.row.reshape([1, 1, 5]))],
    [
      'a bias that makes columns of rows',
      (i) =>
        product(i)
          .transpose()
          .add(i.column.reshape([3])),
    ],
    [
      'a bias along the rows of the transposed product',
      (i) =>
        product(i)
          .transpose()
          .add(i.row.reshape([5, 1])),
    ],
    ['itself', (i) => ((p) => p.ref.add(p))(product(i))],
    ['its own row', (i) => ((p) => p.ref.add(p.slice(0)))(product(i))],
    ['a bias, twice', (i) => ((p) => ({ a: p.ref.add(i.row), b: p.mul(2) }))(product(i))],
    ['a bias and a transpose', (i) => ((p) => ({ a: p.ref.add(i.row), b: p.transpose() }))(product(i))],
    ['first transposed, then as it is', (i) => ((p) => ({ t: np.sin(p.ref.transpose()), p }))(product(i))],
    ['only transposed', (i) => ({ t: product(i).transpose() })],
    ['a reshape', (i) => ({ r: product(i).reshape([5, 3]) })],
    ['sums of rows and columns', (i) => ((p) => ({ r: p.ref.sum(0), c: p.sum(1) }))(product(i))],
    ['another product', (i) => ((p) => np.matmul(p.ref.transpose(), p))(product(i))],
    ['a row that is a product, too', (i) => product(i).add(np.matmul(i.x.slice(0), i.w))],
  ])('%s', async (name, f) => {
    await expectTwins(twins, name, { f, specs });
  });

  it.each<[string, (x: np.Array, y: np.Array) => np.Array]>([
    ['square, with a bias on the wrong axis', (x, y) => np.matmul(x, y.ref).add(y.slice(0).reshape([4, 1]))],
    ['square, with a bias of rank three', (x, y) => np.matmul(x, y.ref).add(y.slice(0).reshape([1, 4, 1]))],
    ['two row axes and no column', (x, y) => np.matmul(x.reshape([2, 2, 4]), y.slice(0))],
    [
      'two row axes, no column and a bias',
      (x, y) => np.matmul(x.reshape([2, 2, 4]), y.ref.slice(0)).add(y.slice(1, [0, 2])),
    ],
    [
      'two contracted axes',
      (x, y) =>
        np.tensordot(x.reshape([2, 2, 4]), y.reshape([4, 2, 2]), [
          [0, 2],
          [1, 0],
        ]),
    ],
  ])('%s', async (name, g) => {
    const f = ({ x, y }: Record<'x' | 'y', np.Array>) => g(x, y);
    await expectTwins(twins, name, { f, specs: { x: float32(4, 4), y: float32(4, 4) } });
  });
});

describe('dot by hand', () => {
  it('multiplies matrices, vectors and a single number', async () => {
    const f = ({ a, b }: Record<'a' | 'b', np.Array>) => ({
      matrix: np.matmul(a.ref, b.ref),
      vector: np.matmul(a.ref, b.ref.slice([], 0)),
      number: np.vecdot(a.slice(0), b.slice(1)),
    });
    const inputs = { a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(5, 6, 7, 8) };
    const outputs = await expectTwins(twins, 'hand', { f, specs: { a: float32(2, 2), b: float32(2, 2) }, inputs });
    expect([...(outputs['matrix'] ?? [])]).toEqual([19, 22, 43, 50]);
    expect([...(outputs['vector'] ?? [])]).toEqual([19, 43]);
    expect(outputs['number']?.[0]).toBe(23);
  });

  it('is a product of scalars where every axis has length one', async () => {
    const f = ({ a, b }: Record<'a' | 'b', np.Array>) => ({ m: np.matmul(a, b) });
    const job = {
      f,
      specs: { a: float32(1, 1), b: float32(1, 1) },
      inputs: { a: Float32Array.of(3), b: Float32Array.of(7) },
    };
    expect([...((await expectTwins(twins, 'degenerate', job))['m'] ?? [])]).toEqual([21]);
  });

  it('agrees with a loop in float64 at a size that the fast kernels take', async () => {
    const [rows, depth, columns] = [65, 130, 33];
    const f = ({ a, b }: Record<'a' | 'b', np.Array>) => ({ m: np.matmul(a, b) });
    const inputs = {
      a: Float32Array.from({ length: rows * depth }, (_, i) => Math.sin(i)),
      b: Float32Array.from({ length: depth * columns }, (_, i) => Math.cos(i)),
    };
    const specs = { a: float32(rows, depth), b: float32(depth, columns) };
    const { m } = await runOn(twins.native, 'large', { f, specs, inputs });
    for (const at of [0, 777, rows * columns - 1]) {
      const [i, j] = [Math.floor(at / columns), at % columns];
      let sum = 0;
      for (let k = 0; k < depth; k++)
        sum += (inputs.a[i * depth + k] as number) * (inputs.b[k * columns + j] as number);
      expect(m?.[at]).toBeCloseTo(sum, 4);
    }
  });
});
