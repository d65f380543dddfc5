// Draws from the symmetric Dirichlet distribution, for uneven partitions.

import { childKey, type Key, normals, uniforms } from '../engine/keys.ts';

/**
 * `count` shares that sum to 1, from Dirichlet(alpha, ..., alpha), alpha > 0: gamma variates divided by their sum
 * (Devroye 1986, chapter XI.4). Computed in logarithms, since for small alpha most variates underflow.
 */
export function dirichlet(key: Key, count: number, alpha: number): readonly number[] {
  const x = normals(childKey(key, 'normal'), count * TRIES);
  const u = uniforms(childKey(key, 'uniform'), count * (TRIES + 1));
  const logs = Array.from({ length: count }, (_, i) =>
    logGammaVariate(alpha, x.subarray(i * TRIES, (i + 1) * TRIES), u.subarray(i * (TRIES + 1), (i + 1) * (TRIES + 1))),
  );
  const greatest = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - greatest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

// --- internal ---

const TRIES = 16; // each is accepted with probability above 0.95

/**
 * Logarithm of a Gamma(alpha, 1) variate: Marsaglia and Tsang (2000) for alpha + 1, then their step down,
 * Gamma(alpha) = Gamma(alpha + 1) * U^(1 / alpha). `x`: normals, a try each; `u`: uniforms, likewise, and one more.
 */
function logGammaVariate(alpha: number, x: Float32Array, u: Float64Array): number {
  const d = alpha + 1 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  const down = Math.log(u[TRIES] as number) / alpha;
  for (let i = 0; i < TRIES; i++) {
    const xi = x[i] as number;
    const root = 1 + c * xi;
    if (root <= 0) continue;
    const v = root ** 3;
    if (Math.log(u[i] as number) < 0.5 * xi * xi + d - d * v + d * Math.log(v)) return Math.log(d * v) + down;
  }
  return Math.log(d) + down; // 16 rejections, probability below 1e-20: a central value stands in
}
