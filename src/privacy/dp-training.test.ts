import { expect, describe, test } from 'vitest';
import { childKey, secretKey } from '../engine/keys.ts';
import { PrivacyError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import {
  examples,
  KEY,
  plan,
  sharedEngine,
  slope,
  std,
  STEP,
  trained,
  training,
  values,
  zeros,
} from '../../test/private-steps.ts';
import { floatExamples } from '../training/examples.ts';
import { freshState, type TrainingState } from '../training/parameter-slots.ts';
import { vaeObjective } from '../training/vae-objective.ts';
import { createDpTrainers, type DpStepOptions } from './dp-trainer.ts';

const engine = sharedEngine();

describe('clipping', () => {
  test('adaptive: gradients get the noise that the count leaves them', async () => {
    const outputs = 50_000;
    const setup = { plan: plan(0.5, 10), options: { clipping: 'adaptive' } as const, start: zeros(outputs) };
    const end = await trained(engine(), slope(0, outputs), setup, examples(9, 1));
    const left = 1 / Math.sqrt(1 - 1 / (2 * 1.64) ** 2); // z_Delta / z at sigma_b = 1.64 z (Andrew et al. 2021, theorem 1)
    expect(Math.abs((10 * std(values(end))) / left - 1)).toBeLessThan(4 / Math.sqrt(4 * outputs));
  });

  test('adaptive: the bound comes to the median of the norms', async () => {
    const options = { clipping: 'adaptive', clipNorm: 0.1 } as const;
    const epochs = training(200, { epochs: 1 });
    const trainers = await createDpTrainers(engine(), slope(1, 1), epochs, { ...STEP, ...options });
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
      const [, bias] = values(await trained(engine(), slope(-factor, 1), setup, data));
      expect(bias).toBeLessThanOrEqual(1);
      expect(bias).toBeCloseTo(factor / (factor + 0.01), 3);
    }
  });

  test('paper-unsound: the bound of the next step is the un-noised median of single tensors', async () => {
    const options = { ...STEP, clipping: 'paper-unsound' } as const;
    const trainers = await createDpTrainers(engine(), slope(1, 1), training(3), options);
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
    const trainers = await createDpTrainers(engine(), SMALL, training(18, { epochs: 12, optimizer: ADAM }), {
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
    const whole = await trained(engine(), SMALL, setup(options), data);
    let middle: TrainingState | undefined;
    const trainers = await createDpTrainers(engine(), SMALL, training(18, { epochs: 4, optimizer: ADAM }), {
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

  test('releases the running average of its weights where asked to', async () => {
    const { plan: steps, training: epochs, start } = setup({}, 3);
    const decay = 0.15; // the first steps weigh less: keep = min(decay, step / (step + 9))
    const options = { ...STEP, averaging: decay };
    const trainers = await createDpTrainers(engine(), SMALL, { ...epochs, schedule: { kind: 'constant' } }, options);
    const seen: TrainingState[] = [];
    const end = await trainers({ ...steps, stepsPerEpoch: 1 }).train(
      { examples: data, start, key: KEY },
      { onEpoch: (_epoch, _terms, state) => void seen.push(state()) },
    );
    for (const [name, average] of Object.entries(end.parameters)) {
      let wanted = [...(start.parameters[name] as Float32Array)];
      for (const [i, state] of seen.entries()) {
        const keep = Math.min(decay, (i + 1) / (i + 10));
        wanted = wanted.map((v, k) => keep * v + (1 - keep) * (state.parameters[name]?.[k] as number));
      }
      for (const [k, v] of average.entries()) expect(v, name).toBeCloseTo(wanted[k] as number, 5);
    }
  });

  test('a fixed encoder stays as it was drawn, whatever the data', async () => {
    const end = await trained(engine(), SMALL, setup({ mode: 'fixed-encoder' }), data);
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
      await trained(engine(), SMALL, sgd, data, childKey(KEY, 1)),
      await trained(engine(), SMALL, sgd, data, childKey(KEY, 2)),
    ];
    const apart = (name: string) =>
      std([...(one.parameters[name] as Float32Array)].map((v, i) => v - (two.parameters[name]?.[i] as number)));
    // The two differ by the noise of sampling z alone in the encoder, by the noise of privacy in the decoder.
    expect(apart('decoder.1.weight')).toBeGreaterThan(0.3);
    expect(apart('encoder.0.weight')).toBeLessThan(0.05);
  });

  test('refuses noise that float32 sums cannot be protected with', async () => {
    const drowned = plan(0.3, 18, { noiseMultiplier: 1e5 });
    await expect(trained(engine(), SMALL, { ...setup({}), plan: drowned }, data)).rejects.toThrow(PrivacyError);
  });

  test('refuses more steps than were planned, and a repeatable key where noise is to be secure', async () => {
    const { plan: steps } = setup({});
    await expect(trained(engine(), SMALL, { ...setup({}), plan: { ...steps, steps: 15 } }, data)).rejects.toThrow(
      '16 steps',
    );
    await expect(trained(engine(), SMALL, setup({ noise: 'secure' }), data)).rejects.toThrow(PrivacyError);
    await trained(engine(), SMALL, setup({ noise: 'secure' }), data, secretKey('test'));
  });
});
