import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTwins, openTwins, type Twins } from '../../test/twins.ts';
import { type ArraySpec, type DType, float32 } from './array-spec.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

type Reduction = 'sum' | 'max' | 'min' | 'prod';
const REDUCTIONS: readonly Reduction[] = ['sum', 'max', 'min', 'prod'];

/** Every non-empty subset of the axes of a rank. */
function axisSets(rank: number): number[][] {
  return Array.from({ length: 2 ** rank - 1 }, (_, i) =>
    Array.from({ length: rank }, (_unused, axis) => axis).filter((axis) => ((i + 1) >> axis) % 2 === 1),
  );
}

/** All reductions over all axis sets of what `shape` makes of x. */
function everyReduction(kinds: readonly Reduction[], shape: (x: np.Array) => np.Array) {
  return ({ x }: { x: np.Array }) => {
    const y = shape(x);
    return Object.fromEntries(
      kinds.flatMap((kind) => axisSets(y.ndim).map((axes) => [`${kind} ${axes.join()}`, y.ref[kind](axes)])),
    );
  };
}

describe('reductions agree on both executors over every set of axes', () => {
  const layouts: Readonly<Record<string, (x: np.Array) => np.Array>> = {
    'as stored': (x) => x,
    transposed: (x) => x.transpose([2, 0, 1]),
    'behind broadcast axes': (x) => np.broadcastTo(x.reshape([2, 1, 3, 4]).mul(0.9), [2, 3, 3, 4]),
    'transposed, behind broadcast axes': (x) =>
      np.broadcastTo(x.reshape([1, 2, 3, 4]), [2, 2, 3, 4]).transpose([3, 0, 2, 1]),
    'with axes of length one': (x) => x.reshape([2, 1, 12, 1]),
  };

  it.each(Object.entries(layouts))('%s', async (name, layout) => {
    const f = everyReduction(REDUCTIONS, layout);
    await expectTwins(twins, name, { f, specs: { x: float32(2, 3, 4) } }, { absolute: 1e-5 });
  });

  it.each<DType>(['int32', 'uint32'])('for %s', async (dtype) => {
    const f = everyReduction(['sum', 'max', 'min'], (x) => np.broadcastTo(x.reshape([1, 2, 3, 4]), [3, 2, 3, 4]));
    const specs = { x: { shape: [2, 3, 4], dtype } satisfies ArraySpec };
    await expectTwins(twins, dtype, { f, specs });
    const products = everyReduction(['prod'], (x) => np.minimum(x, 2));
    await expectTwins(twins, `${dtype} products`, { f: products, specs });
  });

  it('for uint32 up to its end, which float32 could not hold', async () => {
    const f = ({ x }: { x: np.Array }) => ({ sum: x.ref.sum(), max: x.ref.max(), min: x.min() });
    const inputs = { x: Uint32Array.of(0xfffffff0, 7, 4) };
    const outputs = await expectTwins(twins, 'large', { f, specs: { x: { shape: [3], dtype: 'uint32' } }, inputs });
    expect([outputs['sum']?.[0], outputs['max']?.[0], outputs['min']?.[0]]).toEqual([0xfffffffb, 0xfffffff0, 4]);
  });

  it('for bool: any and all', async () => {
    const f = everyReduction(['max', 'min'], (x) => x);
    await expectTwins(twins, 'bool', { f, specs: { x: { shape: [2, 3, 4], dtype: 'bool' } } });
  });

  it('for float64', async () => {
    const f = everyReduction(REDUCTIONS, (x) => x.astype(np.float64));
    await expectTwins(twins, 'float64', { f, specs: { x: float32(2, 3, 4) } }, { relative: 1e-13 });
  });

  it('in what jax-js builds of them: means, deviations, norms, arg max', async () => {
    const f = ({ x }: { x: np.Array }) => ({
      mean: x.ref.mean(0),
      std: np.std(x.ref, 1),
      softmax: np.exp(x.ref.sub(x.ref.max(-1, { keepdims: true }))),
      argmax: np.argmax(x.ref, 1),
      norm: np.sqrt(np.square(x.ref).sum()),
      cumulative: np.cumsum(x, 1),
    });
    await expectTwins(twins, 'composed', { f, specs: { x: float32(4, 7) } }, { absolute: 1e-5 });
  });
});

describe('reductions by hand', () => {
  it('sum, multiply and compare; a broadcast axis is a factor or a power', async () => {
    const f = ({ x }: { x: np.Array }) => {
      const y = np.broadcastTo(x.reshape([1, 3]), [4, 3]);
      return { sum: y.ref.sum(), prod: y.ref.prod(0), max: y.ref.max(), min: y.min() };
    };
    const inputs = { x: Float32Array.of(2, -1, 3) };
    const outputs = await expectTwins(twins, 'hand', { f, specs: { x: float32(3) }, inputs });
    expect([...(outputs['prod'] ?? [])]).toEqual([16, 1, 81]);
    expect([outputs['sum']?.[0], outputs['max']?.[0], outputs['min']?.[0]]).toEqual([16, 3, -1]);
  });

  it('over no axis, or over axes of length one, change nothing but the shape', async () => {
    const f = ({ x }: { x: np.Array }) => ({ none: x.ref.sum([]), one: x.reshape([3, 1]).max(1) });
    const inputs = { x: Float32Array.of(2, -1, 3) };
    const outputs = await expectTwins(twins, 'degenerate', { f, specs: { x: float32(3) }, inputs });
    expect(outputs['none']).toEqual(inputs.x);
    expect(outputs['one']).toEqual(inputs.x);
  });

  it('refuse sums of bool, where the backends of jax-js disagree, and say what to do', async () => {
    const job = twins.native.compile('count', ({ x }: { x: np.Array }) => x.sum(), {
      x: { shape: [3], dtype: 'bool' },
    });
    await expect(job).rejects.toThrow(/'count'.*'reduce'.*bool.*cast/);
  });
});
