import { describe, expect, it } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { gaussianEpsilon, gaussianLogDelta } from './analytic-gaussian.ts';
import { auditEpsilon, auditGaussian, auditProfile } from './audit-bounds.ts';
import type { AuditScores } from './audit-scores.ts';
import { binomialUpper } from './clopper-pearson.ts';

const KEY = seedKey('audit bounds');
const OPTIONS = { delta: 1e-5, confidence: 0.999 };

function gaussianScores(name: string, mu: number, count: number): AuditScores {
  return {
    present: Float64Array.from(normals(childKey(KEY, name, 'present'), count), (z) => z + mu),
    absent: Float64Array.from(normals(childKey(KEY, name, 'absent'), count)),
  };
}

const perfect = (count: number): AuditScores => ({
  present: new Float64Array(count).fill(1),
  absent: new Float64Array(count),
});

describe('a bound for any mechanism', () => {
  it('of a flawless audit is its ceiling, ln((1 - delta - u) / u)', () => {
    const audit = auditEpsilon(perfect(1000), OPTIONS);
    const u = binomialUpper({ successes: 0, trials: 800 }, 0.0005);
    expect(audit.epsilonLower).toBeCloseTo(Math.log((1 - 1e-5 - u) / u), 12);
    expect(audit.ceiling).toBe(audit.epsilonLower);
  });

  it('is zero where canaries leave no trace', () => {
    expect(auditEpsilon(gaussianScores('none', 0, 2000), OPTIONS).epsilonLower).toBe(0);
    expect(auditEpsilon({ present: new Float64Array(60), absent: new Float64Array(60) }, OPTIONS).ceiling).toBe(
      auditEpsilon(perfect(60), OPTIONS).ceiling,
    );
  });

  it('finds randomised response: epsilon ln 9 from answers that are true nine times in ten', () => {
    const lie = normals(childKey(KEY, 'response'), 40_000).map((z) => (z > 1.2815515655446004 ? 1 : 0)); // P = 0.1
    const scores = {
      present: Float64Array.from(lie.subarray(0, 20_000), (lies) => 1 - lies),
      absent: Float64Array.from(lie.subarray(20_000)),
    };
    const { epsilonLower } = auditEpsilon(scores, { delta: 0.0001, confidence: 0.99 });
    expect(epsilonLower).toBeLessThan(Math.log(9));
    expect(epsilonLower).toBeGreaterThan(Math.log(9) - 0.1);
  });

  it('looks at both sides: absent canaries may be the ones that are told apart', () => {
    // one absent canary in two shows itself, no present one does
    const half = { present: new Float64Array(2000), absent: Float64Array.from({ length: 2000 }, (_, i) => -(i % 2)) };
    expect(auditEpsilon(half, OPTIONS).epsilonLower).toBeGreaterThan(4);
  });

  it('refuses a delta that is none', () => {
    expect(() => auditEpsilon(perfect(60), { delta: 0, confidence: 0.9 })).toThrow(ShapeError);
  });
});

describe('a bound for Gaussian mechanisms', () => {
  it.each([0.5, 2])('comes near the truth from below, mu = %f', (mu) => {
    const { muLower, epsilonLower } = auditGaussian(gaussianScores('tight', mu, 20_000), OPTIONS);
    expect(muLower).toBeLessThan(mu);
    expect(muLower).toBeGreaterThan(mu - 0.15);
    expect(epsilonLower).toBeCloseTo(gaussianEpsilon(muLower, 1e-5), 12);
    expect(auditEpsilon(gaussianScores('tight', mu, 20_000), OPTIONS).epsilonLower).toBeLessThan(epsilonLower);
  });

  it('has a ceiling far above that for any mechanism', () => {
    const flawless = auditGaussian(perfect(5000), OPTIONS);
    expect(flawless.epsilonLower).toBe(flawless.ceiling);
    expect(flawless.ceiling).toBeGreaterThan(30);
    expect(auditEpsilon(perfect(5000), OPTIONS).ceiling).toBeLessThan(7);
  });
});

describe('a claimed curve', () => {
  const claim = (mu: number) => (epsilon: number) => Math.exp(gaussianLogDelta(mu, epsilon));

  it('stands where the mechanism is as claimed, in each of 20 audits', () => {
    for (let i = 0; i < 20; i++) {
      const audit = auditProfile(gaussianScores(`as claimed ${i}`, 1, 1000), {
        confidence: 0.999,
        claimedDelta: claim(1),
      });
      expect(audit.isRefuted).toBe(false);
      expect(audit.deltaLower).toBeLessThanOrEqual(audit.claimedDelta);
    }
  });

  it('falls where noise is a fifth too small, which a bound at one delta cannot see', () => {
    const scores = gaussianScores('a fifth', 1.25, 10_000);
    const { isRefuted, epsilon, claimedDelta, deltaLower } = auditProfile(scores, {
      confidence: 0.999,
      claimedDelta: claim(1),
    });
    expect(isRefuted).toBe(true);
    expect(claimedDelta).toBe(claim(1)(epsilon));
    expect(deltaLower).toBeGreaterThan(claimedDelta);
    expect(auditEpsilon(scores, OPTIONS).epsilonLower).toBeLessThan(gaussianEpsilon(1, 1e-5));
  });

  it('falls though its epsilon is beyond every ceiling', () => {
    const { isRefuted } = auditProfile(perfect(1000), { confidence: 0.999, claimedDelta: claim(2) }); // epsilon 10
    expect(isRefuted).toBe(true);
    expect(auditEpsilon(perfect(1000), OPTIONS).epsilonLower).toBeLessThan(gaussianEpsilon(2, 1e-5));
  });

  it('of nothing at all cannot be refuted', () => {
    expect(auditProfile(perfect(1000), { confidence: 0.999, claimedDelta: () => 1 }).isRefuted).toBe(false);
  });
});
