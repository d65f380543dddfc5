// What a silo knows of itself after a restart.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { federationSpec, planOf } from './federation-spec.ts';
import { type SiloSettings, siloLayout } from './silo-home.ts';
import { openSiloWork } from './silo-work.ts';

const ROOT = temporaryFolder();

test('a silo that brings its decoder along knows every round after a restart, so that its server lets it in again', async () => {
  const layout = siloLayout(ROOT);
  const simulated = parseSpec({
    name: 'brought',
    rounds: 3,
    data: {
      source: { kind: 'drawn-digits', train: 80, test: 60 },
      partition: { kind: 'class-disjoint', classes: [[0], [1]] },
    },
    silos: [{ name: 'north' }, { name: 'east' }],
    model: { kind: 'mlp', hidden: [8], latent: 2 },
    local: { epochs: 1, batchSize: 8 },
    server: { epochs: 1, batchSize: 8, images: 20 },
    privacy: { mechanism: 'none' },
  });
  const shape = { channels: 1, height: 28, width: 28 };
  const { text } = planOf(federationSpec(simulated, { shape, classes: 2 }, null));
  writeFileSync(layout.plan, text);
  const agreed = createHash('sha256').update(text).digest('hex');
  const settings: SiloSettings = {
    format: 'align-fl/silo@1',
    silo: 'north',
    federation: 'brought',
    servers: ['tls://localhost:1'],
    ca: '',
    server: 'U',
    data: null,
    release: ROOT,
    ledger: ROOT,
    agreed,
    wish: 'work',
  };
  const owner = { layout, budget: null, ask: async () => false, emit: () => {}, now: () => new Date(0) };
  const work = await openSiloWork(owner, settings);
  expect(await work.state()).toEqual({ plan: agreed, round: 3 });
  await work.close();
});
