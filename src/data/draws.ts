// The random numbers of one drawing: one block under one key, taken one after the other.

import { fillBits, type Key } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';

/** A stream that belongs to one drawing. */
export interface Draws {
  /** Uniform in [min, max). */
  uniform(min: number, max: number): number;
  /** Normal with mean 0, cut off at three standard deviations, so that no drawing falls apart. */
  normal(std: number): number;
  /** A whole number in 0..count-1. */
  pick(count: number): number;
}

/** Up to `limit` numbers (a normal takes two). Throws ShapeError beyond: the drawing needs a larger limit. */
export function drawsFrom(key: Key, limit: number): Draws {
  const bits = fillBits(key, new Uint32Array(limit));
  let used = 0;
  const next = (): number => {
    if (used === limit) throw new ShapeError(`A drawing under ${key.path} used up its ${limit} random numbers.`);
    return ((bits[used++] as number) + 0.5) * 2 ** -32;
  };
  return {
    uniform: (min, max) => min + (max - min) * next(),
    normal: (std) => {
      const radius = Math.min(3, Math.sqrt(-2 * Math.log(next())));
      return std * radius * Math.cos(2 * Math.PI * next());
    },
    pick: (count) => Math.floor(count * next()),
  };
}
