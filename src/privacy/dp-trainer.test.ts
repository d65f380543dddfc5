import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { float32, uint32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, type Key, seedKey, uniforms } from '../engine/keys.ts';
import { PrivacyError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { dense } from '../models/layers.ts';
import { vaeOf } from '../models/vae.ts';
import { type Examples, floatExamples } from '../training/examples.ts';
import type { Objective } from '../training/objective.ts';
import { freshState, type TrainingState } from '../training/parameter-slots.ts';
import { createTrainer, type TrainingOptions } from '../training/trainer.ts';
import { vaeObjective } from '../training/vae-objective.ts';
import type { DpSgdPlan } from './dp-plan.ts';
import { createDpTrainers, type DpStepOptions } from './dp-trainer.ts';

const KEY = seedKey('private trainer');
const D = 3;

/** |x W + b - x|^2, without noise of its own. */
const LINEAR: Objective = {
  label: 'linear map',
  parameters: { 'decoder.weight': float32(D, D), 'decoder.bias': float32(D) },
  exampleSize: D,
  bits: (rows) => uint32(rows),
  terms: (parameters, { x, bits }, observe) => {
    bits.dispose();
    return { loss: np.square(dense(parameters, 'decoder', x.ref, observe).sub(x)).sum(1) };
  },
};
const START = freshState({ 'decoder.weight': new Float32Array(D * D).fill(0.1), 'decoder.bias': new Float32Array(D) });

/** The sum of outputs times a factor: for x = e the gradient of every weight is that factor, whatever the weights. */
function slope(factor: number, outputs: number): Objective {
  return {
    label: 'slope',
    parameters: { 'decoder.weight': float32(1, outputs), 'decoder.bias': float32(outputs) },
    exampleSize: 1,
    bits: (rows) => uint32(rows),
    terms: (parameters, { x, bits }, observe) => {
      bits.dispose();
      return { loss: dense(parameters, 'decoder', x, observe).sum(1).mul(factor) };
    },
  };
}

const STEP: DpStepOptions = {
  clipping: 'fixed',
  clipNorm: 1,
  quantile: 0.5,
  mode: 'full',
  averaging: null,
  physicalBatch: null,
};

function training(batchSize: number, more: Partial<TrainingOptions> = {}): TrainingOptions {
  return {
    epochs: 1,
    batchSize,
    optimizer: { kind: 'sgd', learningRate: 1, momentum: 0 },
    schedule: { kind: 'constant' },
    ...more,
  };
}

function plan(samplingRate: number, expectedBatch: number, more: Partial<DpSgdPlan> = {}): DpSgdPlan {
  return { samplingRate, expectedBatch, stepsPerEpoch: 1, noiseMultiplier: 1, steps: 1, ...more };
}

function examples(count: number, size = D): Examples {
  return floatExamples(Float32Array.from(uniforms(childKey(KEY, 'x'), count * size)), size);
}

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

async function trained(
  objective: Objective,
  setup: { plan: DpSgdPlan; options?: Partial<DpStepOptions>; training?: TrainingOptions; start?: TrainingState },
  data: Examples,
  key: Key = KEY,
) {
  const options = setup.training ?? training(setup.plan.expectedBatch);
  const trainers = await createDpTrainers(engine, objective, options, { ...STEP, ...setup.options });
  return trainers(setup.plan).train({ examples: data, start: setup.start ?? START, key });
}

function zeros(outputs: number): TrainingState {
  return freshState({ 'decoder.weight': new Float32Array(outputs), 'decoder.bias': new Float32Array(outputs) });
}

const values = (state: TrainingState) => Object.values(state.parameters).flatMap((array) => [...array]);
const std = (numbers: readonly number[]) => Math.sqrt(numbers.reduce((sum, v) => sum + v * v, 0) / numbers.length);

describe('a private step', () => {
  test('with all records, next to no noise and no clipping is the plain full-batch step', async () => {
    const data = examples(20);
    const quiet = plan(1, 20, { noiseMultiplier: 1e-7, stepsPerEpoch: 5 });
    const options = training(20, { epochs: 5, optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0 } });
    const end = await trained(
      LINEAR,
      { plan: { ...quiet, stepsPerEpoch: 1 }, options: { clipNorm: 50 }, training: options },
      data,
    );
    const plain = await createTrainer(engine, LINEAR, options);
    const wanted = await plain.train({ examples: data, start: START, key: KEY });
    for (const [i, value] of values(end).entries()) expect(value).toBeCloseTo(values(wanted)[i] as number, 5);
  });

  test.each([
    { noiseMultiplier: 0.5, clipNorm: 1, batch: 10 },
    { noiseMultiplier: 2, clipNorm: 3, batch: 10 },
    { noiseMultiplier: 8, clipNorm: 0.01, batch: 500 },
  ])(
    'adds noise of exactly noiseMultiplier * clipNorm / batch to every parameter: $noiseMultiplier * $clipNorm / $batch',
    async ({ noiseMultiplier, clipNorm, batch }) => {
      const outputs = 50_000;
      const flat = plan(0.5, batch, { noiseMultiplier });
      const end = await trained(
        slope(0, outputs),
        { plan: flat, options: { clipNorm }, start: zeros(outputs) },
        examples(9, 1),
      );
      const wanted = (noiseMultiplier * clipNorm) / batch;
      for (const part of Object.values(end.parameters)) {
        const found = std([...part]);
        expect(Math.abs(found / wanted - 1)).toBeLessThan(4 / Math.sqrt(2 * outputs)); // four standard errors
        const mean = part.reduce((sum, v) => sum + v, 0) / outputs;
        expect(Math.abs(mean)).toBeLessThan((4 * wanted) / Math.sqrt(outputs));
      }
    },
  );

  test('never draws the same noise twice', async () => {
    const outputs = 1000;
    const still = slope(0, outputs);
    const steps = plan(0.5, 1, { stepsPerEpoch: 2 });
    const one = await trained(still, { plan: { ...steps, stepsPerEpoch: 1 }, start: zeros(outputs) }, examples(2, 1));
    const two = await trained(still, { plan: steps, start: zeros(outputs) }, examples(2, 1));
    const first = values(one);
    const second = values(two).map((v, i) => v - (first[i] as number));
    const product = first.reduce((sum, v, i) => sum + v * (second[i] as number), 0) / first.length;
    expect(Math.abs(product / (std(first) * std(second)))).toBeLessThan(4 / Math.sqrt(2 * outputs));
  });

  test('happens with noise alone where the sample is empty', async () => {
    const outputs = 1000;
    const empty = plan(1e-12, 4);
    const end = await trained(slope(1, outputs), { plan: empty, start: zeros(outputs) }, examples(50, 1));
    expect(std(values(end)) / 0.25).toBeCloseTo(1, 0);
  });

  test('divides by the expected batch, never by the actual one', async () => {
    const data = floatExamples(new Float32Array(8).fill(1), 1);
    const quiet = plan(1, 100, { noiseMultiplier: 1e-7 });
    const end = await trained(slope(-0.5, 1), { plan: quiet, options: { clipNorm: 50 }, start: zeros(1) }, data);
    expect(end.parameters['decoder.bias']?.[0]).toBeCloseTo((8 * 0.5) / 100, 5);
  });

  test('clips every example to the bound: one that is a million times larger moves the sum by no more', async () => {
    const quiet = plan(1, 1, { noiseMultiplier: 1e-7 });
    const moved = async (x: readonly number[]) => {
      const data = floatExamples(Float32Array.from(x), 1);
      const end = await trained(slope(-1, 1), { plan: quiet, options: { clipNorm: 0.5 }, start: zeros(1) }, data);
      return values(end);
    };
    const [alone, both] = [await moved([0]), await moved([0, 1e6])];
    const distance = Math.hypot(...both.map((v, i) => v - (alone[i] as number)));
    expect(distance).toBeGreaterThan(0.499);
    expect(distance).toBeLessThanOrEqual(0.5);
  });

  test('counts an example whose gradient is not finite as zero', async () => {
    const quiet = plan(1, 1, { noiseMultiplier: 1e-7 });
    const moved = async (x: readonly number[]) => {
      const data = floatExamples(Float32Array.from(x), 1);
      return values(await trained(slope(-1, 1), { plan: quiet, start: zeros(1) }, data));
    };
    const wanted = await moved([1]);
    for (const odd of [Number.NaN, Infinity, -Infinity, 1e30]) {
      const found = await moved([1, odd]);
      const distance = Math.hypot(...found.map((v, i) => v - (wanted[i] as number)));
      expect(distance, String(odd)).toBeLessThanOrEqual(Number.isFinite(odd * odd) ? 1 : 1e-6);
    }
  });

  test('does not depend on how many rows are computed at once', async () => {
    const data = examples(40);
    const ends = [];
    for (const physicalBatch of [1, 3, 64]) {
      const setup = { plan: plan(0.5, 20, { stepsPerEpoch: 3 }), options: { physicalBatch } };
      ends.push(values(await trained(LINEAR, setup, data)));
    }
    for (const end of ends) for (const [i, v] of end.entries()) expect(v).toBeCloseTo(ends[0]?.[i] as number, 4);
  });
});

describe('clipping', () => {
  test('adaptive: the bound comes to the median of the norms, and the gradient noise is what the count leaves', async () => {
    const options = { clipping: 'adaptive', clipNorm: 0.1 } as const;
    const epochs = training(200, { epochs: 1 });
    const trainers = await createDpTrainers(engine, slope(1, 1), epochs, { ...STEP, ...options });
    // |gradient| = |(x, 1)|: 100 records of each norm 1, 2 and 3 have the median 2
    const data = floatExamples(
      Float32Array.from({ length: 300 }, (_, i) => Math.sqrt((1 + (i % 3)) ** 2 - 1)),
      1,
    );
    const trainer = trainers(plan(2 / 3, 200, { stepsPerEpoch: 120 }));
    let bound = 0;
    await trainer.train(
      { examples: data, start: zeros(1), key: KEY },
      { onEpoch: (_epoch, _terms, state) => void (bound = state().memory['clipping/norm']?.[0] as number) },
    );
    expect(bound).toBeGreaterThan(1.7);
    expect(bound).toBeLessThan(2.3);
  });

  test('auto-s: gradients of any size count alike, and none counts for more than one', async () => {
    const quiet = plan(1, 1, { noiseMultiplier: 1e-7 });
    for (const factor of [1, 1000]) {
      const data = floatExamples(Float32Array.of(0), 1);
      const setup = { plan: quiet, options: { clipping: 'auto-s' } as const, start: zeros(1) };
      const [, bias] = values(await trained(slope(-factor, 1), setup, data));
      expect(bias).toBeLessThanOrEqual(1);
      expect(bias).toBeCloseTo(factor / (factor + 0.01), 3);
    }
  });

  test('paper-unsound: the bound of the next step is the un-noised median of single tensors', async () => {
    const options = { ...STEP, clipping: 'paper-unsound' } as const;
    const trainers = await createDpTrainers(engine, slope(1, 1), training(3), options);
    let bound = 0;
    await trainers(plan(1, 3)).train(
      { examples: floatExamples(Float32Array.of(4, 5, 6), 1), start: zeros(1), key: KEY },
      { onEpoch: (_epoch, _terms, state) => void (bound = state().memory['clipping/norm']?.[0] as number) },
    );
    expect(bound).toBeCloseTo(4, 5); // weights 4, 5, 6 and biases 1, 1, 1
  });
});

const SHAPE = { channels: 1, height: 8, width: 8 };
const VAE = vaeOf({ kind: 'mlp', hidden: [8], latent: 2 }, SHAPE);
const SMALL = vaeObjective('small VAE', VAE, { reconstruction: 'mse', klWeight: 1 });
const VAE_START = freshState(initialParameters(VAE.parameters, childKey(KEY, 'init')));
const ADAM = { kind: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;

describe('private training of an autoencoder', () => {
  const data = examples(60, 64);
  const setup = (options: Partial<DpStepOptions>, epochs = 4) => ({
    plan: plan(0.3, 18, { stepsPerEpoch: 4, noiseMultiplier: 0.8 }),
    options,
    training: training(18, { epochs, optimizer: ADAM }),
    start: VAE_START,
  });

  test('lowers the loss, repeats bit by bit under a seeded key, and differs under another', async () => {
    const losses: number[] = [];
    const trainers = await createDpTrainers(engine, SMALL, training(18, { epochs: 12, optimizer: ADAM }), {
      ...STEP,
      clipping: 'auto-s',
    });
    const job = { examples: data, start: VAE_START, key: KEY };
    const trainer = trainers(plan(0.3, 18, { stepsPerEpoch: 4, noiseMultiplier: 0.5 }));
    const end = await trainer.train(job, { onEpoch: (_, terms) => void losses.push(terms['loss'] as number) });
    expect(losses[11]).toBeLessThan(0.93 * (losses[0] as number));
    expect(await trainer.train(job)).toEqual(end);
    expect(await trainer.train({ ...job, key: childKey(KEY, 'other') })).not.toEqual(end);
  });

  test('goes on after a stop as if there had been none: clip norm, average and moments come along', async () => {
    const options = { clipping: 'adaptive', averaging: 0.9 } as const;
    const whole = await trained(SMALL, setup(options), data);
    let middle: TrainingState | undefined;
    const trainers = await createDpTrainers(engine, SMALL, training(18, { epochs: 4, optimizer: ADAM }), {
      ...STEP,
      ...options,
    });
    const trainer = trainers(setup({}).plan);
    await trainer.train(
      { examples: data, start: VAE_START, key: KEY },
      { onEpoch: (epoch, _, state) => void (epoch === 2 && (middle = state())) },
    );
    expect(await trainer.train({ examples: data, start: middle as TrainingState, key: KEY })).toEqual(whole);
  });

  test('releases the average of its weights where asked to', async () => {
    const last = await trained(SMALL, setup({}), data);
    const average = await trained(SMALL, setup({ averaging: 0.99 }), data);
    expect(average.parameters).not.toEqual(last.parameters);
    const from = values(VAE_START);
    const far = (state: TrainingState) => std(values(state).map((v, i) => v - (from[i] as number)));
    expect(far(average)).toBeLessThan(far(last));
  });

  test('a fixed encoder stays as it was drawn, whatever the data', async () => {
    const end = await trained(SMALL, setup({ mode: 'fixed-encoder' }), data);
    for (const [name, value] of Object.entries(end.parameters)) {
      const before = VAE_START.parameters[name] as Float32Array;
      const moved = std([...value].map((v, i) => v - (before[i] as number)));
      if (name.startsWith('encoder.')) expect(moved, name).toBeLessThan(1e-7);
      else expect(moved, name).toBeGreaterThan(1e-3);
    }
  });

  test('decoder-only puts no noise on the encoder, which is why nothing may be claimed for it', async () => {
    const noisy = { ...setup({ mode: 'decoder-only' }, 1), plan: plan(1, 60, { noiseMultiplier: 20 }) };
    const sgd = { ...noisy, training: training(60) };
    const [one, two] = [
      await trained(SMALL, sgd, data, childKey(KEY, 1)),
      await trained(SMALL, sgd, data, childKey(KEY, 2)),
    ];
    const apart = (name: string) =>
      std([...(one.parameters[name] as Float32Array)].map((v, i) => v - (two.parameters[name]?.[i] as number)));
    // The two differ by the noise of sampling z alone in the encoder, by the noise of privacy in the decoder.
    expect(apart('decoder.1.weight')).toBeGreaterThan(0.3);
    expect(apart('encoder.0.weight')).toBeLessThan(0.05);
  });

  test('refuses noise that float32 sums cannot be protected with', async () => {
    const drowned = plan(0.3, 18, { noiseMultiplier: 1e5 });
    await expect(trained(SMALL, { ...setup({}), plan: drowned }, data)).rejects.toThrow(PrivacyError);
  });
});
