// Which records a step of DP-SGD looks at: each with the same probability, independently of all others and of all steps.

import { fillBits, type Key } from '../engine/keys.ts';

/**
 * Rows of 0..count-1, ascending, each in the sample with probability `rate`: 53 random bits against `rate`, so the
 * probability is exact to 2^-53. May be empty, and then the step happens all the same: skipping it would tell.
 */
export function poissonSample(key: Key, count: number, rate: number): Uint32Array {
  const bits = fillBits(key, new Uint32Array(2 * count));
  const threshold = rate * 2 ** 53;
  const rows: number[] = [];
  for (let row = 0; row < count; row++) {
    const draw = ((bits[2 * row] as number) >>> 5) * 2 ** 26 + ((bits[2 * row + 1] as number) >>> 6); // 0 .. 2^53 - 1
    if (draw < threshold) rows.push(row);
  }
  return Uint32Array.from(rows);
}
