import { numpy as np, vjp } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { type ArraySpec, type DType, float32 } from './array-spec.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

type Move = (x: np.Array) => np.Array;

const MOVES: Readonly<Record<string, Move>> = {
  transpose: (x) => x.transpose([2, 0, 1]),
  reverseAxes: (x) => x.transpose(),
  newAxes: (x) => np.expandDims(np.expandDims(x, 1), 4),
  broadcastInFront: (x) => np.broadcastTo(x, [2, 2, 3, 4]),
  broadcastInside: (x) => np.broadcastTo(x.reshape([2, 1, 3, 4]), [2, 5, 3, 4]),
  dropAxis: (x) => np.squeeze(x.slice([], [1, 2])),
  mergeAxes: (x) => x.reshape([6, 4]),
  mergeTransposed: (x) => x.transpose([1, 0, 2]).reshape([6, 4]),
  splitAxis: (x) => x.reshape([2, 3, 2, 2]),
  regroup: (x) => x.reshape([4, 3, 2]),
  regroupBroadcast: (x) => np.broadcastTo(x.reshape([1, 24]), [3, 24]).reshape([9, 8]),
  flip: (x) => np.flip(x, 1),
  flipAll: (x) => np.flip(x),
  flipTransposed: (x) => np.flip(x.transpose([1, 2, 0]), [0, 2]),
  shrink: (x) => x.slice([], [1, 3], [0, 2]),
  shrinkEnd: (x) => x.slice([1], [-1]),
  pick: (x) => x.slice(1, [], 3),
  pad: (x) =>
    np.pad(x, [
      [0, 1],
      [2, 0],
      [1, 3],
    ]),
  padAll: (x) => np.pad(x, 1),
  concatenate: (x) => np.concatenate([x.ref, x.ref.slice([], [0, 1]), x], 1),
  stack: (x) => np.stack([x.ref, np.flip(x, 0)], 1),
  secondHalf: (x) => np.split(x, 2, 2)[1] as np.Array,
  unevenPart: (x) => np.split(x, [1], 1)[1] as np.Array,
  roll: (x) => np.roll(x, 1, 2),
  tile: (x) => np.tile(x, [1, 2, 1]),
  repeat: (x) => np.repeat(x, 2, 1),
  diagonal: (x) => x.diagonal(0, 1, 2),
  lowerTriangle: (x) => np.tril(x),
};

/** Every move of x, each an output. */
const everyMove = ({ x }: { x: np.Array }) =>
  Object.fromEntries(Object.entries(MOVES).map(([name, move]) => [name, move(x.ref)]));

describe('movements', () => {
  it.each<DType>(['float32', 'int32', 'uint32', 'bool'])('of %s agree on both executors to the bit', async (dtype) => {
    const specs = { x: { shape: [2, 3, 4], dtype } satisfies ArraySpec };
    await expectTwins(twins, dtype, { f: everyMove, specs }, { relative: 0, absolute: 0 });
  });

  it('have gradients that agree on both executors: among them pads that cut off', async () => {
    const f = ({ x }: { x: np.Array }) =>
      Object.fromEntries(
        Object.entries(MOVES).map(([name, move]) => {
          const [y, backward] = vjp(move, [x.ref]);
          const cotangent = np.sin(np.linspace(0, 9, y.size).reshape(y.shape));
          const [gradient] = backward(cotangent) as [np.Array];
          return [name, gradient];
        }),
      );
    await expectTwins(twins, 'gradients', { f, specs: { x: float32(2, 3, 4) } });
  });

  it('by hand: flip and shrink count from zero, pad writes zeros', async () => {
    const f = ({ x }: { x: np.Array }) => ({
      flip: np.flip(x.ref),
      shrink: x.ref.slice([1, 3]),
      pad: np.pad(x.ref, [[1, 2]]),
      transpose: x.reshape([2, 2]).transpose(),
    });
    const job = { f, specs: { x: float32(4) }, inputs: { x: Float32Array.of(1, 2, 3, 4) } };
    const outputs = await expectTwins(twins, 'hand', job);
    expect([...(outputs['flip'] ?? [])]).toEqual([4, 3, 2, 1]);
    expect([...(outputs['shrink'] ?? [])]).toEqual([2, 3]);
    expect([...(outputs['pad'] ?? [])]).toEqual([0, 1, 2, 3, 4, 0, 0]);
    expect([...(outputs['transpose'] ?? [])]).toEqual([1, 3, 2, 4]);
  });

  it('may cut an array down to nothing in between', async () => {
    const f = ({ x }: { x: np.Array }) => ({
      sum: x.ref.slice([1, 1]).sum(0),
      joined: np.concatenate([x.ref.slice([0, 0]), x.ref], 0),
      reshaped: np.concatenate([x.ref.slice([0, 0]).reshape([3, 0]), x.reshape([3, 2])], 1),
    });
    const job = { f, specs: { x: float32(2, 3) }, inputs: { x: Float32Array.of(1, 2, 3, 4, 5, 6) } };
    const outputs = await runOn(twins.native, 'nothing', job);
    expect([...(outputs['sum'] ?? [])]).toEqual([0, 0, 0]);
    expect(outputs['joined']).toEqual(job.inputs.x);
    expect(outputs['reshaped']).toEqual(job.inputs.x);
  });
});
