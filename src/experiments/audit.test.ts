import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { AbortedError, SpecError } from '../errors.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import { dpSgdEvent } from '../privacy/dp-event.ts';
import { FAULTS, runAudit } from './audit.ts';
import { type AuditSubject, auditSubject, claimOf } from './audit-subject.ts';
import { loadSpec } from './load-spec.ts';

const PRIVATE = ['privacy.mechanism=dp-sgd', 'privacy.epsilon=8', 'privacy.delta=1e-5', 'privacy.noise=seeded'];

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine();
});
afterAll(() => engine.close());

/** A small audit, of a claim that its 2,000 canaries can refute: epsilon 1.5 or so. */
async function smallSubject(sets: readonly string[] = [], steps = 60): Promise<AuditSubject> {
  // As many records as the silo would be dealt, declared: 10,000 images need not be drawn to count them.
  const spec = await loadSpec('quickstart', [...PRIVATE, 'privacy.records=2000', ...sets]);
  const subject = await auditSubject(spec, { data: { env: {} } });
  const training = { ...subject.audit.training, steps };
  const claimedEpsilon = epsilonOf(dpSgdEvent(training), 1e-5).epsilon;
  const claimedDelta = claimOf(training);
  return {
    ...subject,
    claimedDelta,
    audit: { ...subject.audit, training, claimedEpsilon, runs: 2, canariesPerRun: 1000 },
  };
}

describe('an audit of the real trainer', () => {
  it.each(['auto-s', 'fixed', 'adaptive'])(
    'refutes no honest step, and finds the broken ones: %s clipping',
    async (clipping) => {
      const subject = await smallSubject([`privacy.clipping=${clipping}`]);
      const honest = await runAudit(engine, subject, { seed: 1 });
      expect(honest.isRefuted).toBe(false);
      expect(honest.epsilon.epsilonLower).toBeLessThan(subject.audit.claimedEpsilon);
      for (const fault of clipping === 'fixed' ? (['clipping off'] as const) : FAULTS) {
        const { epsilon, profile } = await runAudit(engine, subject, { seed: 1, fault });
        expect(epsilon.epsilonLower, fault).toBeGreaterThan(subject.audit.claimedEpsilon);
        expect(profile.isRefuted, fault).toBe(true);
      }
    },
  );

  it('repeats itself where the noise is seeded, and not where it is secret', async () => {
    const outcome = ({ audit, ...rest }: AuditSubject) =>
      runAudit(engine, { ...rest, audit: { ...audit, runs: 1, canariesPerRun: 1000 } }, { seed: 2 });
    const seeded = await smallSubject([], 10);
    expect(await outcome(seeded)).toEqual(await outcome(seeded));
    // Scores, not bounds: two different draws may well end in the same count of wrong guesses.
    const secret = await smallSubject(['privacy.noise=secure'], 10);
    expect((await outcome(secret)).scores).not.toEqual((await outcome(secret)).scores);
  });

  it('tells how far it is, and stops when asked to', async () => {
    const subject = await smallSubject([], 20);
    const abort = new AbortController();
    const shares: number[] = [];
    const hooks = {
      signal: abort.signal,
      onProgress: ({ share }: { share: number }) => {
        shares.push(share);
        if (shares.length === 25) abort.abort();
      },
    };
    await expect(runAudit(engine, subject, { seed: 3, hooks })).rejects.toThrow(AbortedError);
    expect(shares[19]).toBeCloseTo(1 / 2, 12);
    expect(shares.length).toBeLessThan(30);
  });
});

describe('what an audit attacks', () => {
  it('is the plan of a run, shortened to a claim that canaries can refute', async () => {
    const spec = await loadSpec('quickstart', PRIVATE);
    const { silo, plan, audit, specEpsilon } = await auditSubject(spec, { data: { env: {} } });
    expect((await smallSubject()).plan).toEqual(plan);
    expect(silo).toBe(spec.silos[0]?.name);
    expect(specEpsilon).toBeGreaterThan(7.9);
    expect(specEpsilon).toBeLessThanOrEqual(8);
    expect(audit.training).toMatchObject({ samplingRate: plan.samplingRate, noiseMultiplier: plan.noiseMultiplier });
    expect(audit.training.steps).toBeLessThan(plan.steps);
    expect(audit.claimedEpsilon).toBeLessThanOrEqual(3);
    expect(audit.claimedEpsilon).toBeGreaterThan(2.9);
  });

  it.each([
    [['privacy.mechanism=none'], 'mechanism is none'],
    [[...PRIVATE, 'privacy.clipping=paper-unsound'], 'privacy.clipping'],
    [[...PRIVATE, 'privacy.mode=decoder-only'], 'privacy.mode'],
  ])('is refused where nothing is claimed: %j', async (sets, words) => {
    const spec = await loadSpec('quickstart', sets);
    await expect(auditSubject(spec, { data: { env: {} } })).rejects.toThrow(words);
    await expect(auditSubject(spec, { data: { env: {} } })).rejects.toThrow(SpecError);
  });

  it('names the silos where one is unknown', async () => {
    const spec = await loadSpec('quickstart', PRIVATE);
    await expect(auditSubject(spec, { silo: 'silo-z', data: { env: {} } })).rejects.toThrow(
      /Its silos are silo-a, silo-b/,
    );
  });
});
