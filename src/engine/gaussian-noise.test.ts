import { createCipheriv } from 'node:crypto';
import { numpy as np } from '@jax-js/jax';
import { describe, expect, it } from 'vitest';
import { createArena } from './arena.ts';
import { gaussianNoise, NOISE_GRID } from './gaussian-noise.ts';
import { childKey, type Key, secretKey, seedKey } from './keys.ts';
import { compileSweep } from './sweep.ts';
import { boxMullerModule, GROUP } from './wasm-gaussian.ts';

const keyOf = (name: string) => childKey(seedKey('gaussian-noise'), name);

/** `count` numbers, from an arena of their own. */
function draw(key: Key, count: number): Float32Array {
  const arena = createArena({ noise: count });
  gaussianNoise(arena, 'noise')(key);
  return arena.vector('noise');
}

describe('gaussian noise', () => {
  it('is the Box-Muller kernel over the AES-256-CTR keystream of the key, across chunks', () => {
    const key = keyOf('keystream');
    const groups = 3 * 1024 + 5;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((groups * (GROUP.bytes + 64)) / 65536) });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(boxMullerModule()), { arena: { memory } });
    const cipher = createCipheriv('aes-256-ctr', key.bytes, new Uint8Array(16));
    new Uint8Array(memory.buffer).set(cipher.update(new Uint8Array(groups * GROUP.bytes)));
    (exports['boxMuller'] as (...args: number[]) => void)(0, groups * GROUP.bytes, groups);
    const wanted = new Float32Array(memory.buffer, groups * GROUP.bytes, groups * GROUP.normals);
    expect(Buffer.compare(bytesOf(draw(key, wanted.length)), bytesOf(wanted))).toBe(0);
  });

  it('begins alike whatever its length, and leaves the vectors after its own alone', () => {
    const long = draw(keyOf('lengths'), 50_000);
    for (const length of [0, 1, 2, 3, 15, 16, 17, 31, 1000, 16_384, 16_385, 32_767]) {
      const arena = createArena({ before: 5, noise: length, after: 5 });
      for (const name of ['before', 'after']) arena.vector(name).fill(7);
      gaussianNoise(arena, 'noise')(keyOf('lengths'));
      expect([...arena.vector('noise')]).toEqual([...long.subarray(0, length)]);
      for (const name of ['before', 'after']) expect([...arena.vector(name)]).toEqual([7, 7, 7, 7, 7]);
    }
  });

  it('depends on the key alone, not on what was drawn before', () => {
    const arena = createArena({ noise: 1001 });
    const fill = gaussianNoise(arena, 'noise');
    const drawn = (key: Key) => {
      fill(key);
      return [...arena.vector('noise')];
    };
    const first = drawn(keyOf('first'));
    const second = drawn(keyOf('second'));
    expect(second).not.toEqual(first);
    expect(drawn(keyOf('first'))).toEqual(first);
    expect([...draw(keyOf('second'), 1001)]).toEqual(second);
  });

  it('differs in nearly every number from key to key, secret keys too', () => {
    const secret = secretKey('test');
    const keys = [keyOf('a'), keyOf('b'), secret, childKey(secret, 'a'), secretKey('test')];
    const draws = keys.map((key) => draw(key, 1000));
    for (const [i, a] of draws.entries()) {
      for (const b of draws.slice(i + 1)) expect(a.filter((value, j) => value === b[j]).length).toBeLessThan(3);
    }
  });

  it('needs a vector that the arena has', () => {
    expect(() => gaussianNoise(createArena({ noise: 3 }), 'sound')).toThrow("no vector 'sound'");
  });
});

describe.each(['first', 'second'])('a million numbers (%s key)', (name) => {
  const count = 1_000_003; // not a whole number of groups
  const values = draw(keyOf(`million, ${name}`), count);
  const correlation = (pairs: (i: number) => readonly [number, number], upTo: number) => {
    let sum = 0;
    for (let i = 0; i < upTo; i++) {
      const [a, b] = pairs(i);
      sum += a * b;
    }
    return sum / upTo; // of numbers with mean 0 and variance 1
  };
  const at = (i: number) => values[i] as number;

  it('are whole multiples of 2^-20 below 9.35, finite, of both signs alike', () => {
    let [odd, positive] = [0, 0];
    for (const value of values) {
      if (!Number.isInteger(value / NOISE_GRID) || Math.abs(value) > 9.35) odd++;
      if (value > 0) positive++;
    }
    expect(odd).toBe(0);
    expect(Math.abs(positive / count - 0.5)).toBeLessThan(4 * 0.5 * count ** -0.5);
  });

  it('use every step of the grid: their last bits are fair', () => {
    for (const bit of [0, 3]) {
      let ones = 0;
      for (const value of values) ones += (value / NOISE_GRID / 2 ** bit) & 1;
      expect(Math.abs(ones / count - 0.5)).toBeLessThan(4 * 0.5 * count ** -0.5);
    }
  });

  it('have the moments of a standard normal', () => {
    const sums = [0, 0, 0, 0, 0];
    for (const x of values)
      for (let power = 1, y = x; power <= 4; power++, y *= x) sums[power] = (sums[power] as number) + y;
    const moment = (power: number) => (sums[power] as number) / count;
    // Variances of x, x^2, x^3, x^4 of a normal: 1, 2, 15, 96. Four standard errors.
    const within = (variance: number) => 4 * Math.sqrt(variance / count);
    expect(Math.abs(moment(1))).toBeLessThan(within(1));
    expect(Math.abs(Math.sqrt(moment(2)) - 1)).toBeLessThan(0.0028); // four standard errors of the deviation
    expect(Math.abs(moment(3))).toBeLessThan(within(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(within(96));
  });

  it('have the distribution of a standard normal, by Kolmogorov and Smirnov', () => {
    const sorted = Float64Array.from(values).sort();
    const distance = sorted.reduce((most, x, i) => {
      const p = normalCdf(x);
      return Math.max(most, Math.abs(p - i / count), Math.abs(p - (i + 1) / count));
    }, 0);
    expect(Math.sqrt(count) * distance).toBeLessThan(2.23); // p = 2 exp(-2 * 2.23^2) = 1e-4
  });

  it('reach beyond 4 and 5 deviations as often as they should', () => {
    const beyond = (z: number) => values.filter((value) => Math.abs(value) > z).length;
    const wanted = 6.334e-5 * count; // 2 (1 - Phi(4)); and 2 (1 - Phi(5)) is 5.73e-7
    expect(Math.abs(beyond(4) - wanted)).toBeLessThan(4 * Math.sqrt(wanted));
    expect(beyond(5)).toBeLessThan(6); // 0.57 expected
    expect(beyond(4.4)).toBeGreaterThan(0); // 10.8 expected
  });

  it('are uncorrelated: neighbours, the two of a pair, their squares', () => {
    const first = (i: number) => 4 * (i >> 1) + (i & 1); // of pair i; its other number is two places on
    const pairs = Math.floor(count / 4) * 2;
    const spread = (x: number) => (x * x - 1) / Math.SQRT2;
    expect(Math.abs(correlation((i) => [at(i), at(i + 1)], count - 1))).toBeLessThan(4e-3);
    expect(Math.abs(correlation((i) => [at(first(i)), at(first(i) + 2)], pairs))).toBeLessThan(5.7e-3);
    expect(Math.abs(correlation((i) => [spread(at(first(i))), spread(at(first(i) + 2))], pairs))).toBeLessThan(5.7e-3);
  });

  it('are uncorrelated with those of another key', () => {
    const other = draw(keyOf(`other, ${name}`), count);
    expect(Math.abs(correlation((i) => [at(i), other[i] as number], count))).toBeLessThan(4e-3);
  });
});

describe('noise added to a sum in steps of the grid', () => {
  type Vectors = Record<'sum' | 'noise' | 'inverseGrid', np.Array>;
  const noisy = ({ sum, noise, inverseGrid }: Vectors) => {
    const steps = np.floor(sum.mul(inverseGrid).add(0.5));
    return { steps: steps.ref, total: steps.add(noise.mul(1 / NOISE_GRID)) };
  };

  /** Whole steps of the sums, and steps with noise, by a sweep in float32. */
  function sweep(sums: readonly number[], grid: number) {
    const names = ['sum', 'noise', 'steps', 'total'];
    const arena = createArena(Object.fromEntries(names.map((name) => [name, sums.length])));
    arena.vector('sum').set(sums);
    gaussianNoise(arena, 'noise')(keyOf('sum'));
    const ports = { vectors: ['sum', 'noise'], scalars: ['inverseGrid'] };
    compileSweep('noisy sum', noisy as never, ports).bind(arena, {}, {})({ inverseGrid: 1 / grid });
    return (name: string) => arena.vector(name);
  }
  const grid = 0.37 * NOISE_GRID;
  const sums = (scale: number) => Array.from({ length: 4001 }, (_, i) => (i / 2000 - 1) ** 3 * scale * grid);

  it('is exact integer arithmetic while the sums stay below 2^22 steps', () => {
    const read = sweep(sums(2 ** 22), grid);
    const [steps, noise] = [read('steps'), read('noise')];
    const exact = (sum: number) => Math.fround(sum * Math.fround(1 / grid));
    expect(steps.every((q, i) => Number.isInteger(q) && Math.abs(q - exact(read('sum')[i] as number)) <= 0.5)).toBe(
      true,
    );
    expect([...read('total')]).toEqual(Array.from(steps, (q, i) => q + (noise[i] as number) / NOISE_GRID)); // in float64
  });

  it('is the exact integer sum, rounded once to float32, however large', () => {
    for (const scale of [2 ** 24, 2 ** 26, 2 ** 40]) {
      const read = sweep(sums(scale), grid);
      const [steps, noise] = [read('steps'), read('noise')];
      expect(steps.every(Number.isInteger)).toBe(true);
      expect([...read('total')]).toEqual(
        Array.from(steps, (q, i) => Math.fround(q + (noise[i] as number) / NOISE_GRID)),
      );
    }
  });
});

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** P(X <= x), by the series x + x^3/3 + x^5/(3*5) + ... (Marsaglia 2004), good to 1e-15 within eight deviations. */
function normalCdf(x: number): number {
  let [sum, term] = [x, x];
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
