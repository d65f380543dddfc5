// The privacy part of the public list, used as another program would.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  auditEpsilon,
  auditProfile,
  calibrateNoise,
  createDpTrainers,
  type DpEvent,
  deltaOf,
  dpSgdEvent,
  epsilonOf,
  mostSteps,
  openLedger,
  planDpSgd,
  PrivacyError,
  readLedger,
  seedKey,
  setBudget,
  uniforms,
} from '../src/index.ts';
import { SMALL_PRIVACY, temporaryFolder } from './small-silos.ts';

const ROOT = temporaryFolder();
const PHASE = { samplingRate: 0.1, noiseMultiplier: 2, steps: 20 };

test('what a training costs, and which noise or how many steps fit, agree with each other', () => {
  const event: DpEvent = { type: 'composed', events: [dpSgdEvent(PHASE)] };
  const { epsilon } = epsilonOf(event, 1e-5);
  expect(deltaOf(event, epsilon).delta).toBeCloseTo(1e-5, 7);
  expect(mostSteps({ ...PHASE, epsilon, delta: 1e-5 }).steps).toBe(PHASE.steps);
  const eventOf = (noiseMultiplier: number) => dpSgdEvent({ ...PHASE, noiseMultiplier });
  expect(calibrateNoise({ epsilon, delta: 1e-5, eventOf }).noiseMultiplier).toBeCloseTo(PHASE.noiseMultiplier, 3);
});

test('a ledger is opened, charged up to its budget, and read', async () => {
  const folder = join(ROOT, 'north');
  const now = () => new Date('2026-01-01T00:00:00Z');
  const ledger = await openLedger({
    folder,
    silo: 'north',
    dataFingerprint: '0'.repeat(64),
    neighbours: 'zero-out-one',
    budget: { epsilon: 1.2, delta: 1e-5 },
    now,
  });
  const charge = (round: number) => ledger.charge({ run: 'mine', purpose: 'test', round, event: dpSgdEvent(PHASE) });
  await charge(1);
  await setBudget(folder, { epsilon: 0.5, delta: 1e-5 }, now);
  await expect(charge(2)).rejects.toThrow(PrivacyError);
  expect((await readLedger(folder)).entries).toHaveLength(1);
});

test('an audit finds what scores give away', () => {
  const scores = {
    present: uniforms(seedKey('present'), 500).map((u) => u + 2),
    absent: uniforms(seedKey('absent'), 500),
  };
  expect(auditEpsilon(scores, { delta: 1e-5, confidence: 0.99 }).epsilonLower).toBeGreaterThan(2);
  expect(auditProfile(scores, { confidence: 0.99, claimedDelta: () => 0.1 }).isRefuted).toBe(true);
});

test('a plan and its trainers are there for own training loops', () => {
  expect(createDpTrainers).toBeTypeOf('function');
  const privacy = SMALL_PRIVACY;
  const plan = planDpSgd(privacy, { records: 1000, batchSize: 100, epochs: 2, rounds: 1 });
  expect(plan).toMatchObject({ samplingRate: 0.1, expectedBatch: 100, stepsPerEpoch: 10, steps: 20 });
});
