import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  childKey,
  fillBits,
  type Key,
  normals,
  permutation,
  secretKey,
  seedKey,
  uniformFromBits,
  uniforms,
} from './keys.ts';

const key = childKey(seedKey(1), 'round-3', 'silo-b', 'noise');

const bitsOf = (from: Key, count: number) => [...fillBits(from, new Uint32Array(count))];

describe('a key', () => {
  it('is SHA-256 over its parent and its name, lengths first', () => {
    // python3 -c 'import hashlib; h = lambda *p: hashlib.sha256(b"".join(b"%d:%s" % (len(x), x) for x in p)).digest();
    //   k = h(b"align-fl/seed", b"1"); [k := h(k, n) for n in (b"round-3", b"silo-b", b"noise")]; print(k.hex())'
    const hex = '83de1fd9b97b97964bb74cf16aedc3110b1c6ae9e2a9dbebebddbd29d3af80ef';
    expect(Buffer.from(key.bytes).toString('hex')).toBe(hex);
    expect(key.path).toBe('run/round-3/silo-b/noise');
  });

  it('depends on names only, not on the order in which keys are derived', () => {
    const late = childKey(seedKey(1), 'z');
    const early = childKey(childKey(childKey(seedKey('1'), 'round-3'), 'silo-b'), 'noise');
    expect(early).toEqual(key);
    expect(childKey(seedKey(1), 'z')).toEqual(late);
  });

  it('is another one for every other list of names, however they are joined', () => {
    const root = seedKey(1);
    const keys = [
      root,
      seedKey(2),
      childKey(root, 'a', 'b'),
      childKey(root, 'ab'),
      childKey(root, 'a/b'),
      childKey(root, 'a'),
      childKey(root, 'b', 'a'),
      childKey(root, 'a', ''),
      childKey(root, ''),
      childKey(root, 'a', 'b', ''),
      childKey(seedKey('1/a'), 'b'),
    ];
    expect(new Set(keys.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBe(keys.length);
  });

  it('differs for names that fast-check thinks of', () => {
    const names = fc.array(fc.string(), { maxLength: 4 });
    const draw = (list: readonly string[]) => bitsOf(childKey(seedKey(0), ...list), 4).join();
    fc.assert(
      fc.property(names, names, (a, b) => (draw(a) === draw(b)) === (JSON.stringify(a) === JSON.stringify(b))),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('a secret key', () => {
  const root = secretKey('silo-b');

  it('is another one at every call, and so is all below it', () => {
    const again = secretKey('silo-b');
    for (const [a, b] of [
      [root, again],
      [childKey(root, 'noise'), childKey(again, 'noise')],
    ] as const) {
      expect(a.bytes).toHaveLength(32);
      expect(a.bytes).not.toEqual(b.bytes);
    }
    expect(childKey(root, 'noise', 3)).toEqual(childKey(childKey(root, 'noise'), 3));
  });

  it('hands its kind down, as a seeded one does', () => {
    expect([root.kind, childKey(root, 'noise', 3).kind]).toEqual(['secret', 'secret']);
    expect([key.kind, seedKey(1).kind]).toEqual(['seeded', 'seeded']);
  });

  it('says in its path that it is secret, and nothing of its bytes', () => {
    expect(childKey(root, 'noise', 3).path).toBe('secret/silo-b/noise/3');
    expect(secretKey().path).toBe('secret/run');
  });
});

describe('fillBits', () => {
  it('is the keystream of AES-128-CTR', () => {
    // head -c 16 /dev/zero | openssl enc -aes-128-ctr -nopad -K 83de1fd9b97b97964bb74cf16aedc311 \
    //   -iv 00000000000000000000000000000000 | od -An -tu4
    expect(bitsOf(key, 4)).toEqual([3486641079, 1063145786, 3714173765, 3867863833]);
  });

  it('gives the same words however many are asked for', () => {
    const words = bitsOf(key, 40_000); // past two of its chunks of 2^16 bytes
    for (const count of [0, 1, 5, 16_383, 16_384, 16_385, 32_769])
      expect(bitsOf(key, count)).toEqual(words.slice(0, count));
  });

  it('fills a part of a larger buffer and leaves the rest alone', () => {
    const whole = new Uint32Array(8);
    expect(fillBits(key, whole.subarray(2, 5))).toHaveLength(3);
    expect([...whole]).toEqual([0, 0, ...bitsOf(key, 3), 0, 0, 0]);
  });

  it('has ones and zeros in equal numbers, and bytes that pass a chi-square test', () => {
    for (const name of ['first', 'second']) {
      const words = fillBits(childKey(seedKey('bits'), name), new Uint32Array(100_000));
      const bytes = new Uint8Array(words.buffer);
      const counts = new Uint32Array(256);
      for (const byte of bytes) counts[byte] = (counts[byte] as number) + 1;
      // 255 degrees of freedom: mean 255, standard deviation 22.6; four of them each way.
      expect(Math.abs(chiSquare(counts) - 255)).toBeLessThan(4 * 22.6);
    }
  });
});

describe('uniforms', () => {
  it('lie strictly between 0 and 1 for all bits', () => {
    expect(uniformFromBits(0, 0)).toBe(2 ** -54);
    expect(uniformFromBits(0xffffffff, 0xffffffff)).toBe(1 - 2 ** -53);
    expect(uniformFromBits(0x80000000, 0)).toBeCloseTo(0.5, 15);
  });

  it('have mean 1/2 and variance 1/12, and begin alike whatever their number', () => {
    for (const name of ['first', 'second']) {
      const own = childKey(seedKey('uniforms'), name);
      const { mean, variance } = moments(uniforms(own, 100_000));
      expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 100_000));
      expect(variance).toBeCloseTo(1 / 12, 3);
      expect([...uniforms(own, 7)]).toEqual([...uniforms(own, 1000).subarray(0, 7)]);
    }
  });
});

describe('normals', () => {
  it.each(['first', 'second'])('have the moments of a standard normal (%s key)', (name) => {
    const count = 200_000;
    const { mean, variance, skewness, kurtosis } = moments(normals(childKey(seedKey('normals'), name), count));
    // Standard errors of the four: 1, sqrt 2, sqrt 6, sqrt 24, over sqrt N. Four of each.
    const within = (order: number) => 4 * Math.sqrt(order / count);
    expect(Math.abs(mean)).toBeLessThan(within(1));
    expect(Math.abs(variance - 1)).toBeLessThan(within(2));
    expect(Math.abs(skewness)).toBeLessThan(within(6));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(within(24));
  });

  it('begin alike whatever their number, odd ones too', () => {
    const long = [...normals(key, 1001)];
    for (const count of [0, 1, 2, 3, 500]) expect([...normals(key, count)]).toEqual(long.slice(0, count));
  });

  it('come in pairs from two uniforms by Box and Muller', () => {
    const [u, v] = uniforms(key, 2) as unknown as [number, number];
    const radius = Math.sqrt(-2 * Math.log(u));
    const [first, second] = normals(key, 2) as unknown as [number, number];
    expect(first).toBe(Math.fround(radius * Math.cos(2 * Math.PI * v)));
    expect(second).toBe(Math.fround(radius * Math.sin(2 * Math.PI * v)));
  });
});

describe('permutation', () => {
  it('holds every number once, for any count', () => {
    for (const count of [0, 1, 2, 3, 10, 1000]) {
      const order = permutation(childKey(key, count), count);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });

  it('takes each of the 24 orders of four things equally often', () => {
    const counts = new Map<string, number>();
    const draws = 6000;
    for (let i = 0; i < draws; i++) {
      const order = permutation(childKey(seedKey('orders'), i), 4).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // 23 degrees of freedom: 49.7 is passed once in a thousand.
    expect(chiSquare([...counts.values()])).toBeLessThan(49.7);
  });

  it('brings each of twelve things to each place equally often', () => {
    const side = 12;
    const counts = new Uint32Array(side * side);
    for (let i = 0; i < 4000; i++) {
      permutation(childKey(seedKey('places'), i), side).forEach((thing, place) => {
        counts[place * side + thing] = (counts[place * side + thing] as number) + 1;
      });
    }
    // 121 degrees of freedom: mean 121, standard deviation 15.6; four of them.
    expect(chiSquare(counts)).toBeLessThan(121 + 4 * 15.6);
  });
});

function chiSquare(counts: ArrayLike<number>): number {
  const all = Array.from(counts);
  const expected = all.reduce((sum, count) => sum + count, 0) / all.length;
  return all.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

function moments(values: Float64Array | Float32Array) {
  const all = Float64Array.from(values);
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  const central = (power: number) => all.reduce((sum, x) => sum + (x - mean) ** power, 0) / all.length;
  const variance = central(2);
  return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}
