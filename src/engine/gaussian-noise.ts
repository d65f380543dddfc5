// Gaussian noise that privacy can rest on: float64 Box-Muller from a cipher's keystream, on a grid, a million in a few ms.
//
// Floating-point noise added to a floating-point sum leaves low-order bits that tell one from the other (Mironov 2012,
// "On significance of the least significant bits"; Haney et al. 2022, arXiv 2207.13793). Here the noise comes in whole
// steps of a grid; whoever rounds the sum to the same steps before adding meets nothing but whole numbers.

import { createCipheriv } from 'node:crypto';
import type { Arena } from './arena.ts';
import type { Key } from './keys.ts';
import { boxMullerModule, GROUP } from './wasm-gaussian.ts';

export { NOISE_GRID } from './wasm-gaussian.ts';

/**
 * Fills `vector` with standard normal noise on the grid 2^-20, round(z * 2^20) / 2^20, by Box and Muller (1958): at
 * most 9.35 in absolute value, so every number is k * 2^-20 with |k| < 2^24 and exact in float32. All of it comes
 * from the AES-256-CTR keystream of the key, 48 bits a number, none kept from call to call: use each key once.
 * Elements up to the next 64-byte border may be overwritten, and the arena's scratch is.
 */
export function gaussianNoise(arena: Arena, vector: string): (key: Key) => void {
  const { byteOffset, length } = arena.vector(vector);
  const { scratch, memory } = arena;
  const module = new WebAssembly.Module(boxMullerModule());
  const instance = new WebAssembly.Instance(module, { arena: { memory } });
  const boxMuller = instance.exports['boxMuller'] as (source: number, target: number, groups: number) => void;
  const chunkGroups = Math.floor(scratch.length / GROUP.bytes);
  const zeros = new Uint8Array(chunkGroups * GROUP.bytes);
  const groups = Math.ceil(length / GROUP.normals);
  return (key) => {
    const cipher = createCipheriv('aes-256-ctr', key.bytes, COUNTER_FROM_ZERO);
    for (let done = 0; done < groups; done += chunkGroups) {
      const count = Math.min(chunkGroups, groups - done);
      scratch.set(cipher.update(count === chunkGroups ? zeros : zeros.subarray(0, count * GROUP.bytes)));
      boxMuller(scratch.byteOffset, byteOffset + done * GROUP.normals * 4, count);
    }
  };
}

// --- internal ---

const COUNTER_FROM_ZERO = new Uint8Array(16);
