import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { writeJsonAtomic } from '../storage/atomic-file.ts';
import { saveState } from '../training/state-file.ts';
import { gatherMaterials } from './materials.ts';
import { evaluateOutliers } from './outlier-evaluation.ts';
import { outlierFilePath, readOutliers } from './outlier-file.ts';
import { gatherOutliers } from './outlier-materials.ts';
import { openAutoencoder } from './outlier-models.ts';
import { parseSpec } from './parse-spec.ts';
import { closeRunFolder, openRunFolder } from './run-folder.ts';

const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-outliers-'));
const SHAPE = { channels: 1, height: 28, width: 28 };
const FOREIGN = { source: { kind: 'drawn-garments', train: 60, test: 20 }, rate: 0.25, silos: ['north'] };
const VAE = vaeOf({ kind: 'mlp', hidden: [8], latent: 2 }, SHAPE);

function specOf(foreign: unknown = FOREIGN, { strategies = ['align'], evaluation = {} } = {}) {
  return parseSpec({
    evaluation,
    name: 'outliers',
    rounds: 3,
    data: {
      source: { kind: 'drawn-digits', train: 300, test: 100 },
      partition: {
        kind: 'class-disjoint',
        classes: [
          [0, 1],
          [2, 3, 4],
        ],
      },
      foreign,
    },
    silos: [{ name: 'north' }, { name: 'east' }],
    model: { kind: 'mlp', hidden: [8], latent: 2 },
    local: { epochs: 1, batchSize: 16 },
    strategies,
    privacy: { mechanism: 'none' },
  });
}

const spec = specOf();
const dataKey = childKey(seedKey(spec.seed), 'data');
const gathered = async (own = spec) => {
  const materials = await gatherMaterials(own, { env: {} }, dataKey);
  return { materials, options: { spec: own, silo: 'north', materials, access: { env: {} }, dataKey, key: seedKey(1) } };
};

/** By spec: drawn once. */
const partitions = new Map<unknown, unknown>();

/** What a complete run leaves, with models that nobody trained. */
async function finishedRun(name: string, { stored = spec, round = 3, isComplete = true } = {}): Promise<string> {
  const folder = await openRunFolder({ path: join(ROOT, name), spec: stored });
  const { layout } = folder;
  if (!partitions.has(stored)) partitions.set(stored, (await gathered(stored)).materials.manifest);
  await writeJsonAtomic(layout.partition, partitions.get(stored));
  for (const [i, dir] of [layout.silo('north', 'align'), layout.global('align')].entries()) {
    const parameters = initialParameters(VAE.parameters, childKey(seedKey(0), i));
    await saveState(join(dir, 'state.safetensors'), { parameters, memory: {}, epochsDone: 1, round, finished: true });
  }
  if (isComplete) writeFileSync(layout.summary, '{}');
  await closeRunFolder(folder);
  return folder.root;
}

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine();
});
afterAll(async () => {
  await engine.close();
  rmSync(ROOT, { recursive: true, force: true });
});

const imagesOf = (values: Float32Array) =>
  Array.from({ length: values.length / 784 }, (_, i) => values.subarray(784 * i, 784 * (i + 1)).join());

describe('the images that outliers are judged by', () => {
  it('are all foreign ones of the silo, as many that no silo has, its own, and test images of its classes', async () => {
    const { materials, options } = await gathered();
    const { silo, global, foreignSource } = await gatherOutliers(options);
    const count = (values: Float32Array) => values.length / 784;
    // 60 own digits of classes 0 and 1, a quarter as many garments of 60, of which 45 are left
    expect(Object.values(silo).map(count)).toEqual([15, 15, 60, 20]);
    expect(Object.values(global).map(count)).toEqual([15, 15, 150, 50]);
    expect(foreignSource).toBe('drawn-garments/train');

    const held = materials.silos[0];
    const trained = new Set(imagesOf(Float32Array.from(held?.set.images ?? [], (byte) => byte / 255)));
    const inTraining = (values: Float32Array) => imagesOf(values).map((image) => trained.has(image));
    expect(inTraining(silo.members)).toEqual(Array(15).fill(true));
    expect(inTraining(silo.typical)).toEqual(Array(60).fill(true));
    expect(inTraining(silo.heldOut)).toEqual(Array(15).fill(false));
    expect(inTraining(silo.typicalHeldOut)).toEqual(Array(20).fill(false));
    expect(new Set([...imagesOf(silo.members), ...imagesOf(silo.typical)]).size).toBe(75);
  });

  it('are drawn from the very source that the foreign ones came from', async () => {
    const small = specOf({ ...FOREIGN, source: { kind: 'drawn-garments', train: 16, test: 20 } });
    const { options } = await gathered(small);
    await expect(gatherOutliers(options)).rejects.toThrow(/has 1 foreign images that no silo has/); // 16 less 15
  });
});

describe('an autoencoder at work', () => {
  it('reconstructs each image by itself, and dreams the same for the same key', async () => {
    const vae = await openAutoencoder(engine, VAE, initialParameters(VAE.parameters, seedKey(2)));
    const dreams = await vae.dream(253, seedKey(3));
    expect(dreams.length).toBe(253 * 784);
    const again = await vae.dream(253, seedKey(3));
    expect(again.every((value, i) => value === dreams[i])).toBe(true);
    const all = await vae.reconstruct(dreams);
    const last = await vae.reconstruct(dreams.subarray(252 * 784));
    const furthest = last.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (all[252 * 784 + i] as number))),
      0,
    );
    expect(furthest).toBeLessThan(1e-6);
  });
});

describe('the evaluation of outliers', () => {
  it('writes its file and its picture', async () => {
    const path = await finishedRun('complete');
    const file = await evaluateOutliers({ path, synthetic: 40 });
    expect(file).toEqual(await readOutliers(outlierFilePath(path)));
    const { models, figure } = file;
    expect(models.silo?.images).toEqual({ members: 15, heldOut: 15, typical: 60, typicalHeldOut: 20, synthetic: 40 });
    expect(models.global?.images.typical).toBe(150);
    expect(models.silo?.spaces[0]?.reproduction.members.references).toEqual({
      own: 30,
      other: 30,
      synthetic: 30,
    });
    expect(figure.rows).toHaveLength(5);
    const { width, height } = decode(readFileSync(join(path, figure.file)));
    expect([width, height]).toEqual([15 * 58 + 2, 5 * 58 + 2]);
  });

  it("finds the silos of `local-only` among ALIGN-FL's, and dreams as often as the spec says", async () => {
    const stored = specOf(FOREIGN, {
      strategies: ['local-only', 'align'],
      evaluation: { outliers: { synthetic: 30 } },
    });
    const { strategy, models } = await evaluateOutliers({ path: await finishedRun('shared', { stored }) });
    expect([strategy, models.silo?.images.synthetic, models.global]).toEqual(['local-only', 30, null]);
  });

  it('refuses a run without foreign images, and a silo that has none', async () => {
    const path = await finishedRun('none', { stored: specOf(null) });
    await expect(evaluateOutliers({ path })).rejects.toThrow(/data.foreign is null/);
    const other = await finishedRun('other');
    await expect(evaluateOutliers({ path: other, silo: 'east' })).rejects.toThrow(/Those that have: north/);
  });

  it('calls nothing an image in training that a silo held which never took part', async () => {
    const absent = (name: string) =>
      parseSpec({ ...spec, silos: spec.silos.map((one) => (one.name === name ? { name, participation: null } : one)) });
    const path = await finishedRun('absent', { stored: absent('north') });
    await expect(evaluateOutliers({ path })).rejects.toThrow(/Silo north never took part/);
    const { global } = await gatherOutliers((await gathered(absent('east'))).options);
    expect(Object.values(global).map((values) => values.length / 784)).toEqual([15, 15, 60, 20]); // those of north alone
  });

  it('refuses a run that is not complete, a state of another round, and other images, and leaves no file', async () => {
    const begun = await finishedRun('begun', { isComplete: false });
    await expect(evaluateOutliers({ path: begun })).rejects.toThrow(/--resume/);
    const early = await finishedRun('early', { round: 2 });
    await expect(evaluateOutliers({ path: early })).rejects.toThrow(/end of round 3, but .*end of round 2/);
    const changed = await finishedRun('changed');
    const partition = join(changed, 'partition.json');
    writeFileSync(partition, readFileSync(partition, 'utf8').replace('"foreign": 15', '"foreign": 14'));
    await expect(evaluateOutliers({ path: changed })).rejects.toThrow(/not those of the run/);
    for (const path of [begun, early, changed]) expect(existsSync(outlierFilePath(path))).toBe(false);
  });
});
