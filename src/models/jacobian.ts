// How steep a decoder is at given codes: norms of the Jacobian J = dx/dz of its images, row by row, as traced functions.
//
// All of them can be differentiated again with respect to what `images` closes over: that is what penalties on them do.

import { grad, jvp, lax, numpy as np, vjp } from '@jax-js/jax';
import type { Parameters } from './layers.ts';
import { sigmoid } from './layers.ts';
import type { Vae } from './vae.ts';

/** `z [B, L] -> x [B, D]`, each row of its own row alone. Keeps what it closes over alive. */
export type ImageFunction = (z: np.Array) => np.Array;

/** Images, after the sigmoid. */
export function imageFunction(vae: Pick<Vae, 'decode'>, parameters: Parameters): ImageFunction {
  return (z) => sigmoid(vae.decode(parameters, z));
}

/** J^T 1 [B, L]: gradient of the sum of all pixels of an image with respect to its code `z [B, L]`. */
export function pixelSumGradient(images: ImageFunction, z: np.Array): np.Array {
  return grad((codes: np.Array) => images(codes).sum())(z) as np.Array;
}

/**
 * ||J||_2 [B] at `z [B, L]` by power iteration on J^T J from `start [B, L]`, which must not be zero in any row. Each of
 * `iterations` costs one product J v and one J^T u. Never above the true norm, and near it where the second singular value
 * is smaller: the share missing falls like (s2/s1)^(4 iterations).
 *
 * Only the last product is differentiated: with unit vectors u and v held fixed, the derivative of u^T J v is that of the
 * singular value once they have converged (Miyato et al. 2018, arXiv 1802.05957, for weights; here for Jacobians).
 */
export function spectralNorm(
  images: ImageFunction,
  z: np.Array,
  { start, iterations }: { readonly start: np.Array; readonly iterations: number },
): np.Array {
  let v = unitRows(start); // [B, L]
  for (let i = 0; i < iterations; i++) {
    const u = product(images, lax.stopGradient(z.ref), v); // [B, D]
    v = unitRows(lax.stopGradient(transposedProduct(images, lax.stopGradient(z.ref), u)));
  }
  const last = product(images, z, lax.stopGradient(v)); // [B, D]
  const u = unitRows(lax.stopGradient(last.ref));
  return u.mul(last).sum(1); // [B]
}

/**
 * ||J||_F^2 [B] at `z [B, L]`, estimated without bias as the mean of |J^T v|^2 over random `projections [P, B, D]` with
 * v ~ N(0, I) (Hutchinson 1990; for Jacobians Hoffman et al. 2019, arXiv 1908.02729). One estimate has a relative standard
 * deviation of at most sqrt(2 / P), less where several singular values are alike.
 */
export function squaredFrobeniusNorm(images: ImageFunction, z: np.Array, projections: np.Array): np.Array {
  const [count, batch, pixels] = projections.shape as [number, number, number];
  const each = Array.from({ length: count }, (_, i) => {
    const v = projections.ref.slice(i).reshape([batch, pixels]);
    return np.square(transposedProduct(images, z.ref, v)).sum(1); // [B]
  });
  z.dispose();
  projections.dispose();
  return each.reduce((sum, next) => sum.add(next)).mul(1 / count);
}

// --- internal ---

/** Below this length a vector stays as short as it is: a Jacobian may vanish. */
const LEAST_LENGTH = 1e-12;

/** J v [B, D], forward mode. */
function product(images: ImageFunction, z: np.Array, v: np.Array): np.Array {
  const [x, tangent] = jvp(images, [z], [v]) as [np.Array, np.Array];
  x.dispose();
  return tangent;
}

/** J^T u [B, L], reverse mode. */
function transposedProduct(images: ImageFunction, z: np.Array, u: np.Array): np.Array {
  const [x, pull] = vjp(images, [z]);
  x.dispose();
  const [gradient] = pull(u) as unknown as [np.Array];
  pull.dispose();
  return gradient;
}

function unitRows(vectors: np.Array): np.Array {
  const lengths = np.sqrt(np.square(vectors.ref).sum(1, { keepdims: true }));
  return vectors.div(np.maximum(lengths, LEAST_LENGTH));
}
