// The closed form of the Gaussian mechanism against 50-digit arithmetic.

import { describe, expect, it } from 'vitest';
import { gaussianEpsilon, gaussianLogDelta } from './analytic-gaussian.ts';

describe('the Gaussian mechanism without sampling', () => {
  // mpmath 1.2.1 at 50 digits, the root of Balle and Wang 2018, theorem 8
  it.each([
    [0.5, 1e-6, 2.254084650219741],
    [0.05, 1e-3, 0.0840176626554241],
    [2, 1e-3, 7.581279924570114],
    [0.25, 1e-5, 0.9263415039982295],
    [Math.sqrt(10) / 0.3, 1e-5, 99.67291862643049],
    [Math.sqrt(1e5) / 20, 1e-9, 218.98641209857524],
  ])('with shift %d at delta %d has epsilon %d', (shift, delta, epsilon) => {
    const found = gaussianEpsilon(shift, delta);
    expect(Math.abs(found / epsilon - 1)).toBeLessThan(2e-12);
    expect(gaussianLogDelta(shift, found)).toBeLessThanOrEqual(Math.log(delta)); // the safe side
  });

  // mpmath at 50 digits
  it.each([
    [2, 0.020923635821113732],
    [7, 5.167629703917737e-12],
    [8, 3.6508216874217905e-15],
  ])('with shift 1 has at epsilon %d delta %d', (epsilon, delta) => {
    expect(Math.abs(Math.exp(gaussianLogDelta(1, epsilon)) / delta - 1)).toBeLessThan(1e-12);
  });

  it('is total variation at epsilon 0, nothing without shift and everything without noise', () => {
    expect(Math.exp(gaussianLogDelta(1, 0))).toBeCloseTo(0.38292492254802624, 14); // 2 Phi(1/2) - 1
    expect(gaussianEpsilon(1, 0.383)).toBe(0);
    expect(gaussianEpsilon(0, 1e-9)).toBe(0);
    expect(gaussianLogDelta(0, 0)).toBe(-Infinity);
    expect(gaussianEpsilon(Infinity, 1e-9)).toBe(Infinity);
    expect(gaussianLogDelta(Infinity, 1e9)).toBe(0);
  });
});
