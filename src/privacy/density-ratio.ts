// The density ratio of the sampled Gaussian mechanism, outcome by outcome, and integrals over ranges of outcomes.

import { quantileOfLog } from './normal-distribution.ts';
import type { SampledGaussian } from './sampled-phases.ts';

/** ln(P / Q) at the outcome `x`: ln(1 - q + q e^((2 x - 1) / 2 s^2)). */
export function ratioLoss({ samplingRate: q, noiseMultiplier: s }: SampledGaussian, x: number): number {
  const exponent = (2 * x - 1) / (2 * s * s);
  if (q === 1) return exponent;
  if (exponent > 30) return Math.log(q) + exponent + Math.log1p(((1 - q) / q) * Math.exp(-exponent));
  return Math.log1p(q * Math.expm1(exponent));
}

/** The outcome where ln(P / Q) is `loss`; -Infinity where all are above. */
export function ratioPoint({ samplingRate: q, noiseMultiplier: s }: SampledGaussian, loss: number): number {
  if (q === 1) return s * s * loss + 0.5;
  if (loss > 30) return s * s * (loss - Math.log(q) + Math.log1p((q - 1) * Math.exp(-loss))) + 0.5;
  const ratio = Math.expm1(loss) / q;
  return ratio > -1 ? s * s * Math.log1p(ratio) + 0.5 : -Infinity;
}

/** Length of the grid of one step in the REMOVE direction, in nats. */
export function lossRange(step: SampledGaussian, logTail: number): number {
  const cut = -quantileOfLog(logTail) * step.noiseMultiplier;
  return ratioLoss(step, 1 + cut) - ratioLoss(step, -cut);
}

/** Calls `visit` with nodes of Gauss-Legendre quadrature in rising order: their probability under Q, and P / Q there. */
export function visitOutcomes(
  { samplingRate: q, noiseMultiplier: s }: SampledGaussian,
  range: { readonly from: number; readonly to: number },
  visit: (underQ: number, ratio: number) => void,
): void {
  const { from, to } = range;
  const panels = panelsOf(s, to - from);
  const half = (to - from) / panels / 2;
  const norm = half / (s * Math.sqrt(2 * Math.PI));
  for (let panel = 0; panel < panels; panel++) {
    for (let i = 0; i < NODES_8.length; i++) {
      const x = from + (2 * panel + 1 + (NODES_8[i] as number)) * half;
      const underQ = norm * (WEIGHTS_8[i] as number) * Math.exp((-0.5 * x * x) / (s * s));
      visit(underQ, 1 - q + q * Math.exp((x - 0.5) / (s * s)));
    }
  }
}

/** How many panels of 8 nodes a range of outcomes needs for errors of about 1e-15. */
export function panelsOf(noiseMultiplier: number, width: number): number {
  return Math.ceil((2 * width) / Math.min(noiseMultiplier, 4 * noiseMultiplier ** 2));
}

/** Gauss-Legendre on [-1, 1]. */
export const NODES_8 = [
  -0.9602898564975363, -0.7966664774136267, -0.525532409916329, -0.1834346424956498, 0.1834346424956498,
  0.525532409916329, 0.7966664774136267, 0.9602898564975363,
];
export const WEIGHTS_8 = [
  0.10122853629037626, 0.22238103445337448, 0.31370664587788727, 0.362683783378362, 0.362683783378362,
  0.31370664587788727, 0.22238103445337448, 0.10122853629037626,
];
