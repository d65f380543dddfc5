// Composed privacy losses against plain convolution, and against an inversion that needs neither grid nor transform.

import { describe, expect, it } from 'vitest';
import { addedChernoff, type Direction, lossCgf, saddlePointOfEpsilon } from './loss-cgf.ts';
import { type LossGrid, lossGrid } from './loss-grid.ts';
import { logNormalDensity, normalCdf } from './normal-distribution.ts';
import { aimAt, composeTail } from './pld-composition.ts';
import { directedDelta, directedEpsilon, pldDelta, pldEpsilon, pldLowerEpsilon } from './pld.ts';
import { ratioGrid } from './ratio-grid.ts';
import type { SampledPhase } from './sampled-phases.ts';

const phase = (samplingRate: number, noiseMultiplier: number, count: number): SampledPhase => ({
  samplingRate,
  noiseMultiplier,
  count,
});

/** delta of all `grids` one after another, one product at a time. */
function plainDelta(grids: readonly LossGrid[], epsilon: number): number {
  const interval = (grids[0] as LossGrid).interval;
  let mass = Float64Array.of(1);
  for (const grid of grids) {
    const next = new Float64Array(mass.length + grid.mass.length - 1);
    mass.forEach((p, i) => grid.mass.forEach((r, j) => (next[i + j] = (next[i + j] as number) + p * r)));
    mass = next;
  }
  const first = grids.reduce((sum, grid) => sum + grid.first, 0);
  const finite = grids.reduce((product, { infinity }) => product * (1 - infinity), 1);
  return mass.reduce((sum, p, i) => {
    const loss = (first + i) * interval;
    return loss > epsilon ? sum - p * Math.expm1(epsilon - loss) : sum;
  }, 1 - finite);
}

/**
 * delta(epsilon) of removing a record as the integral of M(z)^T e^(-z epsilon) / (z (z + 1)) over the line Re z = tilt, over
 * 2 pi i, with the moments M by quadrature: the Fourier accountant of Zhu, Dong and Wang 2022, in its bare form.
 */
function invertedDelta({ samplingRate, noiseMultiplier, count }: SampledPhase, epsilon: number, tilt: number): number {
  const s = noiseMultiplier;
  const { logWeight, loss } = ratioGrid({ samplingRate, noiseMultiplier: s }, [-12 * s, tilt + 1 + 12 * s]);
  const integrand = (w: number): number => {
    let [re, im] = [0, 0];
    loss.forEach((l, i) => {
      const size = Math.exp((logWeight[i] as number) + (1 + tilt) * l);
      re += size * Math.cos(w * l);
      im += size * Math.sin(w * l);
    });
    const logSize = 0.5 * count * Math.log(re * re + im * im) - tilt * epsilon;
    const angle = count * Math.atan2(im, re) - w * epsilon - Math.atan2(w, tilt) - Math.atan2(w, tilt + 1);
    return (Math.exp(logSize) * Math.cos(angle)) / Math.hypot(tilt, w) / Math.hypot(tilt + 1, w);
  };
  const step = 0.02;
  let sum = integrand(0) / 2;
  for (let w = step; w < 40; w += step) sum += integrand(w);
  return (sum * step) / Math.PI;
}

describe('composeTail', () => {
  it.each(['remove', 'add'] as const)(
    'agrees with plain convolution where nothing is tilted away: %s',
    (direction: Direction) => {
      const options = { interval: 0.02, logTail: -12 }; // so that what is cut off counts
      const phases = [phase(0.2, 1, 3), phase(0.05, 0.8, 2)];
      const laws = phases.map((part) => ({ grid: lossGrid(part, direction, options), count: part.count }));
      const grids = laws.flatMap(({ grid, count }) => Array.from({ length: count }, () => grid));
      const cgf = lossCgf(phases, direction, options.logTail);
      for (const epsilon of [0.011, 0.3, 0.7]) {
        const point = saddlePointOfEpsilon(cgf, epsilon, 1);
        const expected = plainDelta(grids, epsilon);
        const tail = composeTail(laws, aimAt(cgf, point, Math.log(expected)));
        const found = Math.exp(tail.logDelta(epsilon));
        expect(found).toBeGreaterThan(expected * (1 - 1e-10));
        expect(found).toBeLessThan(expected * (1 + (direction === 'remove' ? 1e-7 : 2e-4))); // coarse for so small losses
        expect(tail.epsilon(Math.log(found)) / epsilon).toBeCloseTo(1, 9);
      }
    },
  );
});

describe('the distribution of the privacy loss', () => {
  it.each([
    [phase(0.01, 0.8, 1000), 3.1],
    [phase(0.2, 3, 200), 4.5],
    [phase(0.05, 1.2, 300), 2.4],
  ])('agrees with numerical inversion of the moments: %o at epsilon %d', (part, epsilon) => {
    const { tilt } = saddlePointOfEpsilon(lossCgf([part], 'remove', -80), epsilon, 1);
    const exact = invertedDelta(part, epsilon, tilt);
    expect(invertedDelta(part, epsilon, 0.8 * tilt) / exact).toBeCloseTo(1, 8); // the line does not matter
    const found = directedDelta([part], 'remove', epsilon);
    expect(found).toBeGreaterThan(exact);
    expect(found).toBeLessThan(exact * (1 + 1e-3));
    const { epsilon: back } = directedEpsilon([part], 'remove', exact);
    expect(back).toBeGreaterThan(epsilon);
    expect(back).toBeLessThan(epsilon * (1 + 1e-4));
    const lower = pldLowerEpsilon([part], exact) as number;
    expect(lower).toBeLessThan(epsilon);
    expect(lower).toBeGreaterThan(epsilon * (1 - 1e-3));
  });

  // mpmath at 50 digits; a plain transform (dp_accounting 0.6.0) has 4.35e-12 and -1.1e-12 for the last two
  it.each([
    [100, 2, 0.020923635821113732],
    [100, 8, 3.6508216874217905e-15],
    [100_000, 7, 5.167629703917761e-12],
    [100_000, 8, 3.650821687421813e-15],
  ])('stays above the truth after %d Gaussian steps, however small delta: epsilon %d', (count, epsilon, exact) => {
    const steps = phase(1, Math.sqrt(count), count);
    const found = directedDelta([steps], 'remove', epsilon);
    expect(found).toBeGreaterThan(exact);
    expect(found / exact).toBeLessThan(1.01);
    expect(pldDelta([steps], epsilon) / exact).toBeCloseTo(1, 10); // by the closed form
  });

  it('gets sharper with the grid, and never less safe', () => {
    const phases = [phase(0.02, 1, 500)];
    const [coarse, fine, finest] = [8e-3, 4e-3, 2e-3].map(
      (interval) => directedEpsilon(phases, 'remove', 1e-6, interval).epsilon,
    );
    expect(fine).toBeLessThan(coarse as number);
    expect(finest).toBeLessThan(fine as number);
    const ratio = ((coarse as number) - (fine as number)) / ((fine as number) - (finest as number));
    expect(ratio).toBeGreaterThan(3.5); // 4: the error is of second order
    expect(ratio).toBeLessThan(4.5);
  });

  // no case is known where adding costs more, and no theorem that there is none
  it('takes the larger of removing and adding', () => {
    for (const part of [phase(0.3, 1.5, 20), phase(0.9, 0.7, 2)]) {
      const [removed, added] = [directedEpsilon([part], 'remove', 1e-5), directedEpsilon([part], 'add', 1e-5)];
      expect(pldEpsilon([part], 1e-5)).toBeCloseTo(Math.max(removed.epsilon, added.epsilon), 11);
    }
  });

  it('is passed by at adding a record only where a Chernoff bound allows it', () => {
    const phases = [phase(0.3, 1.5, 20), phase(0.05, 1, 40)];
    for (const epsilon of [0.5, 2, 4]) {
      const delta = directedDelta(phases, 'add', epsilon);
      const logBounds = [0.5, 1, 2, 3, 4, 6, 9, 14, 20].map(
        (tilt) => addedChernoff(phases, tilt).intercept - tilt * epsilon,
      );
      expect(Math.min(...logBounds)).toBeGreaterThan(Math.log(delta));
      expect(Math.min(...logBounds)).toBeLessThan(Math.log(delta) + 2); // about ln(sqrt(2 pi) times deviations)
    }
    // without sampling it is the conversion of the Rényi divergence
    const plain = addedChernoff([phase(1, 2, 1)], 3).intercept - 3 * 0.7;
    expect(plain).toBeCloseTo(3 * (4 / 8 - 0.7 + Math.log(3 / 4)) - Math.log(4), 13);
  });

  // So much noise that a step's losses are below the digits of numbers near 1. There a sampled step is all but the unsampled
  // one with noise s / q, whose epsilon is as good as its delta over the shift: a = phi(k) - k Phi(-k) at epsilon = k * shift.
  it.each([
    [1e-3, 1e9, 1e4],
    [0.5, 1e12, 1000],
    [1e-6, 1e9, 1e4],
    [1, 1e12, 1],
    [1, 1e18, 1],
  ])('stays above the truth where a loss is lost in round-off: q = %d, sigma = %d, %d steps', (q, sigma, count) => {
    const shift = (q * Math.sqrt(count)) / sigma;
    for (const k of [0.3, 4]) {
      const delta = shift * (Math.exp(logNormalDensity(k)) - k * normalCdf(-k));
      const epsilon = pldEpsilon([phase(q, sigma, count)], delta * (1 - 1e-6));
      expect(epsilon).toBeGreaterThan(k * shift);
      expect(epsilon).toBeLessThan(1.001 * k * shift + 1e-9);
      expect(pldLowerEpsilon([phase(q, sigma, count)], delta) ?? 0).toBeLessThanOrEqual(k * shift);
      expect(pldDelta([phase(q, sigma, count)], k * shift)).toBeGreaterThan(delta * (1 - 1e-9));
    }
  });

  it.each([
    [5e-324, 0.3, 3],
    [1e-300, 1e100, 1],
    [1e-100, 0.3, 3],
    [1 - 2 ** -53, 1e100, 3],
  ])('has bounds however rare sampling is and however much noise there is: q = %d, sigma = %d', (q, sigma, count) => {
    const phases = [phase(q, sigma, count)];
    expect(pldEpsilon(phases, 1e-290)).toBe(Infinity); // too small a delta
    expect(pldEpsilon(phases, 1e-70)).toBeGreaterThanOrEqual(pldLowerEpsilon(phases, 1e-70) ?? 0);
  });

  it('is 0 where delta covers all sampling, and gives up where the noise is next to none', () => {
    expect(pldEpsilon([phase(1e-3, 1, 1)], 1e-3)).toBe(0);
    expect(pldEpsilon([phase(1e-3, 0.04, 1)], 1e-6)).toBe(Infinity);
    expect(pldDelta([phase(1e-3, 0.04, 1)], 1)).toBe(1);
  });
});
