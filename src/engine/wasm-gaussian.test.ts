import { describe, expect, it } from 'vitest';
import { childKey, fillBits, seedKey } from './keys.ts';
import { boxMullerModule, GROUP, NOISE_GRID, POLYNOMIALS } from './wasm-gaussian.ts';

const module = new WebAssembly.Module(boxMullerModule());

/** The kernel's numbers for groups of 96 bytes. */
function kernel(source: Uint8Array): Float32Array {
  const groups = source.length / GROUP.bytes;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((groups * (GROUP.bytes + 64)) / 65536) });
  const { exports } = new WebAssembly.Instance(module, { arena: { memory } });
  new Uint8Array(memory.buffer).set(source);
  (exports['boxMuller'] as (...args: number[]) => void)(0, source.length, groups);
  return new Float32Array(memory.buffer, source.length, groups * GROUP.normals).slice();
}

/** The same by the definition, with Math's functions: in steps of the grid, before rounding. */
function slowTwin(source: Uint8Array): Float64Array {
  const view = new DataView(source.buffer, source.byteOffset, source.length);
  const out = new Float64Array((source.length / GROUP.bytes) * GROUP.normals);
  for (let group = 0; group * GROUP.bytes < source.length; group++) {
    for (let pair = 0; pair < 8; pair++) {
      const x = view.getBigUint64(group * GROUP.bytes + 8 * pair, true);
      const w = view.getInt32(group * GROUP.bytes + 64 + 4 * pair, true);
      const u = Number(2n ** 63n - (x >> 1n)) * 2 ** -63; // rounded once, as the kernel's last difference is
      const r = (x & 1n ? -1 : 1) * Math.sqrt(-2 * Math.log(u)) * 2 ** 20;
      const angle = Math.PI * w * 2 ** -32;
      const place = group * GROUP.normals + 4 * (pair >> 1) + (pair & 1);
      out[place] = r * Math.cos(angle);
      out[place + 2] = r * Math.sin(angle);
    }
  }
  return out;
}

/** Random groups whose 64-bit words begin with `ones` ones: radii from the tail beyond sqrt(2 ones ln 2). */
function randomGroups(name: string, groups: number, ones = 0n): Uint8Array {
  const words = fillBits(childKey(seedKey('box-muller'), name), new Uint32Array(groups * 24));
  const source = new Uint8Array(words.buffer);
  const view = new DataView(source.buffer);
  const mask = (2n ** ones - 1n) << (64n - ones);
  for (let group = 0; group < groups; group++) {
    for (let at = group * GROUP.bytes; at < group * GROUP.bytes + 64; at += 8) {
      view.setBigUint64(at, view.getBigUint64(at, true) | mask, true);
    }
  }
  return source;
}

/** One group of eight equal pairs. */
function groupOf(x: bigint, w: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(GROUP.bytes));
  for (let pair = 0; pair < 8; pair++) {
    view.setBigUint64(8 * pair, x, true);
    view.setInt32(64 + 4 * pair, w, true);
  }
  return new Uint8Array(view.buffer);
}

/** Cosine and sine of the first pair. */
const pairOf = (x: bigint, w: number) => {
  const numbers = kernel(groupOf(x, w));
  return [numbers[0] as number, numbers[2] as number] as const;
};
const onGrid = (z: number) => Math.round(z / NOISE_GRID) * NOISE_GRID;

describe('the Box-Muller kernel', () => {
  it.each([
    ['all', 0n],
    ['tail', 30n],
  ])('gives the grid steps of its definition, apart from near ties (%s)', (name, ones) => {
    const source = randomGroups(name, 20_000, ones);
    const [fast, slow] = [kernel(source), slowTwin(source)];
    let others = 0;
    let worst = 0;
    fast.forEach((value, i) => {
      if (value / NOISE_GRID !== Math.round(slow[i] as number)) others++;
      worst = Math.max(worst, Math.abs(value / NOISE_GRID - (slow[i] as number)));
    });
    // A number rounds the other way as often as its error in steps is large: up to 6e-4 of them in the far tail.
    expect(others / fast.length).toBeLessThan(ones > 0n ? 6e-4 : 1e-4);
    expect(worst).toBeLessThan(0.5 + 1e-3);
  });

  it('takes u = 1/4 and an eighth of a turn by hand', () => {
    const quarter = 3n << 62n; // u = 1 - 3/4
    const side = Math.sqrt(-2 * Math.log(0.25)) / Math.SQRT2;
    expect(pairOf(quarter, 2 ** 30)).toEqual([onGrid(side), onGrid(side)]);
    expect(pairOf(quarter + 1n, 2 ** 30)).toEqual([onGrid(-side), onGrid(-side)]);
    expect(pairOf(quarter, -(2 ** 30))).toEqual([onGrid(side), onGrid(-side)]);
    const [cosine, sine] = pairOf(quarter, -(2 ** 31)); // at -pi/2, where the angle's range ends
    expect([cosine + 0, sine]).toEqual([0, -onGrid(side * Math.SQRT2)]);
  });

  it('is finite for all bits zero, all bits one and all between, and ends at 9.35', () => {
    const largest = Math.sqrt(-2 * Math.log(2 ** -63));
    expect(largest).toBeCloseTo(9.345, 3);
    expect(pairOf(0n, 0).map(Math.abs)).toEqual([0, 0]); // u = 1
    expect(pairOf(1n, 0x7fffffff).map(Math.abs)).toEqual([0, 0]);
    expect(pairOf(2n ** 64n - 1n, -1).map(Math.abs)).toEqual([onGrid(largest), 0]);
    expect(pairOf(2n ** 64n - 2n, 0x7fffffff).map(Math.abs)).toEqual([0, onGrid(largest)]);
    const patterns = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
    const all = patterns.flatMap((x) => [x, 2n ** 64n - x, x - 1n]).flatMap((x) => pairOf(x, 0x12345678));
    expect(all.every((value) => Math.abs(value) <= largest)).toBe(true); // which NaN would not be
  });

  it('keeps the shape of the tail: beyond any radius, r^2 / 2 is exponential', () => {
    for (const ones of [10, 30, 50]) {
      const numbers = kernel(randomGroups(`beyond ${ones}`, 5000, BigInt(ones)));
      const excess: number[] = [];
      for (let i = 0; i < numbers.length; i++) {
        if (i % 4 < 2)
          excess.push(((numbers[i] as number) ** 2 + (numbers[i + 2] as number) ** 2) / 2 - ones * Math.LN2);
      }
      excess.sort((a, b) => a - b);
      const distance = excess.reduce((most, e, i) => {
        const p = -Math.expm1(-Math.max(0, e));
        return Math.max(most, Math.abs(p - i / excess.length), Math.abs(p - (i + 1) / excess.length));
      }, 0);
      expect(Math.sqrt(excess.length) * distance).toBeLessThan(2.23); // passed once in ten thousand
    }
  });
});

describe('the polynomials', () => {
  const valueOf = (coefficients: readonly number[], y: number) => coefficients.reduceRight((sum, c) => sum * y + c, 0);
  const range = (most: number) => Array.from({ length: 20_000 }, (_, i) => (most * (i + 1)) / 20_000);

  it.each<[keyof typeof POLYNOMIALS, number, number, (t: number) => number]>([
    ['log', 3 - Math.sqrt(8), 4.3e-12, (s) => Math.atanh(s) / s],
    ['sine', 1, 4.6e-12, (t) => Math.sin((Math.PI * t) / 4) / t],
    ['cosine', 1, 5.7e-11, (t) => Math.cos((Math.PI * t) / 4)],
  ])('of %s are as close to the functions of Math as is said', (name, most, error, exact) => {
    const errors = range(most).map((t) => Math.abs(valueOf(POLYNOMIALS[name], t * t) / exact(t) - 1));
    const largest = Math.max(...errors);
    expect(largest).toBeLessThan(error);
    expect(largest).toBeGreaterThan(error / 1.1); // the documented figure is not a mere bound
  });
});
