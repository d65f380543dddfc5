// Random keys derived by name, never by order of arrival, and the counter-mode keystream behind them.
// A key's path (`run/silo-b/train-own/round-3/...`) decides its numbers, so silos may run in any order, anywhere.

import { createCipheriv, createHash, randomBytes } from 'node:crypto';

/** A named source of randomness. Use each key once: derive another with `childKey` instead of drawing twice. */
export interface Key {
  /** Whether whoever knows a seed can repeat its numbers (`seeded`), or nobody can, not even this run (`secret`). */
  readonly kind: 'seeded' | 'secret';
  /** Names from the root, joined by `/`. For messages and replay; never holds a random byte. */
  readonly path: string;
  /** 32 bytes: SHA-256 over parent and name. As secret as the root: a seed in a spec is public. */
  readonly bytes: Uint8Array;
}

/** Root of a reproducible experiment: the same seed gives the same numbers on every machine. */
export function seedKey(seed: number | string): Key {
  return { kind: 'seeded', path: 'run', bytes: sha256('align-fl/seed', String(seed)) };
}

/**
 * Root of numbers that nobody can repeat: 32 bytes from the operating system, other ones at every call. Noise and
 * samples that are to keep records private come from below such a key. `path` goes into messages, behind `secret/`.
 */
export function secretKey(path = 'run'): Key {
  return { kind: 'secret', path: `secret/${path}`, bytes: new Uint8Array(randomBytes(32)) };
}

/** The key called `name` below `parent`, of the same kind. Different names give independent keys. */
export function childKey(parent: Key, ...names: readonly (string | number)[]): Key {
  return names.reduce<Key>(
    ({ kind, path, bytes }, name) => ({ kind, path: `${path}/${name}`, bytes: sha256(bytes, String(name)) }),
    parent,
  );
}

/** Fills `out` with uniform bits: AES-128-CTR under the key, counter from zero. Returns `out`. */
export function fillBits(key: Key, out: Uint32Array): Uint32Array {
  const cipher = createCipheriv('aes-128-ctr', key.bytes.subarray(0, 16), ZERO_COUNTER);
  const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  const zeros = new Uint8Array(Math.min(bytes.length, CHUNK_BYTES));
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    bytes.set(cipher.update(zeros.subarray(0, Math.min(CHUNK_BYTES, bytes.length - at))), at);
  }
  return out;
}

/** `count` uniform numbers in (0, 1), 53 bits each, never 0 nor 1. */
export function uniforms(key: Key, count: number): Float64Array {
  const bits = fillBits(key, new Uint32Array(2 * count));
  return Float64Array.from({ length: count }, (_, i) => {
    return uniformFromBits(bits[2 * i] as number, bits[2 * i + 1] as number);
  });
}

/** A number in (0, 1) from the upper 27 bits of one word and the upper 26 of another. */
export function uniformFromBits(high: number, low: number): number {
  const steps = (high >>> 5) * 2 ** 26 + (low >>> 6);
  return Math.min((steps + 0.5) * 2 ** -53, 1 - 2 ** -53); // the half is rounded away above 1/2, and the last to 1
}

/** `count` standard normal numbers (Box-Muller in float64, rounded once to float32). */
export function normals(key: Key, count: number): Float32Array {
  const pairs = Math.ceil(count / 2);
  const u = uniforms(key, 2 * pairs);
  const out = new Float32Array(count);
  for (let i = 0; i < pairs; i++) {
    const radius = Math.sqrt(-2 * Math.log(u[2 * i] as number));
    const angle = 2 * Math.PI * (u[2 * i + 1] as number);
    out[2 * i] = radius * Math.cos(angle);
    if (2 * i + 1 < count) out[2 * i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/** A uniformly random order of 0..count-1 (Fisher-Yates). */
export function permutation(key: Key, count: number): Uint32Array {
  const u = uniforms(key, count);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((u[i] as number) * (i + 1));
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}

// --- internal ---

const ZERO_COUNTER = new Uint8Array(16);
const CHUNK_BYTES = 1 << 16;

function sha256(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
    hash.update(`${bytes.length}:`).update(bytes); // length first: no two lists of parts collide
  }
  return hash.digest();
}
