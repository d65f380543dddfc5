import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SMALL_PRIVACY, smallSilo, temporaryFolder } from '../../test/small-silos.ts';
import { imageSetHash } from '../data/image-set.ts';
import { PrivacyError } from '../errors.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import { type DpSgdOptions, plannedEvent } from '../privacy/dp-plan.ts';
import type { DpTrainingPlan } from '../privacy/dp-training-plan.ts';
import { openLedger, setBudget } from '../privacy/ledger.ts';
import type { SiloConfig } from './silo-config.ts';
import { trainingPlanOf } from './training-plan.ts';
import { requireWholePlan } from './whole-plan.ts';

const ROOT = temporaryFolder();
const PRIVACY: DpSgdOptions = { ...SMALL_PRIVACY, epsilon: 3 };

async function siloWithBudget(epsilon: number | null, privacy: SiloConfig['privacy'] = PRIVACY): Promise<SiloConfig> {
  const config = smallSilo('north', mkdtempSync(join(ROOT, 'silo-')), { privacy, plannedRounds: 4 });
  if (epsilon !== null) await setBudget(config.ledgerDir, { epsilon, delta: 1e-5 }, () => new Date(0));
  return config;
}

function ledgerOf(config: SiloConfig) {
  return openLedger({
    folder: config.ledgerDir,
    silo: config.name,
    dataFingerprint: imageSetHash(config.images),
    neighbours: 'zero-out-one',
    budget: { epsilon: 99, delta: 1e-5 },
    now: () => new Date(0),
  });
}

function eventOfRound(config: SiloConfig) {
  const plan = trainingPlanOf(config) as DpTrainingPlan;
  return plannedEvent(PRIVACY, plan, plan.steps / config.plannedRounds);
}

describe('a whole plan', () => {
  test('is refused before its first round where its rounds together exceed the budget, though each alone fits', async () => {
    const config = await siloWithBudget(2.5);
    await expect(requireWholePlan(config, 'trial')).rejects.toThrow(PrivacyError);
    await expect(requireWholePlan(config, 'trial')).rejects.toThrow(
      /budget of north: .* 2\.5 at delta .*any silo.*smaller privacy\.epsilon.*--budget-epsilon/,
    );
  });

  test('is refused without advice to ask for less where nothing is left', async () => {
    for (const privacy of [PRIVACY, { mechanism: 'none' }] as const) {
      const event = { type: 'gaussian', noiseMultiplier: 2 } as const;
      const config = await siloWithBudget(epsilonOf(event, 1e-5).epsilon, privacy);
      const { charge } = await ledgerOf(config);
      await charge({ run: 'earlier', purpose: 'train-own', round: 1, event });
      await expect(requireWholePlan(config, 'trial')).rejects.toThrow(
        /What is left pays for no training, however small its epsilon\. Only the owner/,
      );
      await expect(requireWholePlan(config, 'trial')).rejects.not.toThrow(/dp-sgd|smaller/);
    }
  });

  test('goes on where it fits, and where nobody set a budget', async () => {
    await requireWholePlan(await siloWithBudget(3), 'trial');
    await requireWholePlan(await siloWithBudget(null), 'trial');
  });

  test('that was begun, and whose model is lost, is asked for the rounds that are to come', async () => {
    const [plan, other] = ['1'.repeat(64), '2'.repeat(64)] as const;
    const simulation = await siloWithBudget(3);
    const config = { ...simulation, plan };
    const event = eventOfRound(config);
    const { charge, seal, fail } = await ledgerOf(config);
    const chargeOf = (round: number, of = plan) =>
      charge({ run: 'trial', plan: of, purpose: 'train-own', round, event });
    await seal((await chargeOf(1)).id, '0'.repeat(64));
    for (const another of [simulation, { ...simulation, plan: other }]) {
      await expect(requireWholePlan(another, 'trial')).rejects.toThrow('All planned rounds of trial together');
    }
    await requireWholePlan(config, 'trial');
    await fail((await chargeOf(2)).id);
    await chargeOf(3); // open, and spent whether its round comes again or not
    await requireWholePlan(config, 'trial');
    await chargeOf(1, other);
    await expect(requireWholePlan(config, 'trial')).rejects.toThrow('All rounds that are left');
  });

  test('without a guarantee is refused by any budget that is finite, with the reason', async () => {
    await expect(requireWholePlan(await siloWithBudget(50, { mechanism: 'none' }), 'trial')).rejects.toThrow('dp-sgd');
    const seeded = { ...PRIVACY, noise: 'seeded' } as const;
    await expect(requireWholePlan(await siloWithBudget(50, seeded), 'trial')).rejects.toThrow('seed of the spec');
  });
});
