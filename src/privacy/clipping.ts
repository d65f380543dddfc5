// How the influence of one example is bounded: four rules, one interface.

import { numpy as np } from '@jax-js/jax';
import { type Key, uniforms } from '../engine/keys.ts';
import { splitNoise } from './adaptive-noise-split.ts';

export interface ClippingOptions {
  /**
   * - `fixed`: gradients longer than `clipNorm` are shortened to it (Abadi et al. 2016).
   * - `adaptive`: the clip norm follows a quantile of the gradient norms, estimated with noise that is paid for
   *   (Andrew et al. 2021, arXiv 1905.03871); `clipNorm` is where it starts.
   * - `auto-s`: every gradient g becomes g / (|g| + 0.01); nothing to tune (Bu et al. 2022, arXiv 2206.07136).
   * - `paper-unsound`: the clip norm is the un-noised median of per-tensor norms, as in the authors' code of ALIGN-FL.
   *   The bound depends on the data it is to protect, so there is NO guarantee. For comparison only.
   */
  readonly clipping: 'fixed' | 'adaptive' | 'auto-s' | 'paper-unsound';
  /** C, an L2 norm. Not used by `auto-s`, whose bound is 1. */
  readonly clipNorm: number;
  /** Share of gradients that `adaptive` aims to leave unclipped; the paper: the median, 0.5. */
  readonly quantile: number;
}

/** What a step saw, before noise: private. */
export interface NormObservation {
  /** Squared norms of whole gradients, one for each example in the batch. */
  readonly squaredNorms: readonly number[];
  /** The same for each tensor of each example; only `paper-unsound` asks for it. */
  readonly tensorSquaredNorms: readonly number[];
}

export interface Clipper {
  readonly needsTensorNorms: boolean;
  /** The bound of the first step. */
  readonly first: number;
  /** Standard deviation of the noise on the gradient sum over the bound, so that the step as a whole costs what was accounted. */
  readonly gradientNoise: number;
  /** Factors [B] such that no scaled gradient exceeds `bound` (a traced scalar). */
  factors(squaredNorms: np.Array, bound: np.Array): np.Array;
  /** The bound of the next step. `key` is used at most once. */
  next(bound: number, seen: NormObservation, key: Key): number;
}

/** The rule under the accounted noise multiplier. Throws SpecError where `adaptive` has no noise left to give. */
export function clipperOf(
  options: ClippingOptions,
  { noiseMultiplier, expectedBatch }: { readonly noiseMultiplier: number; readonly expectedBatch: number },
): Clipper {
  const plain = { needsTensorNorms: false, first: options.clipNorm, gradientNoise: noiseMultiplier };
  switch (options.clipping) {
    case 'fixed':
      return { ...plain, factors: shortened, next: (bound) => bound };
    case 'auto-s':
      return { ...plain, first: 1, factors: normalised, next: (bound) => bound };
    case 'paper-unsound':
      return { ...plain, needsTensorNorms: true, factors: shortened, next: medianOfTensors };
    case 'adaptive': {
      const countNoise = Math.max(expectedBatch / 20, LEAST_COUNT_NOISE * noiseMultiplier);
      const gradientNoise = splitNoise({ noiseMultiplier, countNoiseStd: countNoise });
      const next: Clipper['next'] = (bound, { squaredNorms }, key) => {
        const below = squaredNorms.reduce((sum, square) => sum + (square <= bound * bound ? 0.5 : -0.5), 0);
        const noise = Math.round(normalOf(key) * countNoise * 2 ** 20) / 2 ** 20;
        const share = Math.min(1, Math.max(0, (below + noise) / expectedBatch + 0.5));
        const moved = bound * Math.exp(-QUANTILE_RATE * (share - options.quantile));
        return Math.fround(Math.min(LARGEST_BOUND, Math.max(SMALLEST_BOUND, moved)));
      };
      return { ...plain, gradientNoise, factors: shortened, next };
    }
  }
}

// --- internal ---

/** gamma of AUTO-S, as its authors set it. */
const STABILISER = 0.01;

/** eta_C of Andrew et al. 2021. */
const QUANTILE_RATE = 0.2;

/** sigma_b over z: with at least this the gradient's noise grows by 5 % at most. */
const LEAST_COUNT_NOISE = 1.64;

const SMALLEST_BOUND = 1e-6;
const LARGEST_BOUND = 1e6;

/** A standard normal number in float64 (Box and Muller 1958). */
function normalOf(key: Key): number {
  const [radius, angle] = uniforms(key, 2) as unknown as [number, number];
  return Math.sqrt(-2 * Math.log1p(-radius)) * Math.cos(2 * Math.PI * angle);
}

/** min(1, C / |g|) */
function shortened(squaredNorms: np.Array, bound: np.Array): np.Array {
  return np.minimum(np.reciprocal(np.sqrt(squaredNorms)).mul(bound), 1);
}

/** C / (|g| + gamma) */
function normalised(squaredNorms: np.Array, bound: np.Array): np.Array {
  return np.reciprocal(np.sqrt(squaredNorms).add(STABILISER)).mul(bound);
}

/** The median of all tensors of all examples; the last bound where the batch was empty. */
function medianOfTensors(bound: number, { tensorSquaredNorms }: NormObservation): number {
  const sorted = tensorSquaredNorms.toSorted((a, b) => a - b);
  const median = Math.sqrt(sorted[Math.floor(sorted.length / 2)] ?? bound * bound);
  return Math.fround(Math.max(SMALLEST_BOUND, median));
}
