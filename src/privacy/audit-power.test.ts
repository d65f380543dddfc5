// Simulated training steps with known faults: what audits catch and what they miss. With ALIGN_FL_AUDIT_TABLE set to a path,
// the table of docs/audit.md is measured again and written there (about a quarter of an hour).

import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { childKey, type Key, normals, seedKey, uniforms } from '../engine/keys.ts';
import { deltaOf, epsilonOf } from './accountant.ts';
import { gaussianEpsilon } from './analytic-gaussian.ts';
import { auditEpsilon, auditGaussian, auditProfile } from './audit-bounds.ts';
import { type AuditedTraining, planAudit } from './audit-plan.ts';
import { addEvidence, type AuditScores, sortedOut } from './audit-scores.ts';
import { dpSgdEvent } from './dp-event.ts';
import { guessExtremes, oneRunEpsilon, oneRunGaussianMu } from './one-run-bound.ts';
import { poissonSample } from './poisson-sample.ts';

/** What is wrong with a training step. */
interface Fault {
  /** Noise that is drawn over noise that is claimed. */
  readonly noise?: number;
  /** Norm of a canary after clipping, in clip norms. */
  readonly norm?: number;
  readonly sampler?: 'everybody' | 'twice' | 'shuffled';
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'none: honest': {},
  'no noise': { noise: 0 },
  'noise / 10': { noise: 0.1 },
  'clipping off': { norm: 10 },
  'noise / 2': { noise: 0.5 },
  'noise x 0.8': { noise: 0.8 },
  'clipped layer by layer': { norm: Math.SQRT2 },
  'everybody in every batch': { sampler: 'everybody' },
  'sampled twice as often': { sampler: 'twice' },
  'shuffled, not sampled': { sampler: 'shuffled' },
};

const REQUIRED = ['no noise', 'noise / 10', 'clipping off'];

/** One run: half of the canaries, by coins, go through the real sampler, and through clipping and noise with a fault. */
function simulate(key: Key, training: AuditedTraining, canaries: number, fault: Fault): AuditScores {
  const { samplingRate, noiseMultiplier, steps } = training;
  const { noise = 1, norm = 1, sampler } = fault;
  const isPresent = uniforms(childKey(key, 'coins'), canaries).map((u) => Math.round(u));
  const present = Array.from(isPresent.keys()).filter((i) => isPresent[i] === 1);
  const scores = new Float64Array(canaries);
  for (let step = 0; step < steps; step++) {
    const at = childKey(key, step);
    const seen = normals(childKey(at, 'noise'), canaries).map((z) => z * noise * noiseMultiplier);
    for (const row of batch(childKey(at, 'sample'), present.length, sampler))
      (seen[present[row] as number] as number) += norm;
    addEvidence(scores, seen, training);
  }
  return sortedOut(scores, isPresent);

  function batch(at: Key, count: number, rule: Fault['sampler']): ArrayLike<number> & Iterable<number> {
    if (rule === 'everybody') return Array.from({ length: count }, (_, i) => i);
    if (rule !== 'shuffled') return poissonSample(at, count, Math.min(1, samplingRate * (rule === 'twice' ? 2 : 1)));
    const perEpoch = Math.max(1, Math.round(1 / samplingRate));
    const epoch = Number(at.path.split('/').at(-2)) / perEpoch;
    const order = uniforms(childKey(key, 'epoch', Math.floor(epoch)), count); // a row's place in its epoch
    const turn = Math.round((epoch % 1) * perEpoch);
    return Array.from(order.keys()).filter((i) => Math.floor((order[i] as number) * perEpoch) === turn);
  }
}

const event = (training: AuditedTraining) => dpSgdEvent(training);

describe('an audit of a simulated training step', () => {
  const training = { samplingRate: 0.3, noiseMultiplier: 1.5, steps: 8 };
  const confidence = 0.999;
  const delta = 1e-5;
  const claimed = epsilonOf(event(training), delta).epsilon;

  it('stays below the claim for an honest one, in each of twenty seeds', () => {
    for (let seed = 0; seed < 20; seed++) {
      const scores = simulate(seedKey(`honest ${seed}`), training, 2000, {});
      const { epsilonLower } = auditEpsilon(scores, { delta, confidence });
      expect(epsilonLower).toBeLessThan(claimed);
      const game = guessExtremes(scores, { highest: 100, lowest: 0 });
      expect(oneRunEpsilon(game, { delta, confidence })).toBeLessThan(claimed);
    }
  });

  it.each(REQUIRED)('exceeds the claim: %s', (fault) => {
    for (let seed = 0; seed < 3; seed++) {
      const scores = simulate(seedKey(`${fault} ${seed}`), training, 4000, FAULTS[fault] as Fault);
      expect(auditEpsilon(scores, { delta, confidence }).epsilonLower).toBeGreaterThan(claimed);
    }
  });

  it('refutes a claimed curve where noise is missing in part, and keeps it where all is well', () => {
    const claims = new Map<number, number>();
    const claimedDelta = (epsilon: number) => {
      if (!claims.has(epsilon)) claims.set(epsilon, deltaOf(event(training), epsilon).delta);
      return claims.get(epsilon) as number;
    };
    const audit = (fault: string) =>
      auditProfile(simulate(seedKey(`curve, ${fault}`), training, 20_000, FAULTS[fault] as Fault), {
        confidence,
        claimedDelta,
      });
    expect(audit('none: honest').isRefuted).toBe(false);
    expect(audit('noise / 2').isRefuted).toBe(true);
    expect(audit('everybody in every batch').isRefuted).toBe(true);
  });
});

const tablePath = process.env['ALIGN_FL_AUDIT_TABLE'];

it.skipIf(tablePath === undefined)('the table of docs/audit.md', { timeout: 7_200_000 }, () => {
  const delta = 1e-5;
  const long = { samplingRate: 128 / 12_000, noiseMultiplier: 0.8, steps: 9400 };
  const settings = [
    { spec: long, isPlanned: true },
    { spec: { samplingRate: 0.2, noiseMultiplier: 2, steps: 200 }, isPlanned: true },
    { spec: { samplingRate: 1, noiseMultiplier: 4, steps: 50 }, isPlanned: true },
    { spec: long, isPlanned: false }, // all of its steps, whatever they claim
  ];
  const lines: string[] = [];
  for (const { spec, isPlanned } of settings) {
    const claim = (training: AuditedTraining) => epsilonOf(event(training), delta).epsilon;
    const plan = planAudit(spec, claim);
    const { confidence } = plan;
    const training = isPlanned ? plan.training : spec;
    const claimedEpsilon = claim(training);
    const claims = new Map<number, number>();
    const claimedDelta = (epsilon: number) => {
      if (!claims.has(epsilon)) claims.set(epsilon, deltaOf(event(training), epsilon).delta);
      return claims.get(epsilon) as number;
    };
    lines.push(
      `q = ${training.samplingRate.toPrecision(3)}, noise ${training.noiseMultiplier}, ${training.steps} of ${spec.steps} steps, ` +
        `claimed epsilon ${claimedEpsilon.toFixed(2)} (whole training: ${claim(spec).toFixed(2)})`,
      '',
      '| fault | seeds | any mechanism | above claim | curve refuted | Gaussian | one run | one run, Gaussian |',
      '|---|--:|--:|--:|--:|--:|--:|--:|',
    );
    for (const [name, fault] of Object.entries(FAULTS)) {
      const isMain = name.startsWith('none') || REQUIRED.includes(name);
      if ((training.samplingRate === 1 && fault.sampler !== undefined) || !(isPlanned || isMain)) continue;
      const seeds = !isPlanned ? 1 : isMain ? 20 : 5;
      const results = Array.from({ length: seeds }, (_, seed) => {
        const runs = Array.from({ length: plan.runs }, (_x, run) =>
          simulate(childKey(seedKey(`table ${seed}`), name, training.steps, run), training, plan.canariesPerRun, fault),
        );
        const scores = {
          present: Float64Array.from(runs.flatMap(({ present }) => Array.from(present))),
          absent: Float64Array.from(runs.flatMap(({ absent }) => Array.from(absent))),
        };
        const game = guessExtremes(scores, { highest: 9000, lowest: 0 });
        return {
          any: auditEpsilon(scores, { delta, confidence }).epsilonLower,
          refuted: auditProfile(scores, { confidence, claimedDelta }).isRefuted,
          gaussian: auditGaussian(scores, { delta, confidence }).epsilonLower,
          oneRun: oneRunEpsilon(game, { delta, confidence }),
          oneRunGaussian: gaussianEpsilon(oneRunGaussianMu(game, confidence), delta),
        };
      });
      const range = (values: readonly number[]) =>
        `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
      const above = results.filter(({ any }) => any > claimedEpsilon).length;
      lines.push(
        `| ${name} | ${seeds} | ${range(results.map(({ any }) => any))} | ${above} | ` +
          `${results.filter(({ refuted }) => refuted).length} | ` +
          `${training.samplingRate === 1 ? range(results.map(({ gaussian }) => gaussian)) : '-'} | ` +
          `${range(results.map(({ oneRun }) => oneRun))} | ` +
          `${training.samplingRate === 1 ? range(results.map(({ oneRunGaussian }) => oneRunGaussian)) : '-'} |`,
      );
      writeFileSync(tablePath as string, `${lines.join('\n')}\n`);
    }
    lines.push('');
  }
});
