// Random bits become Gaussian noise inside a traced function, so the host only has to supply a keystream.

import { numpy as np } from '@jax-js/jax';
import { type ArraySpec, uint32 } from './array-spec.ts';

/** Spec of the bits that `gaussianFromBits` needs for noise of `shape`: two words per number. */
export function gaussianBits(...shape: readonly number[]): ArraySpec {
  return uint32(2, ...shape);
}

/**
 * Standard normal noise, float32, by Box and Muller (1958): sqrt(-2 ln u) cos(2 pi v) with u, v uniform on the 2^24
 * multiples of 2^-24 in (0, 1]. Tails end at 5.77 standard deviations. Traced; `bits` is uint32 [2, ...shape].
 */
export function gaussianFromBits(bits: np.Array): np.Array {
  const uniform = np
    .rightShift(bits, np.array(8, { dtype: np.uint32 }))
    .astype(np.float32)
    .add(1) // exact in float32, as a half would not be
    .mul(2 ** -24);
  const [first, second] = np.split(uniform, 2, 0) as [np.Array, np.Array];
  const radius = np.sqrt(np.log(first).mul(-2));
  return np.squeeze(radius.mul(np.cos(second.mul(2 * Math.PI))), 0);
}
