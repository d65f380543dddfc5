// Every case of a file of reference numbers, where there is one: `reference/dp_vectors.json` beside ALIGN_FL_DATA.
//
// A selection of them is in the other tests and runs everywhere. Sources: google/differential-privacy@b5b0286 (dp_accounting
// 0.6.0), meta-pytorch/opacus@88919b6, microsoft/prv_accountant@a844f72, and closed forms by mpmath.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deltaOf, epsilonOf, optimisticEpsilon } from './accountant.ts';
import { splitNoise } from './adaptive-noise-split.ts';
import { gaussianEpsilon, gaussianLogDelta } from './analytic-gaussian.ts';
import { calibrateNoise } from './calibrate.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';
import { directedDelta, directedEpsilon } from './pld.ts';
import { epsilonFromRdp } from './rdp-conversion.ts';
import { composedRdp, sampledGaussianRdp } from './rdp.ts';
import type { SampledPhase } from './sampled-phases.ts';

interface Case {
  readonly kind: string;
  readonly id: string;
  readonly [field: string]: unknown;
}

const dataDir = process.env['ALIGN_FL_DATA'];
const path = dataDir === undefined ? undefined : join(dataDir, '..', 'reference', 'dp_vectors.json');
const found = path !== undefined && existsSync(path);
const cases: readonly Case[] = found ? (JSON.parse(readFileSync(path, 'utf8')) as readonly Case[]) : [];
const where = found ? '' : '(skipped: no reference/dp_vectors.json beside ALIGN_FL_DATA)';

const ofKind = (...kinds: readonly string[]): readonly Case[] => cases.filter(({ kind }) => kinds.includes(kind));
const called = (id: string): Case => cases.find((one) => one.id === id) as Case;

/** A number field; undefined where it is absent or null. */
function number(one: Case, field: string): number {
  const value = one[field];
  return value === 'Infinity' ? Infinity : typeof value === 'number' ? value : Number.NaN;
}

function phasesOf(one: Case): readonly SampledPhase[] {
  return ((one['phases'] ?? [one]) as readonly Case[]).map((phase) => ({
    samplingRate: number(phase, 'sampling_rate'),
    noiseMultiplier: number(phase, 'noise_multiplier'),
    count: number(phase, 'steps'),
  }));
}

function eventOf(one: Case): DpEvent {
  return { type: 'composed', events: phasesOf(one).map((phase) => dpSgdEvent({ ...phase, steps: phase.count })) };
}

/** The orders of dp_accounting. */
const ORDERS = [
  ...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  ...[128, 256, 512, 1024],
];

function shiftOf(phases: readonly SampledPhase[]): number {
  return Math.sqrt(phases.reduce((sum, { noiseMultiplier, count }) => sum + count / noiseMultiplier ** 2, 0));
}

const check = describe.skipIf(!found);

check(`reference epsilons ${where}`, () => {
  it.each(ofKind('dpsgd', 'composition', 'gaussian_analytic'))('$id', (one) => {
    const delta = number(one, 'delta');
    const phases = phasesOf(one);
    const bounds = epsilonOf(eventOf(one), delta);
    const tight = number(one, 'eps_rdp_tight');
    const onTheirs = epsilonFromRdp(composedRdp(phases), delta, ORDERS).value;
    expect(Math.abs(onTheirs - tight)).toBeLessThanOrEqual(1e-8 * tight);
    expect(onTheirs).toBeLessThanOrEqual(number(one, 'eps_rdp') * (1 + 1e-9));
    expect(bounds.rdp).toBeLessThanOrEqual(tight * (1 + 1e-9));
    expect(bounds.pld).toBeGreaterThanOrEqual(number(one, 'eps_certified_lower') * (1 - 1e-14));
    expect(bounds.pld).toBeLessThanOrEqual(number(one, 'eps_pld_pessimistic') * (1 + 1e-4) + 1e-6);
    expect(bounds.pld).toBeGreaterThanOrEqual(Math.max(0, number(one, 'eps_prv_lower')));
    const optimistic = number(one, 'eps_pld_optimistic');
    if (!Number.isNaN(optimistic)) expect(bounds.pld).toBeGreaterThanOrEqual(optimistic);
    const exact = number(one, 'eps_exact');
    if (!Number.isNaN(exact)) {
      expect(bounds.pld).toBeGreaterThanOrEqual(exact * (1 - 1e-12));
      expect(bounds.pld).toBeLessThanOrEqual(exact + 5e-6);
      if (phases.every((phase) => phase.samplingRate === 1)) {
        expect(Math.abs(gaussianEpsilon(shiftOf(phases), delta) / exact - 1)).toBeLessThan(1e-10);
      }
    }
  });

  it.each(ofKind('dpsgd', 'composition'))('$id, removing and adding apart', (one) => {
    const delta = number(one, 'delta');
    const steps = phasesOf(one).reduce((sum, { count }) => sum + count, 0);
    for (const direction of ['remove', 'add'] as const) {
      const exact = number(one, `eps_exact_${direction}`);
      const expected = Number.isNaN(exact) ? number(one, `eps_pld_${direction}`) : exact;
      const { epsilon, tilt } = directedEpsilon(phasesOf(one), direction, delta);
      // how much their grid may add, see `chooseInterval`
      const theirs = ((tilt + 1) / 12) * steps * number(one, 'pld_discretization') ** 2;
      expect(epsilon).toBeLessThan(expected + 1e-4 * Math.max(1, expected));
      expect(epsilon).toBeGreaterThan(expected - 1e-4 * Math.max(1, expected) - theirs);
    }
  });

  it.each(ofKind('dpsgd', 'composition', 'gaussian_analytic'))('$id, at the interval of another program', (one) => {
    const expected = number(one, 'eps_pld_independent');
    const interval = number(one, 'pld_independent_discretization');
    const delta = number(one, 'delta');
    const all = phasesOf(one);
    const plain = all.every((phase) => phase.samplingRate === 1); // one step, for them
    const phases = plain ? [{ samplingRate: 1, noiseMultiplier: 1 / shiftOf(all), count: 1 }] : all;
    const [removed, added] = (['remove', 'add'] as const).map(
      (direction) => directedEpsilon(phases, direction, delta, interval).epsilon,
    );
    expect(Math.abs(Math.max(removed as number, added as number) - expected)).toBeLessThan(
      1e-6 * Math.max(1, expected),
    );
  });
});

check(`reference divergences and tails ${where}`, () => {
  it.each(ofKind('rdp_order'))('$id', (one) => {
    const { samplingRate, noiseMultiplier } = phasesOf(one)[0] as SampledPhase;
    const value = sampledGaussianRdp({ samplingRate, noiseMultiplier })(number(one, 'alpha'));
    expect(Math.abs(value / number(one, 'rdp_exact') - 1)).toBeLessThan(1e-10);
  });

  it.each(ofKind('delta_tail'))('$id', (one) => {
    const [epsilon, exact] = [number(one, 'epsilon'), number(one, 'delta_exact')];
    const closed = Math.exp(gaussianLogDelta(shiftOf(phasesOf(one)), epsilon));
    expect(Math.abs(closed / exact - 1)).toBeLessThan(1e-10);
    const composed = directedDelta(phasesOf(one), 'remove', epsilon, number(one, 'pld_discretization'));
    expect(composed).toBeGreaterThan(exact);
    expect(composed / exact).toBeLessThan(1.01);
  });
});

check(`reference calibrations ${where}`, () => {
  it.each(ofKind('calibration'))('$id', (one) => {
    const [epsilon, delta] = [number(one, 'target_epsilon'), number(one, 'delta')];
    const [samplingRate, steps] = [number(one, 'sampling_rate'), number(one, 'steps')];
    const { noiseMultiplier, bounds } = calibrateNoise({
      epsilon,
      delta,
      eventOf: (noise) => dpSgdEvent({ samplingRate, noiseMultiplier: noise, steps }),
    });
    expect(bounds.epsilon).toBeLessThanOrEqual(epsilon);
    if ('sigma_exact' in one) expect(Math.abs(noiseMultiplier / number(one, 'sigma_exact') - 1)).toBeLessThan(1e-9);
    else {
      // theirs lies above what is needed by its own interval: at 1e-4 and 5000 steps that is more than 1e-4
      const tolerance = one.id === 'calib-eps1-d1e-08-q0.02-T5000' ? 1.1e-4 : 1e-4;
      expect(Math.abs(noiseMultiplier / number(one, 'sigma_pld') - 1)).toBeLessThan(tolerance);
    }
    let [low, high] = [0.01, 100];
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      const curve = composedRdp([{ samplingRate, noiseMultiplier: middle, count: steps }]);
      if (epsilonFromRdp(curve, delta, ORDERS).value <= epsilon) high = middle;
      else low = middle;
    }
    expect(Math.abs(high / number(one, 'sigma_rdp_tight') - 1)).toBeLessThan(1e-6);
  });

  it.each(ofKind('adaptive_clip_noise_split'))('$id', (one) => {
    const [z, countNoiseStd] = [number(one, 'z'), number(one, 'sigma_b')];
    const split = splitNoise({ noiseMultiplier: z, countNoiseStd });
    expect(split / number(one, 'z_delta')).toBeCloseTo(1, 12);
    const joint: DpEvent = {
      type: 'composed',
      events: [split, 2 * countNoiseStd].map((noiseMultiplier) => ({ type: 'gaussian', noiseMultiplier })),
    };
    const step: DpEvent = { type: 'poissonSampled', samplingRate: number(one, 'check_q'), event: joint };
    const event: DpEvent = { type: 'selfComposed', event: step, count: number(one, 'check_steps') };
    expect(epsilonOf(event, number(one, 'check_delta')).rdp).toBeLessThanOrEqual(
      number(one, 'eps_rdp_joint_event') * (1 + 1e-9),
    );
  });

  it.each(ofKind('shuffle_gap'))('$id', (one) => {
    const [delta, steps] = [number(one, 'delta'), number(one, 'steps')];
    const noiseMultiplier = number(one, 'noise_multiplier');
    const sampled = dpSgdEvent({ samplingRate: number(one, 'sampling_rate_if_poisson'), noiseMultiplier, steps });
    const ratio = epsilonOf(sampled, delta).epsilon / number(one, 'eps_poisson');
    expect(ratio).toBeLessThan(1 + 1e-4);
    expect(ratio).toBeGreaterThan(0.997); // theirs is coarse: an independent lower estimate is as near to ours as 1e-4
    expect((optimisticEpsilon(sampled, delta) as number) / epsilonOf(sampled, delta).epsilon).toBeGreaterThan(1 - 1e-4);
    const shuffled = epsilonOf({ type: 'gaussian', noiseMultiplier }, delta).epsilon; // each record in one batch
    expect(shuffled / number(one, 'eps_shuffle_upper_bound_no_amplification')).toBeCloseTo(1, 9);
    expect(shuffled).toBeGreaterThan(number(one, 'eps_shuffle_lower_bound'));
  });

  it.each(ofKind('edge'))('$id', (one) => {
    const compute = (): number => epsilonOf(eventOf(one), number(one, 'delta')).epsilon;
    if (one['throws'] === true) expect(compute).toThrow(/must/);
    else expect(compute()).toBe(number(one, 'epsilon'));
  });
});

check(`numbers from the tests of other libraries ${where}`, () => {
  it('has the calibrations and the epsilon of Opacus', () => {
    const rdp = called('opacus-calib-rdp-2000');
    const curve = (noiseMultiplier: number): number =>
      epsilonFromRdp(
        composedRdp([{ samplingRate: number(rdp, 'sampling_rate'), noiseMultiplier, count: number(rdp, 'steps') }]),
        number(rdp, 'delta'),
        ORDERS,
      ).value;
    expect(curve(number(rdp, 'sigma') + 1e-4)).toBeLessThan(number(rdp, 'target_epsilon'));
    expect(curve(number(rdp, 'sigma') - 3e-4)).toBeGreaterThan(number(rdp, 'target_epsilon'));
    const prv = called('opacus-calib-prv-2000'); // an upper end 0.01 above the estimate
    const { noiseMultiplier } = calibrateNoise({
      epsilon: number(prv, 'target_epsilon'),
      delta: number(prv, 'delta'),
      eventOf: (noise) =>
        dpSgdEvent({
          samplingRate: number(prv, 'sampling_rate'),
          noiseMultiplier: noise,
          steps: number(prv, 'steps'),
        }),
    });
    expect(noiseMultiplier).toBeLessThan(number(prv, 'sigma'));
    expect(noiseMultiplier).toBeGreaterThan(number(prv, 'sigma') - 2e-3);
    const anchor = called('opacus-prv');
    const { epsilon } = epsilonOf(eventOf(anchor), number(anchor, 'delta'));
    expect(epsilon).toBeLessThan(number(anchor, 'eps_prv_upper'));
    expect(epsilon).toBeGreaterThan(number(anchor, 'eps_prv_upper') - 2 * number(anchor, 'eps_error'));
  });

  it('has the deltas, divergences and the epsilon of dp_accounting', () => {
    const gaussian = called('google-pld-gauss');
    const plain = dpSgdEvent({ ...(phasesOf(gaussian)[0] as SampledPhase), samplingRate: 1, steps: 3 });
    expect(deltaOf(plain, 1).delta).toBeCloseTo(number(gaussian, 'delta_expected'), 5);
    const sampled = called('google-pld-subsampled');
    expect(Math.abs(deltaOf(eventOf(sampled), 1).delta - number(sampled, 'delta_expected'))).toBeLessThan(1e-3);
    const poisson = called('google-rdp-poisson-50');
    const curve = composedRdp(phasesOf(poisson));
    const tight = poisson['rdp_tight'] as readonly number[];
    (poisson['orders'] as readonly number[]).forEach((order, i) => {
      expect(curve(order) / (tight[i] as number)).toBeCloseTo(1, 9);
    });
    const one = called('google-gaussian-1-1e-6');
    const event: DpEvent = { type: 'gaussian', noiseMultiplier: number(one, 'noise_multiplier') };
    expect(epsilonOf(event, number(one, 'delta')).rdp).toBeCloseTo(number(one, 'eps'), 4);
  });
});
