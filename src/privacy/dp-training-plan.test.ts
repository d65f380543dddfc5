import { describe, expect, test } from 'vitest';
import { SMALL_PRIVACY } from '../../test/small-silos.ts';
import { SpecError } from '../errors.ts';
import { epsilonOf } from './accountant.ts';
import { dpSgdEvent } from './dp-event.ts';
import { nominalEvent, plannedEvent } from './dp-plan.ts';
import { afterFirstRound, planDpTraining } from './dp-training-plan.ts';

const PRIVACY = { ...SMALL_PRIVACY, epsilon: 2 };
/** Two rounds of three steps that see all records: Gaussian mechanisms, whose composition is known in closed form. */
const WORK = { records: 400, batchSize: 400, epochs: 3, rounds: 2 };
const FIRST = { epsilon: 1, components: 2, pixels: 784 };

describe('a plan that begins with a release', () => {
  const plan = planDpTraining(PRIVACY, WORK, FIRST);
  const alone = planDpTraining(PRIVACY, WORK, null);
  const gaussians = (plan.release?.stages ?? []).map(({ noiseMultiplier }) => {
    return { type: 'gaussian', noiseMultiplier } as const;
  });

  test('leaves to its steps what the release does not take: 1 / z^2 of both add up to that of steps alone', () => {
    const released = gaussians.reduce((sum, { noiseMultiplier }) => sum + noiseMultiplier ** -2, 0);
    expect(released + 6 / plan.noiseMultiplier ** 2).toBeCloseTo(6 / alone.noiseMultiplier ** 2, 8);
    expect(epsilonOf({ type: 'composed', events: gaussians }, 1e-5).epsilon).toBeCloseTo(1, 8);
    expect(plan.noiseMultiplier).toBeGreaterThan(1.1 * alone.noiseMultiplier);
  });

  test('costs what its Gaussians and its sampled steps cost together, which is the target', () => {
    const sampled = planDpTraining(PRIVACY, { ...WORK, batchSize: 100 }, FIRST);
    const { noiseMultiplier } = sampled;
    const steps = dpSgdEvent({ samplingRate: 0.25, noiseMultiplier, steps: 24 });
    const byHand = epsilonOf({ type: 'composed', events: [...gaussians, steps] }, 1e-5).epsilon;
    expect(epsilonOf(nominalEvent(sampled, 24), 1e-5).epsilon).toBe(byHand);
    expect(byHand).toBeLessThanOrEqual(2);
    expect(byHand).toBeGreaterThan(2 * (1 - 2e-5));
  });

  test('goes on in later rounds with the same steps and nothing before them', () => {
    const later = afterFirstRound(plan);
    expect(later).toEqual({ ...alone, noiseMultiplier: plan.noiseMultiplier });
    expect(nominalEvent(later, 3)).toMatchObject({ type: 'selfComposed', count: 3 });
  });

  test('has no event where randomness is no secret, and is impossible where the release alone costs too much', () => {
    expect(plannedEvent({ ...PRIVACY, noise: 'seeded' }, plan, 3)).toMatchObject({ type: 'nonPrivate' });
    expect(() => planDpTraining(PRIVACY, WORK, { ...FIRST, epsilon: 2.5 })).toThrow(SpecError);
  });
});
