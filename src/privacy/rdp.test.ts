// Rényi divergences against multiprecision, their shape, and the conversion against numbers by hand.

import { describe, expect, it } from 'vitest';
import { epsilonFromRdp, orderEpsilon, refinedDeltaFromRdp, refinedEpsilonFromRdp } from './rdp-conversion.ts';
import { composedRdp, RDP_ORDERS, sampledGaussianRdp } from './rdp.ts';

describe('the Rényi divergence of a sampled Gaussian step', () => {
  // mpmath 1.2.1 at 60 digits: ln of the integral of P^a Q^(1 - a), over a - 1. Google's dp_accounting 0.6.0 is up to 24 %
  // above the fractional ones or infinite; Opacus 1.6.0 has -0.5197 in place of the one at 58.75.
  it.each([
    [0.01, 1, 1.1, 9.241471084686958e-5],
    [0.001, 20, 1.1, 1.3767170805019522e-9],
    [0.25, 0.5, 1.3, 0.4146200502],
    [0.25, 2, 2.4, 0.021579032074970587],
    [0.4, 12, 58.75, 0.03620214918],
    [0.999, 0.3, 10.5, 58.33222751717517],
    [0.001, 0.3, 1.5, 0.0030188325551332475],
    [0.001, 20, 64, 8.011251480312633e-8],
    [0.01, 10, 1024, 0.5139640696841711],
    [1e-6, 0.1, 256, 12786.130310969258],
  ])('q = %d, sigma = %d has %d -> %d', (samplingRate, noiseMultiplier, order, expected) => {
    const value = sampledGaussianRdp({ samplingRate, noiseMultiplier })(order);
    expect(Math.abs(value / expected - 1)).toBeLessThan(2e-10); // the two given to 10 digits; the others agree to 2e-12
  });

  it('agrees between the sum of whole orders and the integral of fractional ones', () => {
    const curve = sampledGaussianRdp({ samplingRate: 0.05, noiseMultiplier: 1.3 });
    for (const order of [2, 3, 7, 20]) {
      const around = (curve(order - 1e-6) + curve(order + 1e-6)) / 2;
      expect(around / curve(order)).toBeCloseTo(1, 9);
    }
  });

  it('is a / 2 sigma^2 without sampling, and nothing without records', () => {
    expect(sampledGaussianRdp({ samplingRate: 1, noiseMultiplier: 3 })(4)).toBe(4 / 18);
    expect(sampledGaussianRdp({ samplingRate: 0, noiseMultiplier: 3 })(4)).toBe(0);
    const nearly = sampledGaussianRdp({ samplingRate: 1 - 1e-12, noiseMultiplier: 3 });
    expect(nearly(4) / (4 / 18)).toBeCloseTo(1, 9);
    expect(nearly(4.5) / (4.5 / 18)).toBeCloseTo(1, 9);
  });

  it.each([
    [1e-5, 0.5],
    [0.01, 1],
    [0.3, 0.06],
    [0.01, 0.03], // by chords
    [0.9, 5],
  ])('never falls with the order, and times (a - 1) is convex: q = %d, sigma = %d', (samplingRate, noiseMultiplier) => {
    const curve = sampledGaussianRdp({ samplingRate, noiseMultiplier });
    const orders = Array.from({ length: 40 }, (_, i) => 1.25 + i / 4);
    orders.slice(1).forEach((order, i) => expect(curve(order)).toBeGreaterThanOrEqual(curve(orders[i] as number)));
    const moment = (order: number): number => (order - 1) * curve(order);
    for (const order of orders.slice(1)) {
      expect(moment(order - 0.25) + moment(order + 0.25)).toBeGreaterThanOrEqual(2 * moment(order) * (1 - 1e-9));
    }
  });

  it('adds up over phases and steps', () => {
    const phase = { samplingRate: 0.1, noiseMultiplier: 2, count: 30 };
    const other = { samplingRate: 1, noiseMultiplier: 9, count: 1 };
    expect(composedRdp([phase, other])(5)).toBeCloseTo(30 * sampledGaussianRdp(phase)(5) + 5 / 162, 14);
  });
});

describe('the conversion to (epsilon, delta)', () => {
  it('has the values by hand of a mechanism of pure epsilon 1 at order 32', () => {
    // r = 1: 1 + ln(31/32) - (ln 1e-5 + ln 32) / 31
    expect(orderEpsilon(1, 32, 1e-5)).toBeCloseTo(1 + Math.log(31 / 32) + (5 * Math.LN10 - 5 * Math.LN2) / 31, 14);
  });

  it('gives 0 where the total variation is below delta, and never less', () => {
    expect(orderEpsilon(1e-11, 2, 1e-5)).toBe(0); // 1 - e^-1e-11 < 1e-10
    expect(orderEpsilon(1e-9, 2, 1e-5)).toBeGreaterThan(0);
    expect(orderEpsilon(0, 1e6, 0.5)).toBe(0);
  });

  it('skips orders without a finite divergence, and is infinite where none has one', () => {
    const curve = (order: number): number => (order > 3 ? Number.NaN : order > 2 ? Infinity : order / 2);
    expect(epsilonFromRdp(curve, 1e-5, [1.005, 1.5, 2, 2.5, 4])).toEqual({
      value: orderEpsilon(1, 2, 1e-5),
      order: 2,
    });
    expect(epsilonFromRdp(() => Infinity, 1e-5, [2, 3]).value).toBe(Infinity);
    expect(refinedDeltaFromRdp(() => Number.NaN, 1, [2, 3]).value).toBe(1);
  });

  it('finds the best order between those of the grid', () => {
    const curve = composedRdp([{ samplingRate: 1, noiseMultiplier: 20, count: 1 }]);
    const grid = epsilonFromRdp(curve, 1e-9, RDP_ORDERS).value;
    const refined = refinedEpsilonFromRdp(curve, 1e-9, RDP_ORDERS);
    const scan = Math.min(
      ...Array.from({ length: 20_000 }, (_, i) => orderEpsilon(curve(50 + i / 50), 50 + i / 50, 1e-9)),
    );
    expect(refined.value).toBeLessThan(grid);
    expect(refined.value / scan).toBeCloseTo(1, 6);
  });

  it('is undone: delta at the epsilon of a delta is that delta', () => {
    const curve = composedRdp([{ samplingRate: 0.02, noiseMultiplier: 1.1, count: 3000 }]);
    for (const delta of [1e-3, 1e-6, 1e-12]) {
      const epsilon = refinedEpsilonFromRdp(curve, delta, RDP_ORDERS).value;
      expect(refinedDeltaFromRdp(curve, epsilon, RDP_ORDERS).value / delta).toBeCloseTo(1, 4);
    }
  });
});
