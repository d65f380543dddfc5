import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { drawDigits } from '../data/drawn-digits.ts';
import { imageExamples } from '../data/batches.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { AbortedError, NumericalError, StateError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { createDpTrainers } from '../privacy/dp-trainer.ts';
import { type RoundTraining, trainRound } from './round-training.ts';
import { loadState } from './state-file.ts';
import type { NamedArrays } from './parameter-slots.ts';
import { createTrainer, type Trainer } from './trainer.ts';
import { vaeObjective } from './vae-objective.ts';
import { weightAverage } from './weight-average.ts';

const KEY = seedKey('round-training');
const EPOCHS = 4;
const IMAGES = drawDigits({ key: childKey(KEY, 'digits'), count: 40, classes: [0, 1] });
const VAE = vaeOf({ kind: 'mlp', hidden: [8], latent: 2 }, IMAGES.shape);

let engine: Engine;
let trainer: Trainer;
let folder = '';
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
  trainer = await createTrainer(engine, vaeObjective('VAE', VAE, { reconstruction: 'mse', klWeight: 1 }), {
    epochs: EPOCHS,
    batchSize: 16,
    optimizer: { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    schedule: { kind: 'constant' },
  });
});
afterAll(() => engine.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'align-fl-round-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The job of one round, with a file of its own. */
function job(round: number, change: Partial<RoundTraining> = {}): RoundTraining {
  return {
    file: join(folder, 'state.safetensors'),
    round,
    start: { kind: 'own', initial: () => initialParameters(VAE.parameters, childKey(KEY, 'init')) },
    examples: () => imageExamples(IMAGES),
    key: childKey(KEY, `round-${round}`),
    ...change,
  };
}

/** The clock jumps far at each look, so that a state is saved after every epoch. */
function saveAlways(): void {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 60_000));
}

/** Trains a round and stops it when so many epochs are done. */
async function stoppedAfter(epochs: number, work: RoundTraining): Promise<void> {
  const abort = new AbortController();
  const hooks = { signal: abort.signal, onEpoch: (epoch: number) => epoch === epochs && abort.abort() };
  await expect(trainRound(trainer, work, hooks as never)).rejects.toThrow(AbortedError);
}

describe('the training of a round', () => {
  test('begins with nothing before the first round, then with its own last parameters', async () => {
    const begun: NamedArrays[] = [];
    const watched: Trainer = {
      train: (work, hooks) => (begun.push(work.start.parameters), trainer.train(work, hooks)),
    };
    const first = await trainRound(watched, job(1));
    const second = await trainRound(watched, job(2));
    expect(begun).toEqual([initialParameters(VAE.parameters, childKey(KEY, 'init')), first]);
    expect(second).not.toEqual(first);
    expect(await loadState(job(2).file)).toEqual({
      parameters: second,
      memory: {},
      round: 2,
      epochsDone: EPOCHS,
      finished: true,
    });
  });

  test('is not done again once it is complete: the answer is read from disk', async () => {
    const first = await trainRound(trainer, job(1));
    const bytes = readFileSync(job(1).file);
    const never = () => expect.fail('asked for although the round is complete');
    const again = await trainRound(
      { train: never },
      job(1, { start: { kind: 'own', initial: never }, examples: never }),
    );
    expect(again).toEqual(first);
    expect(readFileSync(job(1).file).equals(bytes)).toBe(true);
  });

  test('is refused for a round that lies behind, and the state stays as it is', async () => {
    await trainRound(trainer, job(1));
    await trainRound(trainer, job(2));
    const bytes = readFileSync(job(1).file);
    const error: unknown = await trainRound(trainer, job(1)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StateError);
    expect((error as StateError).facts).toMatchObject({ round: 1, storedRound: 2 });
    expect(readFileSync(job(1).file).equals(bytes)).toBe(true);
  });

  test('is refused where the state of the round before is missing or incomplete: nothing else may be trained on', async () => {
    const missing = trainRound(trainer, job(2));
    await expect(missing).rejects.toThrow(/end of round 1, but .* is missing/);
    saveAlways();
    await stoppedAfter(1, job(1));
    await expect(trainRound(trainer, job(2))).rejects.toThrow('within round 1');
    vi.restoreAllMocks();
    await trainRound(trainer, job(1));
    await expect(trainRound(trainer, job(3))).rejects.toThrow('at the end of round 1');
    expect(await loadState(job(1).file)).toMatchObject({ round: 1, finished: true });
  });

  test('of a model that joins later begins without a state, and with none of another', async () => {
    const begun = await trainRound(trainer, job(3, { firstRound: 3 }));
    expect(await loadState(job(3).file)).toMatchObject({ round: 3, finished: true });
    const first = await trainRound(trainer, job(1, { file: join(folder, 'first.safetensors'), key: job(3).key }));
    expect(begun).toEqual(first); // nothing but the key tells its first round from another's
    await trainRound(trainer, job(4, { firstRound: 3 }));
    await expect(trainRound(trainer, job(5, { firstRound: 5 }))).rejects.toThrow('begins without a state');
    const early = job(2, { firstRound: 3, file: join(folder, 'early.safetensors') });
    await expect(trainRound(trainer, early)).rejects.toThrow(StateError);
  });

  describe('where rounds may be missing', () => {
    const gappy = (round: number, change: Partial<RoundTraining> = {}) => job(round, { gaps: 'allowed', ...change });
    const at = (name: string) => ({ file: join(folder, name) });

    test('goes on from the last one that was completed, or begins where none was', async () => {
      const begun = await trainRound(trainer, gappy(3, at('begun')));
      expect(begun).toEqual(await trainRound(trainer, job(1, { ...at('first'), key: job(3).key })));
      const fourth = await trainRound(trainer, gappy(5, at('begun')));
      await trainRound(trainer, job(1, { ...at('first'), key: job(3).key }));
      expect(fourth).toEqual(await trainRound(trainer, job(2, { ...at('first'), key: job(5).key })));
      await expect(trainRound(trainer, job(7, at('begun')))).rejects.toThrow('end of round 6'); // unless somebody allows it
    });

    test('goes on from none that lies ahead, or before it took part', async () => {
      await trainRound(trainer, gappy(2));
      await trainRound(trainer, gappy(3));
      for (const round of [1, 2]) await expect(trainRound(trainer, gappy(round))).rejects.toThrow(StateError);
      await expect(trainRound(trainer, gappy(9, { firstRound: 5 }))).rejects.toThrow(StateError);
      await expect(trainRound(trainer, gappy(4, { firstRound: 5, ...at('none') }))).rejects.toThrow(StateError);
      expect(await loadState(job(1).file)).toMatchObject({ round: 3, finished: true });
    });

    test('takes one that was interrupted and is not asked for any more for none, whatever the clock had saved of it', async () => {
      saveAlways();
      for (const [name, completed] of [
        ['later', true],
        ['first', false],
      ] as const) {
        for (const file of [name, `${name}-stopped`]) if (completed) await trainRound(trainer, gappy(1, at(file)));
        await stoppedAfter(1, gappy(2, at(`${name}-stopped`)));
        await stoppedAfter(2, gappy(3, at(`${name}-stopped`)));
        expect(await loadState(at(`${name}-stopped`).file)).toMatchObject({ round: 3, epochsDone: 2, finished: false });
        const whole = await trainRound(trainer, gappy(4, at(name)));
        expect(await trainRound(trainer, gappy(4, at(`${name}-stopped`)))).toEqual(whole);
      }
      expect(readdirSync(folder).filter((name) => name.endsWith('.complete'))).toEqual([]);
    });

    test('that is asked for again goes on after its last saved epoch, to the same bytes', async () => {
      saveAlways();
      for (const file of ['whole', 'stopped']) await trainRound(trainer, gappy(1, at(file)));
      const whole = await trainRound(trainer, gappy(3, at('whole')));
      await stoppedAfter(2, gappy(3, at('stopped')));
      const seen: number[] = [];
      const rest = await trainRound(trainer, gappy(3, at('stopped')), { onEpoch: (epoch) => void seen.push(epoch) });
      expect([rest, seen]).toEqual([whole, [3, 4]]);
    });
  });

  test('that was stopped after any epoch goes on from there to the same bytes', async () => {
    const wholeFile = join(folder, 'whole.safetensors');
    const whole = await trainRound(trainer, job(1, { file: wholeFile }));
    saveAlways();
    for (let epochs = 1; epochs < EPOCHS; epochs++) {
      const work = job(1, { file: join(folder, `stopped-${epochs}.safetensors`) });
      await stoppedAfter(epochs, work);
      expect(await loadState(work.file)).toMatchObject({ round: 1, epochsDone: epochs, finished: false });
      const seen: number[] = [];
      const rest = await trainRound(trainer, work, { onEpoch: (epoch) => void seen.push(epoch) });
      expect(seen).toEqual(Array.from({ length: EPOCHS - epochs }, (_, i) => epochs + 1 + i));
      expect(rest).toEqual(whole);
      expect(readFileSync(work.file).equals(readFileSync(wholeFile))).toBe(true);
    }
  });

  test('that was killed between its last epoch and its end needs no more training', async () => {
    saveAlways();
    const whole = await trainRound(trainer, job(1, { file: join(folder, 'whole.safetensors') }));
    const dying: Trainer = {
      async train(work, hooks) {
        await trainer.train(work, hooks);
        throw new AbortedError('Killed here.');
      },
    };
    await expect(trainRound(dying, job(1))).rejects.toThrow('Killed here.');
    expect(await loadState(job(1).file)).toMatchObject({ epochsDone: EPOCHS, finished: false });
    expect(await trainRound(trainer, job(1))).toEqual(whole);
    expect(readFileSync(job(1).file).equals(readFileSync(join(folder, 'whole.safetensors')))).toBe(true);
  });

  test('that was killed there ends with the average of the weights, too, where it was to', async () => {
    const training = {
      epochs: 2,
      batchSize: 16,
      optimizer: { kind: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
      schedule: { kind: 'constant' },
    } as const;
    const objective = vaeObjective('VAE', VAE, { reconstruction: 'mse', klWeight: 1 });
    const plain = { clipping: 'auto-s', clipNorm: 1, quantile: 0.5, mode: 'full', physicalBatch: null } as const;
    const plan = { samplingRate: 0.4, noiseMultiplier: 1, steps: 99, stepsPerEpoch: 3, expectedBatch: 16 };
    const privately = await createDpTrainers(engine, objective, training, {
      ...plain,
      noise: 'seeded',
      averaging: 0.9,
    });
    const averaging = [
      await createTrainer(engine, objective, training, { projection: weightAverage(VAE.parameters, 0.9) }),
      privately(plan),
    ];
    saveAlways();
    for (const [i, own] of averaging.entries()) {
      const work = job(1, { file: join(folder, `killed-${i}.safetensors`) });
      const whole = await trainRound(own, job(1, { file: join(folder, `whole-${i}.safetensors`) }));
      const dying: Trainer = {
        async train(given, hooks) {
          await own.train(given, hooks);
          throw new AbortedError('Killed here.');
        },
      };
      await expect(trainRound(dying, work)).rejects.toThrow('Killed here.');
      const { parameters, finished } = (await loadState(work.file))!;
      expect(finished).toBe(false);
      expect(parameters).not.toEqual(whole); // the last step's
      expect(await trainRound(own, work)).toEqual(whole);
    }
  });

  test('that was stopped early in its first epochs starts again, to the same bytes', async () => {
    const whole = await trainRound(trainer, job(1, { file: join(folder, 'whole.safetensors') }));
    await stoppedAfter(1, job(1));
    expect(existsSync(job(1).file)).toBe(false);
    expect(await trainRound(trainer, job(1))).toEqual(whole);
  });

  test('leaves the last complete round on disk where the next fails', async () => {
    await trainRound(trainer, job(1));
    const bytes = readFileSync(job(1).file);
    const broken = () => ({
      ...imageExamples(IMAGES),
      read: (_: ArrayLike<number>, out: Float32Array) => out.fill(NaN),
    });
    await expect(trainRound(trainer, job(2, { examples: broken as never }))).rejects.toThrow(NumericalError);
    expect(readFileSync(job(1).file).equals(bytes)).toBe(true);
  });
});
