import { grad, numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { draw, expectClose, expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { type ArraySpec, float32 } from './array-spec.ts';
import { openEngine } from './engine.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

const int32 = (...shape: number[]): ArraySpec => ({ shape, dtype: 'int32' });

const specs = {
  x: float32(3, 4, 5),
  i: int32(2),
  j: int32(2, 1),
  k: { shape: [2], dtype: 'uint32' } satisfies ArraySpec,
};
const inputs = {
  ...draw({ x: specs.x }),
  i: Int32Array.of(2, 1),
  j: Int32Array.of(1, 0),
  k: Uint32Array.of(2, 0),
};
type Inputs = Record<keyof typeof specs, np.Array>;

/** One gather each: where the index axes go depends on where the indices stand. */
const GATHERS: Readonly<Record<string, (inputs: Inputs) => np.Array>> = {
  'x[i]': ({ x, i }) => x.slice(i),
  'x[:, i]': ({ x, i }) => x.slice([], i),
  'x[:, :, i]': ({ x, i }) => x.slice([], [], i),
  'x[j], an index matrix': ({ x, j }) => x.slice(j),
  'x[i, i]': ({ x, i }) => x.slice(i.ref, i),
  'x[i, j], broadcast together': ({ x, i, j }) => x.slice(i, j),
  'x[:, i, j]': ({ x, i, j }) => x.slice([], i, j),
  'x[i, :, j], index axes in front': ({ x, i, j }) => x.slice(i, [], j),
  'x[i, j, k]': ({ x, i, j, k }) => x.slice(i, j, k),
  'x[i, 0]': ({ x, i }) => x.slice(i, 0),
  'x[0, :, i]': ({ x, i }) => x.slice(0, [], i),
  'x[None, i]': ({ x, i }) => x.slice(null, i),
  'x[:, k, k], unsigned': ({ x, k }) => x.slice([], k.ref, k),
  'x[i[0]], a scalar index': ({ x, i }) => x.slice(i.slice(0)),
  'x.T[i, :, j]': ({ x, i, j }) => x.transpose([2, 0, 1]).slice(i, [], j),
  'take along an axis of a broadcast': ({ x, i }) => np.take(np.broadcastTo(x.slice(0), [3, 4, 5]), i, 0),
};

describe('gather', () => {
  it('agrees on both executors, to the bit, wherever the indices stand', async () => {
    const f = (all: Inputs) => Object.fromEntries(Object.entries(GATHERS).map(([name, g]) => [name, g(copies(all))]));
    await expectTwins(twins, 'gather', { f, specs, inputs }, { relative: 0, absolute: 0 });
  });

  it('reads rows in the order of the indices, repeated ones too', async () => {
    const f = ({ x, i }: Inputs) => ({ rows: x.slice(i) });
    const job = { f, specs: { x: float32(3, 2), i: int32(4) } };
    const given = { x: Float32Array.of(1, 2, 3, 4, 5, 6), i: Int32Array.of(2, 0, 2, 1) };
    const outputs = await expectTwins(twins, 'rows', { ...job, inputs: given });
    expect([...(outputs['rows'] ?? [])]).toEqual([5, 6, 1, 2, 5, 6, 3, 4]);
  });

  it('makes one-hot rows of an identity matrix', async () => {
    const f = ({ i }: Inputs) => ({ hot: np.eye(4).slice(i) });
    const outputs = await expectTwins(twins, 'one-hot', {
      f,
      specs: { i: int32(3) },
      inputs: { i: Int32Array.of(3, 0, 1) },
    });
    expect([...(outputs['hot'] ?? [])]).toEqual([0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0]);
  });

  it('fails on an index past the end instead of reading other memory', async () => {
    const f = ({ x, i }: Inputs) => ({ rows: x.slice(i) });
    const given = { x: new Float32Array(6), i: Int32Array.of(3) };
    await expect(
      runOn(twins.native, 'past', { f, specs: { x: float32(3, 2), i: int32(1) }, inputs: given }),
    ).rejects.toThrow(/out of data bounds/);
  });
});

describe('scatter, the gradient of gather', () => {
  /** Weights the gathered numbers differently, so that a misplaced one shows. */
  const weighted = (y: np.Array) => y.mul(np.linspace(0.1, 2, y.size).reshape(y.shape)).sum();

  // jax-js 0.1.25 cannot jit a scatter of updates that are one constant: those have their own test below.
  const gathers = Object.entries(GATHERS).filter(([name]) => !name.includes('scalar'));

  it.each(gathers)('of %s agrees on both executors', async (name, g) => {
    const f = (all: Inputs) => ({ gradient: grad((x: np.Array) => weighted(g({ ...copies(all), x })))(all.x.ref) });
    await expectTwins(twins, name, { f, specs, inputs });
  });

  it('adds up what lands in one place', async () => {
    const f = ({ x, i }: Inputs) => ({
      many: grad((v: np.Array) => v.slice(i.ref).sum())(x.ref),
      one: grad((v: np.Array) => v.slice(i.slice(1)).mul(5))(x),
    });
    const job = { f, specs: { x: float32(3), i: int32(5) } };
    const given = { x: new Float32Array(3), i: Int32Array.of(2, 0, 2, 2, 0) };
    const outputs = await runOn(twins.native, 'add', { ...job, inputs: given });
    expect([...(outputs['many'] ?? [])]).toEqual([2, 0, 3]);
    expect([...(outputs['one'] ?? [])]).toEqual([5, 0, 0]);
  });

  it('loses no addition on several threads, where the rows collide', async () => {
    const [rows, width, count] = [8, 16, 40_000];
    const engine = await openEngine({ executor: 'onnxruntime', threads: 4 });
    const f = ({ x, i }: Inputs) => ({ gradient: grad((v: np.Array) => v.slice(i).sum())(x) });
    const collide = {
      x: new Float32Array(rows * width),
      i: Int32Array.from({ length: count }, (_, n) => (n * 7) % rows),
    };
    const job = { f, specs: { x: float32(rows, width), i: int32(count) }, inputs: collide };
    for (let round = 0; round < 5; round++) {
      const { gradient } = await runOn(engine, 'collide', job);
      expectClose('gradient', gradient as Float32Array, new Float32Array(rows * width).fill(count / rows));
    }
    await engine.close();
  });
});

function copies(all: Inputs): Inputs {
  return Object.fromEntries(Object.entries(all).map(([name, x]) => [name, x.ref])) as Inputs;
}
