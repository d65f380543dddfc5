// Models that nobody trained, judged from their files: what is looked at, by whom, and that it can be repeated.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { createGlobalEvaluator } from '../evaluation/global-evaluator.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { saveState } from '../training/state-file.ts';
import { diagnose } from './diagnose.ts';
import { diagnosticsSchema } from './diagnostic-fields.ts';
import { gatherMaterials } from './materials.ts';
import { parseSpec } from './parse-spec.ts';
import { closeRunFolder, openRunFolder } from './run-folder.ts';

const ROOT = temporaryFolder();
const spec = parseSpec({
  name: 'diagnosed',
  rounds: 1,
  data: {
    source: { kind: 'drawn-digits', train: 200, test: 120 },
    partition: { kind: 'class-disjoint', classes: [[0, 1], [2]] },
    foreign: { source: { kind: 'drawn-garments', train: 40, test: 20 }, rate: 0.25, silos: ['north'] },
  },
  silos: [{ name: 'north' }, { name: 'east' }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 1, batchSize: 16 },
  strategies: ['align', 'fedavg'],
  privacy: { mechanism: 'none' },
});

test('an untrained global model gives one blur for all; leakage is looked for in decoders that leave a silo with foreign images', async () => {
  const folder = await openRunFolder({ path: join(ROOT, 'run'), spec });
  const engine = await openEngine();
  try {
    const materials = await gatherMaterials(spec, { env: {} }, seedKey(1));
    const { dataSet, classes } = materials;
    const vae = vaeOf({ kind: 'mlp', hidden: [8], latent: 2 }, dataSet.test.shape);
    const { layout } = folder;
    for (const dir of [layout.global('align'), layout.global('fedavg'), layout.silo('north', 'align')]) {
      const parameters = initialParameters(vae.parameters, childKey(seedKey(0), dir));
      const state = { parameters, memory: {}, epochsDone: 1, round: 1, finished: true };
      await saveState(join(dir, 'state.safetensors'), state);
    }
    const evaluator = await createGlobalEvaluator({
      engine,
      vae,
      test: dataSet.test,
      classes,
      key: seedKey(2),
      splits: 1,
    });
    const judged = (strategy: 'align' | 'fedavg') =>
      diagnose({ strategy, folder, engine, vae, evaluator, materials, key: seedKey(3) });
    const align = await judged('align');
    expect(diagnosticsSchema.parse(align)).toEqual(align);
    expect(align.averaging).toMatchObject({ seen: true, images: 120 });
    expect(align.averaging?.classContrast).toBeLessThan(0.01);
    expect(align.latentOverlap?.images).toBe(120);
    expect(align.outlierLeakage?.silos.map(({ silo, seen }) => [silo, seen])).toEqual([['north', false]]);
    expect(await judged('align')).toEqual(align);
    const fedavg = await judged('fedavg');
    expect(fedavg.outlierLeakage).toBeNull();
    expect(fedavg.averaging?.advice).toContain('align');
  } finally {
    await engine.close();
    await closeRunFolder(folder);
  }
});
