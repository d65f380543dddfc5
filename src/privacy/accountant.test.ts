// The accountant against published ones, at its edges, and for what any privacy bound must satisfy.

import { describe, expect, it } from 'vitest';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { deltaOf, epsilonOf, fastEpsilonCurve, optimisticEpsilon } from './accountant.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';

const sgd = (samplingRate: number, noiseMultiplier: number, steps: number): DpEvent =>
  dpSgdEvent({ samplingRate, noiseMultiplier, steps });
const together = (phases: readonly (readonly [number, number, number])[]): DpEvent => ({
  type: 'composed',
  events: phases.map((phase) => sgd(...phase)),
});

describe('epsilonOf', () => {
  // Phases of [q, sigma, steps]. `rdp`: exact divergences (mpmath) on the 156 orders of dp_accounting 0.6.0
  // (google/differential-privacy@b5b0286). `pld`: its connect-the-dots accountant at intervals of 2e-6 to 1e-3. `lower`: the
  // lower end of microsoft/prv_accountant@a844f72, or the closed form.
  it.each([
    {
      phases: [[0.01, 1, 10_000]],
      delta: 1e-5,
      rdp: 6.712738297545411,
      pld: 6.187744976039963,
      lower: 6.177388141665295,
    },
    {
      phases: [[16 / 3750, 0.7, 10_546]],
      delta: 1e-5,
      rdp: 6.318100586588249,
      pld: 5.639446660466054,
      lower: 5.629062546305928,
    },
    {
      phases: [[0.001, 20, 100_000]],
      delta: 1e-9,
      rdp: 0.08766843397723519,
      pld: 0.0787710334325547,
      lower: 0.07469964041557832,
    },
    {
      phases: [[0.25, 2, 500]],
      delta: 1e-5,
      rdp: 17.84870291362138,
      pld: 16.61428274167965,
      lower: 16.603562667600027,
    },
    {
      phases: [[0.04, 1.5, 2250]],
      delta: 1e-5,
      rdp: 7.329111171484219,
      pld: 6.768787376865253,
      lower: 6.758431220267124,
    },
    {
      phases: [[0.001, 0.3, 1000]],
      delta: 1e-5,
      rdp: 22.11308476768264,
      pld: 18.1446198286231,
      lower: 18.133102678550003,
    },
    {
      phases: [[0.999, 1, 20]],
      delta: 1e-5,
      rdp: 30.101342943367875,
      pld: 28.348200651423593,
      lower: 28.337192298223314,
    },
    {
      phases: [[0.01, 1, 1]],
      delta: 1e-5,
      rdp: 0.9555491477031696,
      pld: 0.1994504734692671,
      lower: 0.19945044779591473,
    },
    { phases: [[1, 20, 1000]], delta: 1e-5, rdp: 8.079406222420491, pld: 7.5112759040690085, lower: 7.511275900744782 },
    {
      phases: [
        [0.004, 1, 5000],
        [1, 20, 1],
      ],
      delta: 1e-6,
      rdp: 1.9738509783890952,
      pld: 1.7484031722781646,
      lower: 1.7395232763239645,
    },
    {
      phases: [
        [0.1, 4, 200],
        [0.1, 2, 200],
        [0.1, 1, 20],
      ],
      delta: 1e-5,
      rdp: 5.722949450916068,
      pld: 5.087802366870337,
      lower: 5.077470097897164,
    },
    {
      phases: [
        [0.001, 0.7, 5000],
        [0.005, 1.5, 2000],
      ],
      delta: 1e-6,
      rdp: 2.38019307973824,
      pld: 1.4765129903780474,
      lower: 1.4689070346907929,
    },
  ] as const)('agrees with published accountants on $phases', ({ phases, delta, rdp, pld, lower }) => {
    const bounds = epsilonOf(together(phases), delta);
    expect(bounds.rdp).toBeLessThanOrEqual(rdp * (1 + 1e-9));
    expect(bounds.rdp).toBeGreaterThan(0.95 * rdp); // more orders than theirs
    expect(bounds.pld).toBeGreaterThanOrEqual(lower * (1 - 1e-14));
    expect(Math.abs(bounds.pld / pld - 1)).toBeLessThan(1.5e-4); // theirs is up to 1.4e-4 too large, at the third
    expect(bounds.epsilon).toBe(bounds.pld);
    const optimistic = optimisticEpsilon(together(phases), delta);
    if (optimistic !== null) {
      expect(optimistic).toBeLessThanOrEqual(bounds.epsilon);
      expect(optimistic).toBeGreaterThan(bounds.epsilon * (1 - 3e-4));
    }
  });

  const edges: readonly (readonly [string, DpEvent, number, number])[] = [
    ['nothing at delta 0 when nothing is sampled', sgd(0, 1, 100), 0, 0],
    ['nothing without events', { type: 'composed', events: [] }, 1e-5, 0],
    ['nothing after no steps', sgd(0.1, 0, 0), 1e-5, 0],
    ['nothing at delta 1', sgd(1, 0.5, 3), 1, 0],
    ['nothing at delta 1, even without noise', { type: 'nonPrivate', reason: 'test' }, 1, 0],
    ['infinite at delta 0', sgd(0.01, 1, 1), 0, Infinity],
    ['infinite without noise', sgd(0.01, 0, 1), 1e-5, Infinity],
    ['infinite where something has no guarantee', { type: 'nonPrivate', reason: 'test' }, 0.5, Infinity],
  ];
  it.each(edges)('is %s', (_, event, delta, epsilon) => {
    expect(epsilonOf(event, delta)).toEqual({ epsilon, rdp: epsilon, pld: epsilon });
    if (epsilon === 0) expect(optimisticEpsilon(event, delta)).toBe(0);
  });

  it('throws for a delta that is none', () => {
    for (const delta of [-1e-9, 1.5, Number.NaN]) expect(() => epsilonOf(sgd(0.1, 1, 1), delta)).toThrow(SpecError);
    expect(() => epsilonOf(sgd(0.1, -1, 1), 1e-5)).toThrow(SpecError);
  });

  it('has a number for extreme noise, sampling and numbers of steps', () => {
    for (const event of [sgd(0.5, 0.01, 3), sgd(1e-12, 1, 1e9), sgd(0.9, 1e5, 7), sgd(1, 1e-3, 1), sgd(1e-300, 1, 1)]) {
      for (const delta of [1e-300, 1e-15, 0.3]) {
        const { epsilon, rdp, pld } = epsilonOf(event, delta);
        expect(epsilon).toBeGreaterThanOrEqual(0);
        expect(epsilon).toBe(Math.min(rdp, pld));
        expect(epsilon).toBeLessThan(Infinity);
      }
    }
  });
});

describe('any accountant', () => {
  const draws = Array.from({ length: 8 }, (_, i) => {
    const u = uniforms(childKey(seedKey('accountant'), i), 4);
    const between = (low: number, high: number, at: number): number => low * (high / low) ** (u[at] as number);
    return {
      q: between(1e-3, 1, 0),
      sigma: between(0.4, 20, 1),
      steps: Math.ceil(between(1, 500, 2)),
      delta: between(1e-10, 1e-2, 3),
    };
  });
  const epsilon = (event: DpEvent, delta: number): number => epsilonOf(event, delta).epsilon;
  const slack = 1e-4; // as far as grids of different intervals may differ

  it.each(draws)(
    'counts more noise as better and more sampling or steps as worse: %o',
    ({ q, sigma, steps, delta }) => {
      const bounds = epsilonOf(sgd(q, sigma, steps), delta);
      const here = bounds.epsilon;
      expect(bounds.pld).toBeLessThanOrEqual(bounds.rdp * (1 + 1e-6));
      expect(epsilon(sgd(q, 1.02 * sigma, steps), delta)).toBeLessThanOrEqual(here * (1 + slack));
      expect(epsilon(sgd(q, sigma, steps), 2 * delta)).toBeLessThanOrEqual(here * (1 + slack));
      expect(epsilon(sgd(Math.min(1, 1.02 * q), sigma, steps), delta)).toBeGreaterThanOrEqual(here * (1 - slack));
      expect(epsilon(sgd(q, sigma, steps + 1), delta)).toBeGreaterThanOrEqual(here * (1 - slack));
      expect(epsilon(sgd(1, sigma, steps), delta)).toBeGreaterThanOrEqual(here * (1 - slack));
    },
  );

  it.each(draws)('is undone by the inverse, and no better with more phases: %o', ({ q, sigma, steps, delta }) => {
    const event = sgd(q, sigma, steps);
    const bounds = epsilonOf(event, delta);
    const back = deltaOf(event, bounds.epsilon);
    if (bounds.epsilon > 0) expect(back.delta / delta).toBeCloseTo(1, 2);
    expect(back.delta).toBeLessThanOrEqual(delta * (1 + 1e-3));
    expect(deltaOf(event, bounds.rdp).rdp).toBeLessThanOrEqual(delta * (1 + 1e-4));
    expect(epsilon({ type: 'composed', events: [event, sgd(0.05, 5, 3)] }, delta)).toBeGreaterThan(
      bounds.epsilon * (1 - slack),
    );
  });

  it('has the same digits however a training is cut up', () => {
    const whole = epsilonOf({ type: 'composed', events: [sgd(0.02, 1.1, 100), sgd(0.01, 2, 50), sgd(1, 9, 4)] }, 1e-5);
    const cut: DpEvent = {
      type: 'composed',
      events: [sgd(1, 9, 1), sgd(0.02, 1.1, 37), sgd(0.01, 2, 50), sgd(1, 9, 3), sgd(0.02, 1.1, 63), { type: 'noOp' }],
    };
    expect(epsilonOf(cut, 1e-5)).toEqual(whole);
  });

  it('charges a split of one noise into two releases on the same sample as the one', () => {
    const joint: DpEvent = {
      type: 'selfComposed',
      count: 200,
      event: {
        type: 'poissonSampled',
        samplingRate: 0.05,
        event: {
          type: 'composed',
          events: [
            { type: 'gaussian', noiseMultiplier: 1.5 },
            { type: 'gaussian', noiseMultiplier: 2 },
          ],
        },
      },
    };
    expect(epsilonOf(joint, 1e-6).epsilon / epsilonOf(sgd(0.05, 1.2, 200), 1e-6).epsilon).toBeCloseTo(1, 12);
  });
});

describe('deltaOf', () => {
  // google/differential-privacy@b5b0286 pld_privacy_accountant_test.py
  it('agrees with published numbers', () => {
    expect(deltaOf(sgd(1, Math.sqrt(3), 3), 1).pld).toBeCloseTo(0.126936, 5);
    expect(Math.abs(deltaOf(sgd(0.2, 0.5, 3), 1).pld - 0.15594)).toBeLessThan(1e-3);
  });

  it('is 1 without a guarantee, 0 where nothing is released or epsilon is infinite, and throws for an epsilon below 0', () => {
    expect(deltaOf({ type: 'nonPrivate', reason: 'test' }, 3).delta).toBe(1);
    expect(deltaOf({ type: 'noOp' }, 0).delta).toBe(0);
    expect(deltaOf(sgd(0.1, 1, 10), Infinity).delta).toBe(0);
    expect(deltaOf(sgd(0.1, 1, 10), 0).delta).toBeGreaterThan(0.01);
    for (const epsilon of [-1, Number.NaN]) expect(() => deltaOf(sgd(0.1, 1, 1), epsilon)).toThrow(SpecError);
  });
});

describe('fastEpsilonCurve', () => {
  it('follows the full accountant from above, step by step', () => {
    const curve = fastEpsilonCurve({ samplingRate: 0.02, noiseMultiplier: 1.1 }, 1e-5);
    for (const steps of [1, 10, 1000]) {
      const { rdp } = epsilonOf(sgd(0.02, 1.1, steps), 1e-5);
      expect(curve(steps)).toBeGreaterThanOrEqual(rdp);
      expect(curve(steps)).toBeLessThan(1.001 * rdp);
    }
    expect(curve(0)).toBe(0);
    expect(() => curve(1.5)).toThrow(SpecError);
  });

  it('is infinite without noise and 0 without sampling', () => {
    expect(fastEpsilonCurve({ samplingRate: 0.1, noiseMultiplier: 0 }, 1e-5)(3)).toBe(Infinity);
    expect(fastEpsilonCurve({ samplingRate: 0, noiseMultiplier: 1 }, 1e-5)(3)).toBe(0);
  });
});
