// Searches for noise and steps against published calibrations, and for always ending on the safe side.

import { describe, expect, it } from 'vitest';
import { SpecError } from '../errors.ts';
import { epsilonOf } from './accountant.ts';
import { calibrateNoise, mostSteps } from './calibrate.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';

const sgd =
  (samplingRate: number, steps: number) =>
  (noiseMultiplier: number): DpEvent =>
    dpSgdEvent({ samplingRate, noiseMultiplier, steps });

describe('calibrateNoise', () => {
  // sigma: bisection over google/differential-privacy@b5b0286 dp_accounting 0.6.0 (PLD, interval 1e-4), or at q = 1 the root
  // of the closed form at 50 digits
  it.each([
    [0.5, 1e-5, 0.01, 100, 1.1426203111014206, 1e-4],
    [1, 1e-8, 0.02, 5000, 7.281488475995091, 1.1e-4], // theirs is above the truth by about 1e-4
    [8, 1e-5, 0.04, 2000, 1.2899683586187154, 1e-4],
    [10, 1e-5, 0.1, 1000, 1.748958766974227, 1e-4],
    [1, 1e-5, 1, 1, 3.730631634815942, 1e-9],
    [0.1, 1e-9, 1, 1, 50.20981826301533, 1e-9],
  ])('epsilon %d at delta %d with q = %d and %d steps takes sigma %d', (epsilon, delta, q, steps, sigma, tolerance) => {
    const { noiseMultiplier, bounds } = calibrateNoise({ epsilon, delta, eventOf: sgd(q, steps) });
    expect(Math.abs(noiseMultiplier / sigma - 1)).toBeLessThan(tolerance);
    expect(bounds).toEqual(epsilonOf(sgd(q, steps)(noiseMultiplier), delta));
    expect(bounds.epsilon).toBeLessThanOrEqual(epsilon);
    expect(bounds.epsilon).toBeGreaterThan(epsilon * (1 - 1e-4));
    expect(epsilonOf(sgd(q, steps)(noiseMultiplier * (1 - 1e-3)), delta).epsilon).toBeGreaterThan(epsilon);
  });

  it.each([0.05, 0.3, 2, 12, 50])('comes close to any target from below: epsilon %d', (epsilon) => {
    for (const eventOf of [sgd(0.01, 300), sgd(0.3, 7), sgd(1, 5)]) {
      const { bounds } = calibrateNoise({ epsilon, delta: 1e-6, eventOf });
      expect(bounds.epsilon).toBeLessThanOrEqual(epsilon);
      expect(bounds.epsilon).toBeGreaterThan(0.999 * epsilon);
    }
  });

  it('accounts for what was spent before, and says what is left where that is too much', () => {
    const spent = dpSgdEvent({ samplingRate: 0.02, noiseMultiplier: 2, steps: 500 });
    const eventOf = (noise: number): DpEvent => ({ type: 'composed', events: [spent, sgd(0.02, 500)(noise)] });
    const { epsilon: floor } = epsilonOf(spent, 1e-5);
    const { bounds } = calibrateNoise({ epsilon: 1.5 * floor, delta: 1e-5, eventOf });
    expect(bounds.epsilon).toBeLessThanOrEqual(1.5 * floor);
    expect(bounds.epsilon).toBeGreaterThan(1.49 * floor);
    expect(() => calibrateNoise({ epsilon: 0.9 * floor, delta: 1e-5, eventOf })).toThrow(
      new RegExp(`epsilon is still ${floor.toPrecision(3).slice(0, 4)}`),
    );
  });

  it('stays within the target where epsilon jumps or rises with the noise', () => {
    const jumping = (noise: number): DpEvent => sgd(0.1, noise < 3 ? 4000 : 10)(noise);
    const found = calibrateNoise({ epsilon: 2, delta: 1e-5, eventOf: jumping });
    expect(found.noiseMultiplier).toBeGreaterThanOrEqual(3);
    expect(found.noiseMultiplier).toBeLessThan(3 * (1 + 2e-7));
    expect(found.bounds.epsilon).toBeLessThan(2);
    const rising = (noise: number): DpEvent => sgd(0.1, Math.ceil(noise * 100))(noise);
    expect(calibrateNoise({ epsilon: 2, delta: 1e-5, eventOf: rising }).bounds.epsilon).toBeLessThanOrEqual(2);
  });

  it('takes few trials to find a jump, however far epsilon is off at its ends', () => {
    let trials = 0;
    const jumping = (noise: number): DpEvent => {
      trials += 1;
      return sgd(0.1, noise < 3 ? 4000 : 1)(noise);
    };
    expect(calibrateNoise({ epsilon: 2, delta: 1e-5, eventOf: jumping }).noiseMultiplier).toBeCloseTo(3, 6);
    expect(trials).toBeLessThan(48); // 18 of them cost nothing
  });

  it('asks for next to no noise where none is needed, and throws where none is enough', () => {
    expect(calibrateNoise({ epsilon: 1, delta: 1e-5, eventOf: sgd(0, 10) })).toEqual({
      noiseMultiplier: 0.01,
      bounds: { epsilon: 0, rdp: 0, pld: 0 },
    });
    expect(() => calibrateNoise({ epsilon: 1, delta: 0, eventOf: sgd(0.1, 10) })).toThrow(SpecError);
    const hopeless = (): DpEvent => ({ type: 'nonPrivate', reason: 'test' });
    expect(() => calibrateNoise({ epsilon: 1, delta: 1e-5, eventOf: hopeless })).toThrow(SpecError);
    for (const epsilon of [0, -1, Infinity, Number.NaN]) {
      expect(() => calibrateNoise({ epsilon, delta: 1e-5, eventOf: sgd(0.1, 10) })).toThrow(SpecError);
    }
  });
});

describe('mostSteps', () => {
  it.each([
    [2, 0.01, 1.1],
    [0.5, 0.3, 20],
    [8, 1, 3],
    [30, 0.01, 0.4],
  ])('finds the last step within epsilon %d at q = %d, sigma = %d', (epsilon, samplingRate, noiseMultiplier) => {
    const { steps, bounds } = mostSteps({ epsilon, delta: 1e-5, samplingRate, noiseMultiplier });
    const at = (count: number): number => epsilonOf(sgd(samplingRate, count)(noiseMultiplier), 1e-5).epsilon;
    expect(bounds.epsilon).toBe(at(steps));
    expect(bounds.epsilon).toBeLessThanOrEqual(epsilon);
    expect(at(steps + 1)).toBeGreaterThan(epsilon);
  });

  it('is 0 where one step is too many, and unbounded where none costs anything', () => {
    const tooMuch = { epsilon: 0.1, delta: 1e-5, samplingRate: 0.5, noiseMultiplier: 0.5 };
    expect(mostSteps(tooMuch)).toEqual({ steps: 0, bounds: { epsilon: 0, rdp: 0, pld: 0 } });
    expect(mostSteps({ ...tooMuch, noiseMultiplier: 0 }).steps).toBe(0);
    expect(mostSteps({ ...tooMuch, samplingRate: 0 }).steps).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => mostSteps({ ...tooMuch, epsilon: 0 })).toThrow(SpecError);
  });
});
