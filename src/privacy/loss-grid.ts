// The privacy loss of one step as masses on an evenly spaced grid, never less than the truth at any epsilon.
//
// Connect-the-dots (Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022) by its other side: the mass of each outcome
// moves to both neighbouring grid points in the shares that keep its probability on both data sets. Every term is
// positive, where second differences of delta cancel.

import { NumericalError } from '../errors.ts';
import type { Direction } from './loss-cgf.ts';
import { NODES_8, panelsOf, ratioLoss, ratioPoint, WEIGHTS_8 } from './density-ratio.ts';
import { logNormalCdf, quantileOfLog } from './normal-distribution.ts';
import type { SampledGaussian } from './sampled-phases.ts';

/** P(loss = (first + i) * interval) = mass[i]; infinite with probability `infinity`. */
export interface LossGrid {
  readonly interval: number;
  readonly first: number;
  /** [grid points], none negative. */
  readonly mass: Float64Array;
  readonly infinity: number;
}

export interface GridOptions {
  /** Between grid points, in nats. */
  readonly interval: number;
  /** ln of the probability cut from each tail: on the side of large losses it counts as infinite. */
  readonly logTail: number;
}

/** Throws NumericalError where the grid would have more than 2^22 points. */
export function lossGrid(step: SampledGaussian, direction: Direction, { interval, logTail }: GridOptions): LossGrid {
  const { samplingRate: q, noiseMultiplier: s } = step;
  const cut = -quantileOfLog(logTail) * s;
  const [lowX, highX] = [-cut, direction === 'remove' ? 1 + cut : cut];
  const lowest = Math.ceil(ratioLoss(step, lowX) / interval); // the bin of index i is (e_(i-1), e_i], e_i = i * interval
  const highest = Math.ceil(ratioLoss(step, highX) / interval);
  const below = lowest - 1; // the first grid point of a removed record; an added one's are the mirror images
  const points = highest - below + 1;
  if (!(points <= MOST_POINTS)) {
    throw new NumericalError(`A privacy loss grid of ${points} points is too long; use a wider interval.`, { points });
  }
  const upward = new Float64Array(points); // by index - below, whatever the direction
  const adding = direction === 'add';
  const bin: Splitter = { q, s, adding, scale: -1 / Math.expm1(-interval), edge: 1, raised: 0, total: 0 };
  let from = lowX;
  for (let index = lowest; index <= highest; index++) {
    const to = index === highest ? highX : Math.min(highX, ratioPoint(step, index * interval));
    if (to > from) {
      bin.edge = Math.exp(adding ? -index * interval : (index - 1) * interval);
      split(bin, from, to);
      const upper = index - below;
      const kept = bin.total - bin.raised;
      upward[upper] = (upward[upper] as number) + (adding ? kept : bin.raised);
      upward[upper - 1] = (upward[upper - 1] as number) + (adding ? bin.raised : kept);
      from = to;
    }
  }
  // losses below the grid are rounded up into it, as far as they may have to be; those above it count as infinite
  const tail = Math.exp(logNormalCdf(-cut / s));
  if (adding) {
    upward[points - 2] = (upward[points - 2] as number) + tail;
    return { interval, first: -highest, mass: upward.reverse(), infinity: tail };
  }
  upward[1] = (upward[1] as number) + (1 - q) * tail + q * Math.exp(logNormalCdf((-cut - 1) / s));
  const over = q * tail + (1 - q) * Math.exp(logNormalCdf(-(1 + cut) / s));
  return { interval, first: below, mass: upward, infinity: over };
}

// --- internal ---

const MOST_POINTS = 2 ** 22;

/** What all bins of a grid have in common. */
interface Splitter {
  readonly q: number;
  readonly s: number;
  readonly adding: boolean;
  /** 1 / (1 - e^-interval) */
  readonly scale: number;
  /** e^(loss, in this direction, at the lower end of the bin at hand). */
  edge: number;
  /** Mass of the bin at hand that moves to its upper end, and all of it. */
  raised: number;
  total: number;
}

/** Splits the mass of the outcomes between `from` and `to`, all of one bin, by Gauss-Legendre quadrature. */
function split(bin: Splitter, from: number, to: number): void {
  const { s } = bin;
  const precision = 1 / (s * s);
  const width = to - from;
  const norm = 1 / (s * Math.sqrt(2 * Math.PI));
  bin.raised = 0;
  bin.total = 0;
  if (width * precision * (1 + s + Math.max(Math.abs(from), Math.abs(to))) < NARROW) {
    // two nodes: relative error of the fourth power of that over 4320, and the exponentials around the middle by series
    const middle = (from + to) / 2;
    const lift = Math.exp((middle - 0.5) * precision);
    const density = 0.5 * width * norm * Math.exp(-0.5 * middle * middle * precision);
    const off = width * NODE_2;
    const rise = off * precision;
    visit(bin, density * smallExp(-rise * (middle + 0.5 * off)), lift * smallExp(rise));
    visit(bin, density * smallExp(rise * (middle - 0.5 * off)), lift * smallExp(-rise));
    return;
  }
  const panels = panelsOf(s, width);
  const half = width / panels / 2;
  for (let panel = 0; panel < panels; panel++) {
    const middle = from + (2 * panel + 1) * half;
    for (let i = 0; i < NODES_8.length; i++) {
      const x = middle + half * (NODES_8[i] as number);
      const density = half * (WEIGHTS_8[i] as number) * norm * Math.exp(-0.5 * x * x * precision);
      visit(bin, density, Math.exp((x - 0.5) * precision));
    }
  }
}

/** One node: its probability under Q, and e^((2 x - 1) / 2 s^2) there. */
function visit(bin: Splitter, underQ: number, lift: number): void {
  const ratio = 1 - bin.q + bin.q * lift; // P / Q
  const mass = bin.adding ? underQ : underQ * ratio;
  // (1 - e^-(loss - lower end)) / (1 - e^-interval)
  const share = bin.scale * (1 - (bin.adding ? ratio * bin.edge : bin.edge / ratio));
  bin.raised += mass * Math.min(1, Math.max(0, share));
  bin.total += mass;
}

/** Half of 1 / sqrt(3): nodes of the rule of two, as shares of the width from the middle. */
const NODE_2 = 0.28867513459481287;
/** Widths over which the integrand changes by less than this share take the short cut. */
const NARROW = 0.003;

/** e^x for |x| < 0.003, to the last digit. */
function smallExp(x: number): number {
  return 1 + x * (1 + (x / 2) * (1 + (x / 3) * (1 + (x / 4) * (1 + x / 5))));
}
