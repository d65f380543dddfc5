import { describe, expect, it } from 'vitest';
import { AIMED_EPSILON, type AuditedTraining, MOST_STEPS, planAudit } from './audit-plan.ts';

/** Stands in for an accountant: grows with rate and steps. */
const rough = ({ samplingRate, noiseMultiplier, steps }: AuditedTraining) =>
  (4 * samplingRate * Math.sqrt(steps)) / noiseMultiplier;

describe('the plan of an audit', () => {
  it('drops steps until the claim is within reach', () => {
    const training = { samplingRate: 0.1, noiseMultiplier: 1, steps: 500 }; // 0.4 sqrt(T) <= 3 up to T = 56
    const plan = planAudit(training, rough);
    expect(plan.training).toEqual({ ...training, steps: 56 });
    expect(plan.claimedEpsilon).toBe(rough(plan.training));
  });

  it('keeps a training that claims little enough', () => {
    const training = { samplingRate: 0.1, noiseMultiplier: 1, steps: 40 };
    expect(planAudit(training, rough).training).toEqual(training);
  });

  it('raises the rate where too few steps would touch a canary', () => {
    const { training, claimedEpsilon } = planAudit({ samplingRate: 0.001, noiseMultiplier: 1, steps: 100_000 }, rough);
    expect(training.steps).toBe(100);
    expect(training.samplingRate).toBeCloseTo(0.075, 2); // 40 q <= 3
    expect(claimedEpsilon).toBeGreaterThan(0.9 * AIMED_EPSILON);
    expect(claimedEpsilon).toBeLessThanOrEqual(AIMED_EPSILON);
  });

  it('takes more steps where even all canaries in every batch claim little', () => {
    const { training } = planAudit({ samplingRate: 0.001, noiseMultiplier: 40, steps: 10_000 }, rough);
    expect(training).toEqual({ samplingRate: 1, noiseMultiplier: 40, steps: 900 });
    expect(training.steps).toBeLessThanOrEqual(MOST_STEPS);
  });

  it('is down to one step where each claims too much', () => {
    const { training, claimedEpsilon } = planAudit({ samplingRate: 1, noiseMultiplier: 0.5, steps: 10 }, rough);
    expect(training.steps).toBe(1);
    expect(claimedEpsilon).toBe(8); // to be compared with the ceiling by whoever reads it
  });
});
