import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  decoderHash,
  SMALL_LOSS,
  SMALL_MODEL,
  SMALL_PRIVACY,
  SMALL_TRAINING,
  smallSilo,
  temporaryFolder,
} from '../../test/small-silos.ts';
import { drawDigits } from '../data/drawn-digits.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { DataError, SpecError } from '../errors.ts';
import type { Release } from '../exchange/release.ts';
import type { Task } from '../exchange/task.ts';
import { initialParameters } from '../models/initialise.ts';
import { linearGaussianOf } from '../models/linear-gaussian.ts';
import { epsilonOf } from '../privacy/accountant.ts';
import type { DpSgdOptions } from '../privacy/dp-plan.ts';
import { readLedger, setBudget } from '../privacy/ledger.ts';
import { freshState, type NamedArrays } from '../training/parameter-slots.ts';
import { loadState } from '../training/state-file.ts';
import { createTrainer } from '../training/trainer.ts';
import { createSiloRunner, type SiloRunner } from './silo.ts';
import { type SiloConfig, stateFileOf } from './silo-config.ts';
import type { ConditionalVaeModel, WarmStart } from './silo-model.ts';
import { trainableModel } from './silo-model.ts';
import { trainingPlanOf } from './training-plan.ts';
import { closedFormImages } from './warm-start.ts';
import { requireWholePlan } from './whole-plan.ts';

const ROOT = temporaryFolder();
const folder = () => mkdtempSync(join(ROOT, 'case-'));
const own = (round: number): Task => ({ kind: 'train-own', run: 'warm', round });
const IMAGES = drawDigits({ key: seedKey('warm-start'), count: 400, classes: [0, 1] });
const LOCAL = {
  ...SMALL_TRAINING,
  epochs: 1,
  batchSize: 40,
  optimizer: { ...SMALL_TRAINING.optimizer, learningRate: 1e-2 },
};
const CLASSES = { count: 2, offered: [0, 1] };
const WARM: WarmStart = {
  closedForm: { components: 1, frequencies: 4, rank: 4 },
  epsilon: null,
  images: 81,
  training: { ...LOCAL, epochs: 5 },
};
/** Enough for the noise on 400 records to leave something. */
const PRIVACY: DpSgdOptions = { ...SMALL_PRIVACY, epsilon: 60, noise: 'seeded' };
/** Ten steps a round that see all records, which are accounted for in no time. */
const PRIVATE_LOCAL = { ...LOCAL, batchSize: 400, epochs: 10 };
const PRIVATE_WARM: WarmStart = { ...WARM, epsilon: 40 };

let engine: Engine;
let runner: SiloRunner;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  runner = createSiloRunner(engine);
});
afterAll(() => engine.close());

function modelWith(warmStart: WarmStart | null): ConditionalVaeModel {
  return {
    kind: 'conditional-vae',
    architecture: SMALL_MODEL,
    loss: SMALL_LOSS,
    prior: { kind: 'normal' },
    classes: CLASSES,
    warmStart,
  };
}

function silo(warmStart: WarmStart | null, change: Partial<SiloConfig> = {}): SiloConfig {
  return smallSilo('north', folder(), { model: modelWith(warmStart), local: LOCAL, images: IMAGES, ...change });
}

const privateSilo = (change: Partial<DpSgdOptions> = {}, warmStart: WarmStart | null = PRIVATE_WARM) =>
  silo(warmStart, { privacy: { ...PRIVACY, ...change }, local: PRIVATE_LOCAL });
const chargesOf = async ({ ledgerDir }: SiloConfig) => (await readLedger(ledgerDir)).entries;

describe('a warm start', () => {
  test('begins with a model that knows images of the closed form better than a fresh one, also under Lipschitz control', async () => {
    const closedForm = linearGaussianOf(WARM.closedForm, { shape: IMAGES.shape, classes: 2, offered: [0, 1] });
    const drawn = await closedFormImages(closedForm, {
      engine,
      images: IMAGES,
      count: 81,
      plan: null,
      key: seedKey('d'),
    });
    expect([drawn.labels.filter((label) => label === 0).length, drawn.labels.length]).toEqual([40, 81]);
    const model = trainableModel(modelWith(null), IMAGES.shape);
    const still = { ...LOCAL, optimizer: { ...LOCAL.optimizer, learningRate: 0 } };
    const trainer = await createTrainer(engine, model.objective, still);
    const lossOf = async (parameters: NamedArrays) => {
      let found = Number.NaN;
      const onEpoch = (_: number, { loss }: Readonly<Record<string, number>>) => void (found = loss as number);
      const job = { examples: model.examples(drawn, false), start: freshState(parameters), key: seedKey('loss') };
      await trainer.train(job, { onEpoch });
      return found;
    };
    const fresh = await lossOf(initialParameters(model.parameters, seedKey('fresh')));
    const flat = { lipschitzForm: 'spectral-normalisation', lipschitzWeight: null, lipschitzBound: 3 } as const;
    for (const privacy of [{ mechanism: 'none' }, { mechanism: 'lipschitz', ...flat }] as const) {
      const config = silo(WARM, { privacy });
      const stop = new AbortController();
      const onStep = ({ epoch }: { epoch: number }) => epoch > 0 && stop.abort();
      await expect(runner.play(config, own(1), { signal: stop.signal, onStep })).rejects.toThrow('stopped');
      const state = await loadState(stateFileOf(config));
      expect(state).toMatchObject({ round: 1, epochsDone: 0, finished: false });
      expect(await lossOf(state?.parameters ?? {})).toBeLessThan(0.8 * fresh);
    }
  });

  test('comes before the first round alone, in one count of steps', async () => {
    const config = silo(WARM);
    const told: string[] = [];
    await runner.play(config, own(1), { onStep: ({ step, steps, epoch }) => told.push(`${epoch}: ${step}/${steps}`) });
    expect([told[0], told[14], told[15], told[24], told.length]).toEqual([
      '0: 1/25',
      '0: 15/25',
      '1: 16/25',
      '1: 25/25',
      25,
    ]);
    told.length = 0;
    await runner.play(config, own(2), { onStep: ({ step, steps }) => told.push(`${step}/${steps}`) });
    expect(told.at(-1)).toBe('10/10');
  });

  test.each([
    ['within itself', 0, null],
    ['after it', 1, { epochsDone: 0, finished: false }],
  ] as const)('that was stopped %s ends as one that was not, and is paid for once', async (_, epochs, found) => {
    const whole = decoderHash(await runner.play(privateSilo(), own(1)));
    const config = privateSilo();
    const stop = new AbortController();
    const onStep = ({ epoch }: { epoch: number }) => epoch === epochs && stop.abort();
    await expect(runner.play(config, own(1), { signal: stop.signal, onStep })).rejects.toThrow('stopped');
    const state = await loadState(stateFileOf(config));
    if (found === null) expect(state).toBeNull();
    else expect(state).toMatchObject(found);
    expect(decoderHash(await runner.play(config, own(1)))).toBe(whole);
    expect(await chargesOf(config)).toHaveLength(1);
  });
});

describe('a private warm start', () => {
  test('is one charge with the steps of its round, within epsilon over all rounds, and the statement tells of it', async () => {
    const config = privateSilo({ noise: 'secure' });
    const plan = trainingPlanOf(config);
    const [first, second] = [await runner.play(config, own(1)), await runner.play(config, own(2))] as Release[];
    const charges = await chargesOf(config);
    const steps = { type: 'selfComposed', count: 10 };
    expect(charges.map(({ event }) => event)).toMatchObject([
      { type: 'composed', events: [plan?.before, steps] },
      steps,
    ]);
    const { epsilon } = epsilonOf({ type: 'composed', events: charges.map(({ event }) => event) }, 1e-5);
    expect(epsilon).toBeLessThanOrEqual(60);
    expect(second?.privacy).toMatchObject({
      guarantee: 'epsilon-delta',
      epsilon,
      steps: 20,
      neighbours: 'zero-out-one',
    });
    expect(second?.privacy).toMatchObject({ before: [{ name: 'middle' }, { name: 'moments' }] });
    expect(first?.privacy.text).toContain('Epsilon includes a closed-form release');
  });

  test('has a nominal epsilon with the release in it where its noise is seeded, and draws other noise where it is secure', async () => {
    const seeded = (await runner.play(privateSilo(), own(1))) as Release;
    const plan = trainingPlanOf(privateSilo());
    const nominal = epsilonOf(
      { type: 'composed', events: [plan!.before!, { type: 'selfComposed', count: 10, event: stepOf(plan!) }] },
      1e-5,
    ).epsilon;
    expect(seeded.privacy).toMatchObject({ guarantee: 'none', nominalEpsilon: nominal });
    const hashes = [privateSilo({ noise: 'secure' }), privateSilo({ noise: 'secure' })].map((config) =>
      runner.play(config, own(1)).then(decoderHash),
    );
    expect(new Set(await Promise.all(hashes)).size).toBe(2);
  });

  test('is part of the whole plan that a budget is asked for', async () => {
    const config = privateSilo({ noise: 'secure' });
    await setBudget(config.ledgerDir, { epsilon: 59, delta: 1e-5 }, () => new Date(0));
    await expect(requireWholePlan(config, 'warm')).rejects.toThrow('exceed the privacy budget');
    await setBudget(config.ledgerDir, { epsilon: 60, delta: 1e-5 }, () => new Date(0));
    await requireWholePlan(config, 'warm');
  });

  test('that is made again in a later round is paid for again, once, wherever that round is interrupted', async () => {
    const config: SiloConfig = { ...privateSilo({ noise: 'secure' }), plannedRounds: 3, gaps: 'allowed' };
    await setBudget(config.ledgerDir, { epsilon: 200, delta: 1e-5 }, () => new Date(0));
    const before = trainingPlanOf(config)?.before;
    const fail = () => {
      throw new DataError('a failure');
    };
    await expect(runner.play(config, own(1), { onStep: fail })).rejects.toThrow(DataError);
    const stop = new AbortController();
    const stopInTraining = ({ epoch }: { readonly epoch: number }) => void (epoch > 0 && stop.abort());
    await expect(runner.play(config, own(2), { signal: stop.signal, onStep: stopInTraining })).rejects.toMatchObject({
      name: 'AbortedError',
    });
    expect(await loadState(stateFileOf(config))).toMatchObject({ round: 2, finished: false });
    await runner.play(config, own(2));
    await runner.play(config, own(3));
    const steps = { type: 'selfComposed', count: 10 };
    const begun = { type: 'composed', events: [before, steps] };
    expect((await chargesOf(config)).map(({ event }) => event)).toMatchObject([begun, begun, steps]);
  });

  test('that is made and saved is not paid for again where the training after it fails', async () => {
    const config: SiloConfig = { ...privateSilo({ noise: 'secure' }), plannedRounds: 3, gaps: 'allowed' };
    await setBudget(config.ledgerDir, { epsilon: 200, delta: 1e-5 }, () => new Date(0));
    const failInTraining = ({ epoch }: { readonly epoch: number }) => {
      if (epoch > 0) throw new DataError('a failure');
    };
    await expect(runner.play(config, own(1), { onStep: failInTraining })).rejects.toThrow(DataError);
    expect(await loadState(stateFileOf(config))).toMatchObject({ round: 1, finished: false });
    await runner.play(config, own(1));
    const steps = { type: 'selfComposed', count: 10 };
    const begun = { type: 'composed', events: [trainingPlanOf(config)?.before, steps] };
    expect((await chargesOf(config)).map(({ event }) => event)).toMatchObject([begun, steps]);
  });

  test('that fails is paid for, and one that cannot be is not', async () => {
    const failing = privateSilo({}, { ...WARM, epsilon: 0.1 }); // noise in which 400 records cannot be seen
    await expect(runner.play(failing, own(1))).rejects.toThrow(DataError);
    expect(await chargesOf(failing)).toMatchObject([{ isFailed: true }]);
    for (const epsilon of [null, 60]) {
      const impossible = privateSilo({}, { ...WARM, epsilon });
      await expect(runner.play(impossible, own(1))).rejects.toThrow(SpecError);
      await expect(chargesOf(impossible)).rejects.toThrow();
    }
  });
});

function stepOf({
  samplingRate,
  noiseMultiplier,
}: {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
}) {
  return { type: 'poissonSampled', samplingRate, event: { type: 'gaussian', noiseMultiplier } } as const;
}
