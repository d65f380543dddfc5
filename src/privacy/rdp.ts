// Rényi divergences of the Poisson-sampled Gaussian mechanism, by sums and integrals without a negative term.
//
// The published series (Mironov, Talwar and Zhang 2019, section 3.3) alternates in sign for fractional orders; here
// nothing cancels, so that every value is good to about 1e-12 and none is ever too small by more than that.

import { log1pExp, logExpm1 } from './log-arithmetic.ts';
import { type RatioGrid, ratioGrid } from './ratio-grid.ts';
import type { SampledGaussian, SampledPhase } from './sampled-phases.ts';

/** The Rényi divergence of a mechanism at an order above 1, in nats. */
export type RdpCurve = (order: number) => number;

/** The orders of Google's dp_accounting (1.1 to 10.9, 11 to 63 and powers of 2), and more between the large ones. */
export const RDP_ORDERS: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  ...[80, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 2048],
];

/**
 * RDP of one step under add-or-remove-one: D(P || Q) of P = (1 - q) N(0, s^2) + q N(1, s^2) from Q = N(0, s^2), which is
 * never below D(Q || P) (Mironov, Talwar and Zhang 2019, theorem 5). Keeps the integration grids it makes: ask one curve
 * for many orders.
 */
export function sampledGaussianRdp(step: SampledGaussian): RdpCurve {
  const { samplingRate, noiseMultiplier } = step;
  if (samplingRate === 0) return () => 0;
  if (samplingRate === 1) return (order) => order / (2 * noiseMultiplier ** 2);
  const whole = (order: number): number => wholeOrder(samplingRate, noiseMultiplier, order);
  const fractional = noiseMultiplier < LEAST_INTEGRATED_NOISE ? chordOf(whole) : fractionalOrders(step);
  return (order) => (Number.isInteger(order) && order <= MOST_TERMS ? whole(order) : fractional(order));
}

/** RDP of all `phases` one after another: the sum, order by order (Mironov 2017, proposition 1). */
export function composedRdp(phases: readonly SampledPhase[]): RdpCurve {
  const curves = phases.map((phase) => ({ count: phase.count, curve: sampledGaussianRdp(phase) }));
  return (order) => curves.reduce((sum, { count, curve }) => sum + count * curve(order), 0);
}

// --- internal ---

/** Below it the integration grid gets long, and any epsilon is far beyond use: chords between whole orders instead. */
export const LEAST_INTEGRATED_NOISE = 0.05;
/** Whole orders above it are integrated as well: the sum would have as many terms. */
const MOST_TERMS = 4096;

/**
 * With the binomial weights summing to 1, A - 1 = sum over k >= 2 of C(a, k) (1 - q)^(a - k) q^k expm1(k (k - 1) / 2 s^2):
 * every term positive.
 */
function wholeOrder(q: number, s: number, order: number): number {
  const logQ = Math.log(q);
  const logRest = Math.log1p(-q);
  const terms = new Float64Array(order - 1);
  let logChoose = Math.log(order);
  let high = -Infinity;
  for (let k = 2; k <= order; k++) {
    logChoose += Math.log((order - k + 1) / k);
    const term = logChoose + (order - k) * logRest + k * logQ + logExpm1((k * (k - 1)) / (2 * s * s));
    terms[k - 2] = term;
    if (term > high) high = term;
  }
  let sum = 0;
  for (let i = 0; i < terms.length; i++) sum += Math.exp((terms[i] as number) - high);
  return log1pExp(high + Math.log(sum)) / (order - 1);
}

/** (a - 1) RDP(a) is convex in the order a, and 0 at 1: its chord between whole orders is an upper bound. */
function chordOf(whole: RdpCurve): RdpCurve {
  return (order) => {
    const below = Math.floor(order);
    const share = order - below;
    const low = below < 2 ? 0 : (below - 1) * whole(below);
    return ((1 - share) * low + share * below * whole(below + 1)) / (order - 1);
  };
}

function fractionalOrders(step: SampledGaussian): RdpCurve {
  let grid: RatioGrid | undefined;
  let reach = 0;
  return (order) => {
    if (grid === undefined || order > reach) {
      reach = Math.max(12, 1.25 * order);
      const margin = 12 * step.noiseMultiplier;
      grid = ratioGrid(step, [-margin, reach + margin]);
    }
    return logExcess(grid, order) / (order - 1);
  };
}

/** ln A, with A - 1 = E[(1 + x)^a - 1 - a x]: as E[x] = 0 nothing is lost, and by Bernoulli no term is negative. */
function logExcess(grid: RatioGrid, order: number): number {
  const plain = excessMoment(grid, order);
  if (plain < 1e280) return Math.log1p(plain);
  let high = -Infinity; // beyond the largest number: the same sum as logarithms, where only (1 + x)^a counts
  const { logWeight, loss } = grid;
  for (let i = 0; i < loss.length; i++) high = Math.max(high, (logWeight[i] as number) + order * (loss[i] as number));
  let sum = 0;
  for (let i = 0; i < loss.length; i++) {
    sum += Math.exp((logWeight[i] as number) + order * (loss[i] as number) - high);
  }
  return high + Math.log(sum);
}

/** E[(1 + x)^power - 1 - power x], Infinity where it overflows. */
function excessMoment({ logWeight, x, loss }: RatioGrid, power: number): number {
  const small = Math.min(1e-2, 0.3 / power);
  const series = binomialSeries(power);
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const xi = x[i] as number;
    const weight = logWeight[i] as number;
    if (Math.abs(xi) < small) sum += Math.exp(weight) * series(xi);
    else {
      const raised = Math.exp(weight + power * (loss[i] as number));
      sum += raised > 0 ? raised - Math.exp(weight) * (1 + power * xi) : 0;
    }
  }
  return sum;
}

/** (1 + x)^a - 1 - a x for |a x| below about 0.3, where the difference itself would cancel: terms 2 to 13. */
function binomialSeries(power: number): (x: number) => number {
  const coefficients = new Float64Array(14);
  coefficients[0] = 1;
  for (let k = 1; k < 14; k++) coefficients[k] = ((coefficients[k - 1] as number) * (power - k + 1)) / k;
  return (x) => {
    let sum = 0;
    for (let k = 13; k >= 2; k--) sum = sum * x + (coefficients[k] as number);
    return sum * x * x;
  };
}
