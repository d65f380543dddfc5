import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smallSilo, SMALL_MODEL, temporaryFolder } from '../../test/small-silos.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { WeightsUpdate } from '../exchange/weights-update.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { averageWeights } from '../server/average.ts';
import { createSiloRunner, type SiloRunner } from '../silo/silo.ts';
import { loadState } from '../training/state-file.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { fedAvgStrategy } from './fedavg.ts';
import { localPort } from './local-port.ts';
import { playRound } from './round.ts';

const ROOT = temporaryFolder();
const INITIAL = initialParameters(
  vaeOf(SMALL_MODEL, { channels: 1, height: 28, width: 28 }).parameters,
  seedKey('fedavg'),
);

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

/** A federation of these silos in a folder of its own; the strategy is opened anew for every round. */
function federation(names: readonly string[]) {
  const folder = mkdtempSync(join(ROOT, 'case-'));
  const file = join(folder, 'average.safetensors');
  const configs = names.map((name) => smallSilo(name, folder));
  const silos = configs.map((config) => localPort(runner, config));
  const play = (round: number) => {
    const strategy = fedAvgStrategy({ run: 'fedavg', initial: INITIAL, file });
    return playRound({ round, strategy, silos, atOnce: 2, emit: () => {} });
  };
  return { file, configs, play };
}

const update = (silo: string, examples: number, w: number): WeightsUpdate => ({
  kind: 'weights',
  silo,
  round: 1,
  examples,
  weights: { w: Float32Array.of(w) },
  privacy: NO_PRIVACY,
});

describe('FedAvg', () => {
  test('starts every silo from the initial weights, then from the last average, also after a restart', async () => {
    const file = join(mkdtempSync(join(ROOT, 'case-')), 'average.safetensors');
    const initial = { w: Float32Array.of(0.5) };
    const strategy = () => fedAvgStrategy({ run: 'fedavg', initial, file });
    expect(await strategy().instruct(1)).toEqual({ kind: 'train-given', run: 'fedavg', round: 1, weights: initial });
    const average = await strategy().absorb(1, [update('a', 1, 0), update('b', 3, 4)]);
    expect(average).toEqual({ w: Float32Array.of(3) });
    expect(await strategy().instruct(2)).toEqual({ kind: 'train-given', run: 'fedavg', round: 2, weights: average });
    expect(await loadState(file)).toMatchObject({ round: 1, finished: true, parameters: average });
  });

  test('with a single silo is the training of that silo', async () => {
    const { play } = federation(['north']);
    const alone = smallSilo('north', mkdtempSync(join(ROOT, 'case-')));
    let weights: NamedArrays = INITIAL;
    for (const round of [1, 2]) {
      const { global } = await play(round);
      const answer = await runner.play(alone, { kind: 'train-given', run: 'fedavg', round, weights });
      weights = (answer as WeightsUpdate).weights;
      expect(global).toEqual(weights);
    }
  });

  test('of two silos is the weighted mean of what each would have learnt from the same start', async () => {
    const { play, configs } = federation(['north', 'east']);
    const { global, uploads } = await play(1);
    expect(uploads.map(({ silo }) => silo)).toEqual(['north', 'east']);
    expect(global).toEqual(averageWeights(uploads as WeightsUpdate[]));
    for (const [i, { name }] of configs.entries()) {
      const task = { kind: 'train-given', run: 'fedavg', round: 1, weights: INITIAL } as const;
      expect(await runner.play(smallSilo(name, mkdtempSync(join(ROOT, 'case-'))), task)).toEqual(uploads[i]);
    }
  });

  test('a round that is played again after its average was saved ends with the same average', async () => {
    const { play, file } = federation(['north', 'east']);
    await play(1);
    const second = await play(2);
    const bytes = readFileSync(file);
    expect(await play(2)).toEqual(second); // as after a kill before the journal was written
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });
});
