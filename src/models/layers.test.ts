import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { draw, expectClose, expectTwins, openTwins, type Twins } from '../../test/twins.ts';
import { float32 } from '../engine/array-spec.ts';
import {
  convolution,
  convolutionSpecs,
  dense,
  denseSpecs,
  type Parameters,
  relu,
  sigmoid,
  transposedConvolution,
} from './layers.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

type Inputs = { p: Parameters; x: np.Array };

test('a dense layer by hand', async () => {
  const f = ({ p, x }: Inputs) => dense(p, 'a', x);
  const specs = { p: denseSpecs('a', 2, 3), x: float32(2, 2) };
  const inputs = {
    'p.a.weight': Float32Array.of(1, 2, 3, 4, 5, 6),
    'p.a.bias': Float32Array.of(0.5, 0, -1),
    x: Float32Array.of(1, 0, -1, 2),
  };
  const { value } = await expectTwins(twins, 'dense', { f, specs, inputs });
  expect([...(value as Float32Array)]).toEqual([1.5, 2, 2, 7.5, 8, 8]);
});

test('relu and sigmoid by hand, sigmoid without a NaN far out', async () => {
  const f = ({ x }: Inputs) => ({ relu: relu(x.ref), sigmoid: sigmoid(x) });
  const x = Float32Array.of(-1000, -1, 0, Math.log(3), 1000);
  const found = await expectTwins(twins, 'activations', { f, specs: { x: float32(5) }, inputs: { x } });
  expect([...(found['relu'] as Float32Array)]).toEqual([0, 0, 0, Math.fround(Math.log(3)), 1000]);
  const wanted = [0, 1 / (1 + Math.E), 0.5, 0.75, 1];
  for (const [i, value] of wanted.entries()) expect(found['sigmoid']?.[i]).toBeCloseTo(value, 6);
});

describe('convolutions of 4 x 4, stride 2, padding 1', () => {
  const [B, I, O, H, W] = [2, 3, 2, 6, 4];

  test('are the plain sum over window and channels', async () => {
    const f = ({ p, x }: Inputs) => convolution(p, 'c', x);
    const specs = { p: convolutionSpecs('c', I, O), x: float32(B, I, H, W) };
    const inputs = draw(specs);
    const found = await expectTwins(twins, 'convolution', { f, specs, inputs });
    const [w, b, x] = ['p.c.weight', 'p.c.bias', 'x'].map((name) => inputs[name]) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const wanted = new Float32Array((B * O * H * W) / 4);
    eachTap({ B, I, O, H, W }, ({ large, small, weight }) => {
      (wanted[small] as number) += (x[large] as number) * (w[weight] as number);
    });
    for (let i = 0; i < wanted.length; i++) (wanted[i] as number) += b[Math.floor(i / ((H * W) / 4)) % O] as number;
    expectClose('convolution', found['value'] as Float32Array, wanted, { absolute: 1e-5 });
  });

  test('transposed, with the kernel turned round, are the adjoint: they double height and width', async () => {
    const f = ({ p, x }: Inputs) => transposedConvolution(p, 't', x);
    const specs = { p: convolutionSpecs('t', O, I), x: float32(B, O, H / 2, W / 2) };
    const inputs = draw(specs);
    const found = await expectTwins(twins, 'transposed', { f, specs, inputs });
    const [v, b, y] = ['p.t.weight', 'p.t.bias', 'x'].map((name) => inputs[name]) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const wanted = new Float32Array(B * I * H * W);
    eachTap({ B, I, O, H, W }, ({ large, small, turned }) => {
      (wanted[large] as number) += (y[small] as number) * (v[turned] as number);
    });
    for (let i = 0; i < wanted.length; i++) (wanted[i] as number) += b[Math.floor(i / (H * W)) % I] as number;
    expectClose('transposed', found['value'] as Float32Array, wanted, { absolute: 1e-5 });
  });
});

interface Tap {
  /** Of an element of [B, I, H, W]. */
  readonly large: number;
  /** Of an element of [B, O, H/2, W/2]. */
  readonly small: number;
  /** Of the weight that joins them, in [O, I, 4, 4]. */
  readonly weight: number;
  /** The same with the kernel turned by half a circle, in [I, O, 4, 4]. */
  readonly turned: number;
}

/** Every product that the convolution [B, I, H, W] -> [B, O, H/2, W/2] sums over, one at a time. */
function eachTap(size: Readonly<Record<'B' | 'I' | 'O' | 'H' | 'W', number>>, visit: (tap: Tap) => void): void {
  const { B, I, O, H, W } = size;
  for (let n = 0; n < B * O * I * (H / 2) * (W / 2) * 16; n++) {
    const [l, k, w, h, i, o, b] = digits(n, [4, 4, W / 2, H / 2, I, O, B]) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const [row, column] = [2 * h - 1 + k, 2 * w - 1 + l];
    if (row < 0 || row >= H || column < 0 || column >= W) continue;
    visit({
      large: ((b * I + i) * H + row) * W + column,
      small: ((b * O + o) * (H / 2) + h) * (W / 2) + w,
      weight: ((o * I + i) * 4 + k) * 4 + l,
      turned: ((i * O + o) * 4 + 3 - k) * 4 + 3 - l,
    });
  }
}

/** The digits of `n` in a mixed base, lowest first. */
function digits(n: number, bases: readonly number[]): number[] {
  let rest = n;
  return bases.map((base) => {
    const digit = rest % base;
    rest = Math.floor(rest / base);
    return digit;
  });
}
