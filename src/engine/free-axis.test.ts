import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LoweringError } from '../errors.ts';
import { float32 } from './array-spec.ts';
import { type Engine, openEngine } from './engine.ts';
import { lower } from './lower.ts';
import { type ArrayFunction, trace } from './trace.ts';

const LENGTH = 101; // stands for n while tracing
const COLUMNS = 6;

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

function lowered(f: (x: np.Array) => np.Array) {
  const traced = trace('rows', (({ x }: { x: np.Array }) => ({ y: f(x) })) as ArrayFunction, {
    x: float32(LENGTH, COLUMNS),
  });
  return lower(traced, { freeAxis: { name: 'n', length: LENGTH } });
}

/** Runs `x [n, 6] -> y [n, ...outputs]` on x = 0, 1, 2, ... */
async function run(f: (x: np.Array) => np.Array, n: number, ...outputs: number[]): Promise<number[]> {
  const { bytes } = lowered(f);
  const program = await engine.openModel(bytes, {
    label: 'rows',
    inputs: [{ name: 'x', ...float32(n, COLUMNS) }],
    outputs: [{ name: 'y', ...float32(n, ...outputs) }],
  });
  const x = Float32Array.from({ length: n * COLUMNS }, (_, i) => i);
  const y = new Float32Array(outputs.reduce((product, side) => product * side, n));
  await program.bind({ x }, { y })();
  return [...y];
}

test.each([1, 2, 250])('rows broadcast along other axes keep their number: n = %i', async (n) => {
  const sums = (x: np.Array) => np.broadcastTo(x.sum(1).reshape([LENGTH, 1]), [LENGTH, 3]);
  const expected = Array.from({ length: n }, (_, row) => 15 + 36 * row).flatMap((sum) => [sum, sum, sum]);
  expect(await run(sums, n, 3)).toEqual(expected);
});

test.each([1, 2, 250])('rows merged with another axis and split again keep their number: n = %i', async (n) => {
  const doubled = (x: np.Array) =>
    x
      .reshape([LENGTH * 2, 3])
      .mul(2)
      .reshape([LENGTH, 2, 3]);
  expect(await run(doubled, n, 2, 3)).toEqual(Array.from({ length: n * COLUMNS }, (_, i) => 2 * i));
});

test.each([1, 2, 250])('rows stand in another place for a while: n = %i', async (n) => {
  const moved = (x: np.Array) => np.transpose(x).reshape([2, 3, LENGTH]).add(1).reshape([COLUMNS, LENGTH]).transpose();
  expect(await run(moved, n, COLUMNS)).toEqual(Array.from({ length: n * COLUMNS }, (_, i) => i + 1));
});

test('a result that does not come from the rows cannot have their number', () => {
  const total = (x: np.Array) => np.broadcastTo(x.sum(0), [LENGTH, COLUMNS]);
  expect(() => lowered(total)).toThrow(LoweringError);
});
