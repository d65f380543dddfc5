// Where integrals over the density ratio of the sampled Gaussian mechanism are sampled: Rényi divergences and moments.

import { ratioLoss } from './density-ratio.ts';
import type { SampledGaussian } from './sampled-phases.ts';

/** Lowest and highest outcome. */
export type Range = readonly [number, number];

/** Nodes z of the trapezoid rule under Q, with x = P/Q - 1 = q (e^((2 z - 1) / 2 s^2) - 1), whose mean is 0. */
export interface RatioGrid {
  /** ln of (step times density of Q), [nodes]. */
  readonly logWeight: Float64Array;
  readonly x: Float64Array;
  /** ln(1 + x) = the privacy loss. */
  readonly loss: Float64Array;
}

/**
 * For means under Q of powers (P / Q)^a: their mass lies within 12 s of z = 0 and z = a. The rule converges like
 * e^(-12 pi), as the integrand is analytic where |Im z| < pi s^2, and nodes are at most a sixth of that apart.
 */
export function ratioGrid(step: SampledGaussian, range: Range): RatioGrid {
  const { samplingRate: q, noiseMultiplier: s } = step;
  const spacing = Math.min(s / 4, (Math.PI * s * s) / 6);
  const [first, last] = range;
  const nodes = Math.ceil((last - first) / spacing) + 1;
  const logWeight = new Float64Array(nodes);
  const x = new Float64Array(nodes);
  const loss = new Float64Array(nodes);
  const logStep = Math.log(spacing / (s * Math.sqrt(2 * Math.PI)));
  for (let i = 0; i < nodes; i++) {
    const z = first + i * spacing;
    const exponent = (2 * z - 1) / (2 * s * s);
    logWeight[i] = logStep - (z * z) / (2 * s * s);
    x[i] = q * Math.expm1(exponent);
    loss[i] = ratioLoss(step, z);
  }
  return { logWeight, x, loss };
}
