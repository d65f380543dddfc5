import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectClose, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { gaussianBits, gaussianFromBits } from './gaussian.ts';
import { childKey, fillBits, seedKey } from './keys.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

const noise = ({ bits }: { bits: np.Array }) => ({ noise: gaussianFromBits(bits) });

/** Noise of `shape` from given bits on one of the executors. */
async function draw(engine: Twins['native'], bits: Uint32Array, ...shape: number[]): Promise<Float32Array> {
  const outputs = await runOn(engine, 'noise', { f: noise, specs: { bits: gaussianBits(...shape) }, inputs: { bits } });
  return outputs['noise'] as Float32Array;
}

const keystream = (name: string, count: number) =>
  fillBits(childKey(seedKey('gaussian'), name), new Uint32Array(count));

describe('gaussianFromBits', () => {
  const count = 100_000;

  it.each(['first', 'second'])('has the moments and the distribution of a standard normal (%s key)', async (name) => {
    const values = Float64Array.from(await draw(twins.native, keystream(name, 2 * count), count)).sort();
    const moment = (power: number) => values.reduce((sum, x) => sum + x ** power, 0) / count;
    // Variances of x, x^2, x^3 and x^4 of a normal: 1, 2, 15, 96. Four standard errors.
    const within = (variance: number) => 4 * Math.sqrt(variance / count);
    expect(Math.abs(moment(1))).toBeLessThan(within(1));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(within(2));
    expect(Math.abs(moment(3))).toBeLessThan(within(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(within(96));
    // Kolmogorov and Smirnov: sqrt(N) D exceeds 1.95 once in a thousand.
    const distance = values.reduce((most, x, i) => {
      const p = normalCdf(x);
      return Math.max(most, Math.abs(p - i / count), Math.abs(p - (i + 1) / count));
    }, 0);
    expect(Math.sqrt(count) * distance).toBeLessThan(1.95);
  });

  it('is finite at both ends of the bits, on both executors, and no larger than 5.77', async () => {
    const [low, high] = [0, 0xffffffff];
    const bits = Uint32Array.of(low, low, high, high, low, high, low, high); // radius of four numbers, then angle
    for (const engine of [twins.native, twins.wasm]) {
      const values = await draw(engine, bits, 4);
      const largest = Math.sqrt(-2 * Math.log(2 ** -24));
      expectClose(engine.executor, values, Float32Array.of(largest, largest, 0, 0), { relative: 1e-3 });
    }
  });

  it('agrees on both executors', async () => {
    const bits = keystream('twins', 2 * 60);
    const [native, wasm] = [await draw(twins.native, bits, 5, 4, 3), await draw(twins.wasm, bits, 5, 4, 3)];
    expectClose('noise', native, wasm, { relative: 1e-4, absolute: 1e-4 });
  });

  it('takes the radius from the first half of the bits and the angle from the second', async () => {
    const bits = Uint32Array.of(0x7fffffff, 0x3fffffff, 0x3fffffff, 0x7fffffff); // u = 1/2, 1/4; v = 1/4, 1/2
    const values = await draw(twins.native, bits, 2);
    expectClose('by hand', values, Float32Array.of(0, -Math.sqrt(-2 * Math.log(0.25))), { absolute: 1e-6 });
  });

  it('keeps the shape, axes of length one too', async () => {
    expect(gaussianBits(1, 3)).toEqual({ shape: [2, 1, 3], dtype: 'uint32' });
    const program = await twins.native.compile('noise', noise, { bits: gaussianBits(1, 3) });
    expect(program.outputs).toEqual([{ name: 'noise', shape: [1, 3], dtype: 'float32' }]);
  });
});

/** P(X <= x), by the series x + x^3/3 + x^5/(3*5) + ... (Marsaglia 2004), good to 1e-15 within eight deviations. */
function normalCdf(x: number): number {
  let [sum, term] = [x, x];
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
