// Many steps of privacy loss at once: grids composed by Fourier transform where the wanted delta lies, however small.
//
// A plain transform has round-off of 1e-16 of everything. So each step's law is first tilted by e^(tilt * loss), which
// brings the sum's bulk to the epsilon asked for and makes round-off relative to delta; the answer is tilted back.

import { signalOf, type Spectrum, spectrumOf } from './fft.ts';
import { type Cumulants, type LossCgf, type SaddlePoint, sumOfCumulants } from './loss-cgf.ts';
import type { LossGrid } from './loss-grid.ts';

/** `count` independent draws from `grid`. All grids of a composition have one interval. */
export interface LossLaw {
  readonly grid: LossGrid;
  readonly count: number;
}

/** The composed law from some loss upwards. Bounds from above; none of them is sharp far below the tilted mean. */
export interface ComposedTail {
  /** ln of an upper bound on delta at `epsilon`. */
  logDelta(epsilon: number): number;
  /** The smallest epsilon >= 0 at which the bound is e^`logDelta`; Infinity where it never gets that small. */
  epsilon(logDelta: number): number;
}

/** Cumulants of the finite part of the composed law. */
export function gridCgf(laws: readonly LossLaw[], tilt: number): Cumulants {
  return sumOfCumulants(
    laws.map(({ grid, count }) => ({ count, cgf: (at) => gridCumulants(grid, at) })),
    tilt,
  );
}

/** Where a composition is computed sharply, and how it is tilted for that. */
export interface TailAim {
  readonly tilt: number;
  readonly epsilon: number;
  /** ln of about the delta there: what the window of the transform cuts is below 1e-8 of it. */
  readonly logDelta: number;
  /** Losses above `top` count as infinite. */
  readonly top: number;
  /** The tilt of the Chernoff bound on their probability. */
  readonly topTilt: number;
  /** Of the window below `top`, in nats. */
  readonly width: number;
}

/**
 * The aim with the narrowest window for an epsilon that is the mean of `point`. Tilting less than to that mean is as good
 * while round-off stays small, and much narrower for heavy tails.
 */
export function aimAt(cgf: LossCgf, point: SaddlePoint, logDelta: number): TailAim {
  const logDepth = point.value - point.tilt * point.mean;
  const aims = [1, 0.75, 0.5].flatMap((share) => {
    const tilt = share * point.tilt;
    const depth = tilt === point.tilt ? logDepth : cgf(tilt).value - tilt * point.mean;
    if (depth > logDepth + MOST_ROUND_OFF) return [];
    return { tilt, epsilon: point.mean, logDelta, ...windowOf(cgf, { ...point, tilt }, logDelta + LOG_CUT) };
  });
  return aims.reduce((best, aim) => (aim.width < best.width ? aim : best));
}

/**
 * Composes `laws`. The bounds hold whatever the aim; how sharp they are depends on it. With what is cut `leftOut` they are
 * not bounds from above: what is left is lower by as much, and what the transform wraps around is within 1e-8 of delta.
 */
export function composeTail(
  laws: readonly LossLaw[],
  aim: TailAim,
  cut: 'infinite' | 'leftOut' = 'infinite',
): ComposedTail {
  const { tilt, epsilon: center } = aim;
  const interval = (laws[0] as LossLaw).grid.interval;
  const [least, most] = supportOf(laws); // in grid points
  const top = Math.min(most, Math.ceil(aim.top / interval));
  const points = Math.min(MOST_POINTS, aim.width / interval, most - least) + 4;
  const size = points > 64 ? 2 ** Math.ceil(Math.log2(points)) : 64; // also where there is no aim
  const bottom = top - size; // losses above it are where they belong
  const { mass, shift } = composeTilted(laws, tilt, size);
  const logInfinity = Math.log(
    -Math.expm1(laws.reduce((sum, { grid, count }) => sum + count * Math.log1p(-grid.infinity), 0)) +
      (top === most || cut === 'leftOut'
        ? 0
        : Math.exp(gridCgf(laws, aim.topTilt).value - aim.topTilt * (top + 1) * interval)),
  );
  const logScale = gridCgf(laws, tilt).value - tilt * center;
  const extra = Math.exp(logInfinity - logScale);
  /** Walks down from the top until `stop`: `above` and `discounted` are sums of mass and of mass e^-(loss - center). */
  const walk = (stop: (lowerEnd: number, above: number, discounted: number) => boolean): Walk => {
    let [above, discounted] = [0, 0];
    let [weight, discount] = [0, 0];
    const growth = Math.exp(tilt * interval);
    const growthOfDiscount = Math.exp(interval);
    let index = top;
    for (; index > bottom; index--) {
      if ((top - index) % FRESH === 0) {
        weight = Math.exp(tilt * (center - index * interval));
        discount = Math.exp(center - index * interval);
      }
      const here = weight * Math.max(0, mass[modulo(index - shift, size)] as number);
      above += here;
      discounted += here * discount;
      if (stop((index - 1) * interval, above, discounted)) break;
      weight *= growth;
      discount *= growthOfDiscount;
    }
    return { above, discounted, lowerEnd: Math.max(bottom, index - 1) * interval };
  };
  return {
    logDelta(epsilon) {
      if (epsilon >= top * interval) return logInfinity;
      if (epsilon < bottom * interval && tilt > 0) return 0; // too far down to say anything
      const { above, discounted } = walk((lowerEnd) => lowerEnd <= epsilon);
      return logScale + Math.log(Math.max(0, above - Math.exp(epsilon - center) * discounted) + extra);
    },
    epsilon(wanted) {
      const target = Math.exp(wanted - logScale) - extra;
      if (!(target > 0)) return Infinity;
      const { above, discounted, lowerEnd } = walk((end, a, d) => end <= 0 || a - Math.exp(end - center) * d >= target);
      const epsilon = above > target ? center + Math.log((above - target) / discounted) : -Infinity;
      return Math.max(0, lowerEnd, epsilon);
    },
  };
}

// --- internal ---

const MOST_POINTS = 2 ** 20;
/** ln 1e-8: the share of delta that may be cut. */
const LOG_CUT = -18.42;
/** How many standard deviations below the aim an epsilon may turn out to be. */
const SLACK_STD = 1;
/** ln of the factor by which round-off may grow relative to delta: from about 1e-13. */
const MOST_ROUND_OFF = 10;
/** Weights are multiplied on from one grid point to the next, and computed anew this often. */
const FRESH = 64;

interface Walk {
  readonly above: number;
  readonly discounted: number;
  /** How far it got: all losses above are counted. */
  readonly lowerEnd: number;
}

/** Lowest and highest finite loss of the sum, in grid points. */
function supportOf(laws: readonly LossLaw[]): readonly [number, number] {
  return [
    laws.reduce((sum, { grid, count }) => sum + count * grid.first, 0),
    laws.reduce((sum, { grid, count }) => sum + count * (grid.first + grid.mass.length - 1), 0),
  ];
}

/**
 * Losses above `top` have probability below e^logCut (Chernoff, the best of some tilts). Below, the transform wraps around:
 * mass that lands `width` above its place counts e^(-tilt width) of itself, and what falls from above the window to just
 * above epsilon counts e^(tilt width) as much. Both are on the safe side, so `width` is chosen for sharpness only.
 */
function windowOf(
  cgf: LossCgf,
  { tilt, mean, variance }: SaddlePoint,
  logCut: number,
): Pick<TailAim, 'top' | 'topTilt' | 'width'> {
  const std = Math.sqrt(variance);
  const floor = mean - SLACK_STD * std;
  let [top, topTilt, lowest, returning] = [Infinity, tilt, -Infinity, Infinity];
  for (const step of [0.7, 1, 1.4, 2, 2.5, 3, 3.5, 4, 5, 6, 8]) {
    const higher = tilt + step / std;
    const { value } = cgf(higher);
    if ((value - logCut) / higher < top) [top, topTilt] = [(value - logCut) / higher, higher];
    returning = Math.min(returning, (value - higher * floor - logCut) / (higher - tilt));
    if (tilt * std < 2) lowest = Math.max(lowest, ((logCut - cgf(-step / std).value) * std) / step);
  }
  const wrapping = Math.min(top - lowest, tilt > 0 ? -logCut / tilt : Infinity);
  return { top, topTilt, width: Math.max(top - floor, wrapping, returning) };
}

/** ln of the frequencies' size, of 1, below which they are left out. */
const LOG_LEAST = -80;

/** Mass of the tilted composition by grid index modulo `size`; entry 0 is the index `shift`. */
function composeTilted(
  laws: readonly LossLaw[],
  tilt: number,
  size: number,
): { readonly mass: Float64Array; readonly shift: number } {
  const spectra = laws.map(({ grid, count }) => {
    // no factor is above 1: one below this (squared, of one step) makes the product negligible
    return { ...tiltedSpectrum(grid, tilt, size), count, least: Math.exp((2 * LOG_LEAST) / count) };
  });
  const shift = spectra.reduce((sum, { center, count }) => sum + center * count, 0);
  const re = new Float64Array(size / 2);
  const im = new Float64Array(size / 2);
  const [first, last] = [powers(spectra, 're'), powers(spectra, 'im')];
  re[0] = first;
  im[0] = last;
  for (let k = 1; k < size / 2; k++) {
    let [logLength, angle] = [0, 0];
    for (const { spectrum, count, least } of spectra) {
      const a = spectrum.re[k] as number;
      const b = spectrum.im[k] as number;
      const square = a * a + b * b;
      logLength = square < least ? -Infinity : logLength + 0.5 * count * Math.log(square);
      if (logLength < LOG_LEAST) break;
      angle += count * Math.atan2(b, a);
    }
    if (logLength < LOG_LEAST) continue;
    const length = Math.exp(logLength);
    re[k] = length * Math.cos(angle);
    im[k] = length * Math.sin(angle);
  }
  return { mass: signalOf({ re, im }), shift };
}

/** The product of the real entries at 0, each to the power of its count. */
function powers(
  spectra: readonly { readonly spectrum: Spectrum; readonly count: number }[],
  part: 're' | 'im',
): number {
  return spectra.reduce((product, { spectrum, count }) => product * (spectrum[part][0] as number) ** count, 1);
}

/** Transform of one step's tilted masses, wrapped to `size`, with index `center` (near their mean) moved to 0. */
function tiltedSpectrum(
  grid: LossGrid,
  tilt: number,
  size: number,
): { readonly spectrum: Spectrum; readonly center: number } {
  const { interval, first, mass } = grid;
  const { value, mean } = gridCumulants(grid, tilt);
  const center = Math.round(mean / interval);
  const wrapped = new Float64Array(size);
  for (let i = 0; i < mass.length; i++) {
    const at = modulo(first + i - center, size);
    const tilted = (mass[i] as number) * Math.exp(tilt * interval * (first + i) - value);
    wrapped[at] = (wrapped[at] as number) + tilted;
  }
  return { spectrum: spectrumOf(wrapped), center };
}

/** By Horner's rule in r = e^(tilt interval), from the largest loss down, rescaled where it would overflow. */
function gridCumulants({ interval, first, mass }: LossGrid, tilt: number): Cumulants {
  const r = Math.exp(tilt * interval);
  let [sum, first1, second, scale, logScale] = [0, 0, 0, 1, 0]; // polynomial in r, its derivative, half its second
  for (let i = mass.length - 1; i >= 0; i--) {
    second = second * r + first1;
    first1 = first1 * r + sum;
    sum = sum * r + scale * (mass[i] as number);
    if (second > 1e200) {
      sum *= 1e-200;
      first1 *= 1e-200;
      second *= 1e-200;
      scale *= 1e-200;
      logScale += LOG_1E200;
    }
  }
  const mean = (r * first1) / sum; // in grid steps above the first
  const variance = (2 * r * r * second) / sum + mean - mean * mean;
  return {
    value: Math.log(sum) + logScale + tilt * interval * first,
    mean: (mean + first) * interval,
    variance: Math.max(variance, 1e-20) * interval * interval,
  };
}

const LOG_1E200 = 200 * Math.LN10;

function modulo(index: number, size: number): number {
  const rest = index % size;
  return rest < 0 ? rest + size : rest;
}
