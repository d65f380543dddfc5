import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawDigits } from '../data/drawn-digits.ts';
import { imageExamples } from '../data/batches.ts';
import { float32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { AbortedError, NumericalError, ShapeError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { vaeOf } from '../models/vae.ts';
import { type Examples, floatExamples } from './examples.ts';
import type { OptimizerOptions } from './optimizer.ts';
import type { Objective } from './objective.ts';
import { freshState, type NamedArrays, type TrainingState } from './parameter-slots.ts';
import { createTrainer } from './trainer.ts';
import { vaeObjective } from './vae-objective.ts';

const KEY = seedKey('trainer');
const D = 3;
const SGD = { kind: 'sgd', learningRate: 0.25, momentum: 0 } as const;
const ADAM = { kind: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;
const CONSTANT = { kind: 'constant' } as const;

/** |x W + b - x|^2: no noise, so the bits are drawn in vain. */
const LINEAR: Objective = {
  label: 'linear map',
  parameters: { weight: float32(D, D), bias: float32(D) },
  exampleSize: D,
  bits: (batchSize) => ({ shape: [batchSize], dtype: 'uint32' }),
  terms: ({ weight, bias }, { x, bits }) => {
    bits.dispose();
    const wanted = np.matmul(x.ref, (weight as np.Array).ref).add((bias as np.Array).ref);
    return { loss: np.square(wanted.sub(x)).sum(1) };
  },
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

/** Examples that note which rows were read together. */
function watched(examples: Examples): Examples & { readonly batches: number[][] } {
  const batches: number[][] = [];
  const read: Examples['read'] = (rows, out) => {
    batches.push(Array.from(rows));
    examples.read(rows, out);
  };
  return { ...examples, batches, read };
}

/** The linear map's training in plain JavaScript, float64, one number at a time, on the given batches of rows. */
function slowTwin(start: NamedArrays, rowsOf: readonly number[][], values: Float32Array, options: OptimizerOptions) {
  const weight = Array.from(start['weight'] as Float32Array);
  const bias = Array.from(start['bias'] as Float32Array);
  const state = [...weight, ...bias].map(() => ({ first: 0, second: 0 }));
  const losses: number[] = [];
  for (const [t, rows] of rowsOf.entries()) {
    const gradient = Array.from({ length: D * D + D }, () => 0);
    let loss = 0;
    for (const row of rows) {
      const x = Array.from(values.subarray(row * D, (row + 1) * D));
      for (let j = 0; j < D; j++) {
        let residual = (bias[j] as number) - (x[j] as number);
        for (let i = 0; i < D; i++) residual += (x[i] as number) * (weight[i * D + j] as number);
        loss += residual ** 2 / rows.length;
        const slope = (2 * residual) / rows.length;
        for (let i = 0; i < D; i++) (gradient[i * D + j] as number) += slope * (x[i] as number);
        (gradient[D * D + j] as number) += slope;
      }
    }
    losses.push(loss);
    for (const [i, g] of gradient.entries()) {
      const memory = state[i] as { first: number; second: number };
      let step: number;
      if (options.kind === 'sgd') {
        memory.first = options.momentum * memory.first + g;
        step = options.learningRate * memory.first;
      } else {
        memory.first = options.beta1 * memory.first + (1 - options.beta1) * g;
        memory.second = options.beta2 * memory.second + (1 - options.beta2) * g * g;
        const mean = memory.first / (1 - options.beta1 ** (t + 1));
        const square = memory.second / (1 - options.beta2 ** (t + 1));
        step = (options.learningRate * mean) / (Math.sqrt(square) + options.eps);
      }
      if (i < D * D) (weight[i] as number) -= step;
      else (bias[i - D * D] as number) -= step;
    }
  }
  return { parameters: { weight: Float32Array.from(weight), bias: Float32Array.from(bias) }, losses };
}

const ADAM_OF_TORCH = [
  0.049736782908439636, 0.0497775599360466, 0.0498075857758522, 0.049728672951459885, 0.04977336525917053,
  0.04980562999844551, 0.04972230643033981, 0.049770135432481766, 0.049804143607616425, 0.04966920614242554,
  0.04974522441625595, 0.0497933030128479,
];
const SGD_OF_TORCH = [
  0.333840012550354, 0.3730350732803345, 0.4122300446033478, 0.3730350732803345, 0.42336317896842957,
  0.4736912250518799, 0.4122300446033478, 0.4736911952495575, 0.5351523160934448, 0.3135601282119751,
  0.40262457728385925, 0.4916890263557434,
];

const ZEROS: NamedArrays = { weight: new Float32Array(D * D), bias: new Float32Array(D) };

describe('the training loop', () => {
  test.each([
    { momentum: 0, epochs: 2 },
    { momentum: 0.5, epochs: 1 },
  ])('is plain SGD to the last bit on numbers that float32 holds exactly, momentum $momentum', async (wish) => {
    // Zeros and ones, batches of four, rates that are powers of two: each step adds three bits, so six steps fit into 24.
    const values = Float32Array.from(uniforms(childKey(KEY, 'bits'), 12 * D), (u) => Math.round(u));
    const optimizer = { ...SGD, momentum: wish.momentum };
    const options = { epochs: wish.epochs, batchSize: 4, optimizer, schedule: CONSTANT };
    const trainer = await createTrainer(engine, LINEAR, options);
    const examples = watched(floatExamples(values, D));
    const losses: number[] = [];
    const end = await trainer.train(
      { examples, start: freshState(ZEROS), key: KEY },
      { onStep: ({ loss }) => losses.push(loss) },
    );
    const twin = slowTwin(ZEROS, examples.batches, values, optimizer);
    expect(examples.batches).toHaveLength(3 * wish.epochs);
    expect(end.parameters).toEqual(twin.parameters);
    expect(losses).toEqual(twin.losses.map(Math.fround));
  });

  test('is Adam: forty steps agree with the float64 twin', async () => {
    const values = Float32Array.from(uniforms(childKey(KEY, 'values'), 30 * D));
    const trainer = await createTrainer(engine, LINEAR, {
      epochs: 10,
      batchSize: 8,
      optimizer: ADAM,
      schedule: CONSTANT,
    });
    const examples = watched(floatExamples(values, D));
    const end = await trainer.train({ examples, start: freshState(ZEROS), key: KEY });
    const twin = slowTwin(ZEROS, examples.batches, values, ADAM);
    expect(examples.batches).toHaveLength(40);
    expect(largestDifference(end.parameters, twin.parameters)).toBeLessThan(2e-6);
  });

  test('is the Adam and the SGD of PyTorch', async () => {
    // python3 -c "
    // import torch
    // x = torch.arange(12, dtype=torch.float32).reshape(4, 3) / 8
    // for make in (lambda p: torch.optim.Adam(p, lr=1e-2), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)):
    //     w = torch.zeros(3, 3, requires_grad=True); b = torch.zeros(3, requires_grad=True); o = make([w, b])
    //     for _ in range(5):
    //         o.zero_grad(); ((x @ w + b - x) ** 2).sum(1).mean().backward(); o.step()
    //     print(w.flatten().tolist() + b.tolist())"
    const torch = { adam: ADAM_OF_TORCH, sgd: SGD_OF_TORCH };
    const values = Float32Array.from({ length: 12 }, (_, i) => i / 8);
    for (const optimizer of [ADAM, { kind: 'sgd', learningRate: 0.05, momentum: 0.9 } as const]) {
      const options = { epochs: 5, batchSize: 4, optimizer, schedule: CONSTANT };
      const trainer = await createTrainer(engine, LINEAR, options);
      const { parameters } = await trainer.train({
        examples: floatExamples(values, D),
        start: freshState(ZEROS),
        key: KEY,
      });
      const [weight, bias] = [torch[optimizer.kind].slice(0, 9), torch[optimizer.kind].slice(9)];
      const wanted = { weight: Float32Array.from(weight), bias: Float32Array.from(bias) };
      expect(largestDifference(parameters, wanted), optimizer.kind).toBeLessThan(1e-6);
    }
  });

  test('multiplies the learning rate by the schedule', async () => {
    const values = Float32Array.from({ length: 4 * D }, (_, i) => (i % 5) / 4);
    const run = async (learningRate: number, schedule: Parameters<typeof createTrainer>[2]['schedule']) => {
      const optimizer = { kind: 'sgd', learningRate, momentum: 0 } as const;
      const trainer = await createTrainer(engine, LINEAR, { epochs: 1, batchSize: 4, optimizer, schedule });
      return trainer.train({ examples: floatExamples(values, D), start: freshState(ZEROS), key: KEY });
    };
    const warm = await run(0.5, { kind: 'linear-warmup', warmupSteps: 4 });
    const quarter = await run(0.125, CONSTANT);
    expect(warm.parameters).toEqual(quarter.parameters);
  });

  test('reports the mean of each term over the steps of an epoch, and every step in order', async () => {
    const trainer = await createTrainer(engine, LINEAR, {
      epochs: 2,
      batchSize: 4,
      optimizer: SGD,
      schedule: CONSTANT,
    });
    const values = Float32Array.from(uniforms(childKey(KEY, 'terms'), 10 * D));
    const steps: { step: number; steps: number; epoch: number; loss: number }[] = [];
    const epochs: [number, number | undefined][] = [];
    await trainer.train(
      { examples: floatExamples(values, D), start: freshState(ZEROS), key: KEY },
      {
        onStep: (progress) => steps.push(progress),
        onEpoch: (epoch, terms) => void epochs.push([epoch, terms['loss']]),
      },
    );
    expect(steps.map(({ step, steps: of, epoch }) => [step, of, epoch])).toEqual([
      [1, 6, 1],
      [2, 6, 1],
      [3, 6, 1],
      [4, 6, 2],
      [5, 6, 2],
      [6, 6, 2],
    ]);
    const mean = (epoch: number) =>
      steps.filter((one) => one.epoch === epoch).reduce((sum, { loss }) => sum + loss / 3, 0);
    expect(epochs.map(([epoch]) => epoch)).toEqual([1, 2]);
    for (const [epoch, loss] of epochs) expect(loss).toBeCloseTo(mean(epoch), 12);
  });
});

describe('training an autoencoder on drawn digits', () => {
  const images = drawDigits({ key: childKey(KEY, 'digits'), count: 96, classes: [3, 8] });
  const vae = vaeOf({ kind: 'mlp', hidden: [32], latent: 2 }, images.shape);
  const objective = vaeObjective('small VAE', vae, { reconstruction: 'mse', klWeight: 1 });
  const start = freshState(initialParameters(vae.parameters, childKey(KEY, 'init')));
  const options = {
    epochs: 4,
    batchSize: 32,
    optimizer: ADAM,
    schedule: { kind: 'cosine', finalFactor: 0.1 } as const,
  };
  const examples = imageExamples(images);

  test('lowers the loss in every epoch, and changes the state it was given in nothing', async () => {
    const before = structuredClone(start);
    const trainer = await createTrainer(engine, objective, options);
    const losses: number[] = [];
    await trainer.train(
      { examples, start, key: KEY },
      { onEpoch: (_, terms) => void losses.push(terms['loss'] as number) },
    );
    expect(losses).toHaveLength(4);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    expect(losses[3] as number).toBeLessThan(0.6 * (losses[0] as number));
    expect(start).toEqual(before);
  });

  test('gives the same bits for the same key, from the same trainer and from another, and others for another key', async () => {
    const trainer = await createTrainer(engine, objective, options);
    const first = await trainer.train({ examples, start, key: childKey(KEY, 'a') });
    const again = await trainer.train({ examples, start, key: childKey(KEY, 'a') });
    const other = await createTrainer(engine, objective, options);
    const elsewhere = await other.train({ examples, start, key: childKey(KEY, 'a') });
    const different = await trainer.train({ examples, start, key: childKey(KEY, 'b') });
    expect(again).toEqual(first);
    expect(elsewhere).toEqual(first);
    expect(different.parameters).not.toEqual(first.parameters);
  });

  test('four epochs are two epochs, a stop, and two more: parameters and memory of the optimizer to the last bit', async () => {
    const trainer = await createTrainer(engine, objective, options);
    const states: TrainingState[] = [];
    const whole = await trainer.train(
      { examples, start, key: KEY },
      { onEpoch: (_, __, state) => void states.push(state()) },
    );
    expect(states.map(({ epochsDone }) => epochsDone)).toEqual([1, 2, 3, 4]);
    const half = states[1] as TrainingState;
    const other = await createTrainer(engine, objective, options);
    const epochs: number[] = [];
    const rest = await other.train(
      { examples, start: half, key: KEY },
      { onEpoch: (epoch) => void epochs.push(epoch) },
    );
    expect(epochs).toEqual([3, 4]);
    expect(rest).toEqual(whole);
    expect(Object.values(whole.memory).some((values) => values.some((value) => value !== 0))).toBe(true);
    const forgetful = await other.train({ examples, start: { ...half, memory: {} }, key: KEY });
    expect(forgetful.parameters).not.toEqual(whole.parameters);
  });

  test('has nothing to do where all epochs are done', async () => {
    const trainer = await createTrainer(engine, objective, options);
    const done = { ...start, epochsDone: 4 };
    expect(await trainer.train({ examples, start: done, key: KEY })).toEqual(done);
  });
});

describe('training that cannot go on', () => {
  const OPTIONS = { epochs: 3, batchSize: 2, optimizer: SGD, schedule: CONSTANT };
  const values = Float32Array.from(uniforms(childKey(KEY, 'stop'), 6 * D));

  test('stops between two steps when the signal fires', async () => {
    const trainer = await createTrainer(engine, LINEAR, OPTIONS);
    const abort = new AbortController();
    let steps = 0;
    const training = trainer.train(
      { examples: floatExamples(values, D), start: freshState(ZEROS), key: KEY },
      { signal: abort.signal, onStep: ({ step }) => (steps = step) === 4 && abort.abort() },
    );
    await expect(training).rejects.toThrow(AbortedError);
    expect(steps).toBe(4);
  });

  test.each(['onnxruntime', 'wasm'] as const)(
    'lets signals and messages in between its steps, on %s',
    async (executor) => {
      const own = await openEngine({ executor });
      const trainer = await createTrainer(own, LINEAR, { ...OPTIONS, epochs: 300 });
      const abort = new AbortController();
      setImmediate(() => abort.abort()); // as Ctrl-C would come
      const job = { examples: floatExamples(values, D), start: freshState(ZEROS), key: KEY };
      await expect(trainer.train(job, { signal: abort.signal })).rejects.toThrow(AbortedError);
      await own.close();
    },
  );

  test('names step, key and loss where the loss is not finite', async () => {
    const trainer = await createTrainer(engine, LINEAR, OPTIONS);
    const spoilt = values.slice();
    spoilt[5 * D] = Number.NaN;
    const examples = watched(floatExamples(spoilt, D));
    const error: unknown = await trainer
      .train({ examples, start: freshState(ZEROS), key: childKey(KEY, 'spoilt') })
      .catch((caught: unknown) => caught);
    const step = examples.batches.findIndex((rows) => rows.includes(5)) + 1;
    expect(error).toBeInstanceOf(NumericalError);
    expect((error as NumericalError).facts).toEqual({ loss: 'NaN', step, key: 'run/spoilt/epoch-1' });
    expect(examples.batches).toHaveLength(step);
  });

  test.each([
    ['no examples', floatExamples(new Float32Array(0), D), ZEROS, 'no examples'],
    ['examples of another size', floatExamples(new Float32Array(4 * 5), 5), ZEROS, /5 values each.*takes 3/],
    ['a parameter too few', floatExamples(values, D), { bias: ZEROS['bias'] as Float32Array }, /'weight'.*none/],
    [
      'a parameter of another size',
      floatExamples(values, D),
      { ...ZEROS, bias: new Float32Array(4) },
      /'bias' should have 3/,
    ],
  ])('refuses %s', async (_, examples, parameters, message) => {
    const trainer = await createTrainer(engine, LINEAR, OPTIONS);
    const training = trainer.train({ examples, start: freshState(parameters), key: KEY });
    await expect(training).rejects.toThrow(ShapeError);
    await expect(trainer.train({ examples, start: freshState(parameters), key: KEY })).rejects.toThrow(message);
  });

  test('refuses an optimizer memory of another size', async () => {
    const trainer = await createTrainer(engine, LINEAR, OPTIONS);
    const start = { parameters: ZEROS, memory: { 'velocity/weight': new Float32Array(2) }, epochsDone: 1 };
    const training = trainer.train({ examples: floatExamples(values, D), start, key: KEY });
    await expect(training).rejects.toThrow(ShapeError);
  });
});

function largestDifference(a: NamedArrays, b: NamedArrays): number {
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  return Math.max(
    ...Object.entries(a).map(([name, values]) =>
      values.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[name]?.[i] as number))), 0),
    ),
  );
}
