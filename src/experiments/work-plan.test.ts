import { expect, test } from 'vitest';
import { loadSpec } from './load-spec.ts';
import { workPlan } from './work-plan.ts';

test('the plan counts whole batches: of each silo, and of the server where it trains', async () => {
  const spec = await loadSpec('quickstart', [
    'local.epochs=3',
    'local.batchSize=100',
    'server.epochs=5',
    'server.batchSize=64',
    'server.images=130',
  ]);
  // Silos: 3 * (1 + 2 + 11) batches of 100; server: 5 * ceil(5 * 130 / 64) = 5 * 11.
  expect(workPlan(spec, [100, 101, 1100])).toEqual({ siloSteps: 42, serverSteps: { align: 55, fedavg: 0 } });
  const total = { ...spec, strategies: ['align' as const], server: { ...spec.server, imagesPer: 'total' as const } };
  expect(workPlan(total, [1])).toEqual({ siloSteps: 3, serverSteps: { align: 15 } });
});

test('a warm start counts in the first round of a silo', async () => {
  const spec = await loadSpec('quickstart', [
    'task=classify',
    'strategies=[align]',
    'rounds=4',
    'local.epochs=2',
    'local.batchSize=10',
    'silos.silo-b.participation={from: 2}',
    'silos.silo-b.generator={kind: vae, warmStart: {images: 95, batchSize: 10, epochs: 3}}',
  ]);
  // Two epochs of 4 steps; at silo-b in three rounds, and once 3 epochs of 10 before.
  const [own, warm] = [2 * 4, 3 * 10];
  expect(workPlan(spec, [40, 40]).siloSteps).toBe((4 * own + 3 * own + warm) / 4);
});
