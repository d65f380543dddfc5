import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allocate, float32, sizeOf } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { DeviceError, PrivacyError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { type ConditionalVae, conditionalVaeOf } from '../models/conditional-vae.ts';
import { type Vae, vaeOf } from '../models/vae.ts';
import { floatExamples } from '../training/examples.ts';
import { scaledObjective } from '../training/objective.ts';
import { freshState, type NamedArrays } from '../training/parameter-slots.ts';
import { createTrainer, type TrainingOptions } from '../training/trainer.ts';
import { vaeObjective } from '../training/vae-objective.ts';
import { createDpTrainers, type DpStepOptions } from './dp-trainer.ts';
import { trainingControlOf } from './lipschitz-control.ts';
import type { LipschitzControl } from './lipschitz-options.ts';
import { lipschitzRegulariser, type LipschitzPenalty, type SlopeSubject } from './lipschitz-penalty.ts';

const KEY = seedKey('lipschitz');

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

/** A decoder whose images are what `pixels` says, 0 to 1: its logits undo the sigmoid. */
function decoderOf(latent: number, size: number, pixels: (z: np.Array, a: np.Array) => np.Array): Vae {
  const decode: Vae['decode'] = (parameters, z) => {
    const x = pixels(z, (parameters['decoder.0.weight'] as np.Array).ref);
    return np.log(x.ref.div(np.negative(x).add(1)));
  };
  const vae = vaeOf({ kind: 'mlp', hidden: [], latent }, { channels: 1, height: 1, width: size });
  return { ...vae, decode };
}

/** x = 1/2 + z A / 100 with singular values 0.05 and 0.03; J^T 1 = (0.07, 0.03). */
const LINEAR = decoderOf(2, 3, (z, a) => np.matmul(z, a).mul(0.01).add(0.5));
const A = Float32Array.of(3, 4, 0, 0, 0, 3);

/** Penalties [rows] of a control at given codes, by its own draws under the key. */
async function penalties(
  subject: SlopeSubject,
  control: LipschitzPenalty,
  weight: Float32Array,
  codes: Float32Array | null,
) {
  const vae = 'offered' in subject ? subject.vae : subject;
  const rows = codes ? codes.length / vae.latent : 64;
  const regulariser = lipschitzRegulariser(subject, control, codes ? 'posterior' : 'prior');
  const drawSpecs = regulariser.draws(rows);
  const draws = Object.fromEntries(Object.entries(drawSpecs).map(([name, spec]) => [name, allocate(spec)]));
  regulariser.draw(KEY, draws);
  const f = ({ a, z, d }: { a: np.Array; z: np.Array; d: Record<string, np.Array> }) => ({
    p: regulariser.penalty({ 'decoder.0.weight': a }, d, codes ? z : (z.dispose(), null)),
  });
  const spec = { a: float32(vae.latent, vae.pixels), z: float32(rows, vae.latent), d: drawSpecs };
  const program = await engine.compile('penalties', f as never, spec);
  const p = new Float32Array(rows);
  const drawn = Object.fromEntries(Object.entries(draws).map(([name, buffer]) => [`d.${name}`, buffer]));
  await program.bind({ a: weight, z: codes ?? new Float32Array(rows * vae.latent), ...drawn }, { p })();
  return { p, draws };
}

describe('on a linear decoder', () => {
  test("the paper's penalty is the squared distance of |J^T 1| from 1, whatever the codes", async () => {
    const expected = (Math.sqrt(0.07 ** 2 + 0.03 ** 2 + 1e-7) - 1) ** 2;
    for (const codes of [null, Float32Array.from({ length: 8 }, (_, i) => i / 10)]) {
      const { p } = await penalties(LINEAR, { form: 'paper-penalty', weight: 1 }, A, codes);
      for (const value of p) expect(value).toBeCloseTo(expected, 4);
    }
  });

  test("the paper's penalty cannot see a Jacobian whose columns sum to zero: it is no Lipschitz bound", async () => {
    const opposed = Float32Array.of(5, -5, 0, 3, 0, -3);
    const { p } = await penalties(LINEAR, { form: 'paper-penalty', weight: 1 }, opposed, null);
    for (const value of p) expect(value).toBeCloseTo((Math.sqrt(1e-7) - 1) ** 2, 3); // as for a decoder that is constant
  });

  test('the spectral penalty is what the largest singular value has above the bound, squared', async () => {
    const control = { form: 'jacobian-spectral', weight: 1, bound: 0.01 } as const;
    const { p } = await penalties(LINEAR, control, A, null);
    expect(Math.max(...p)).toBeLessThanOrEqual(0.04 ** 2 + 1e-6); // power iteration comes from below
    expect(p.toSorted()[p.length / 2]! / 0.04 ** 2).toBeGreaterThan(0.9);
    const { p: within } = await penalties(LINEAR, { ...control, bound: 0.0501 }, A, null);
    expect([...within]).toEqual([...within].map(() => 0));
  });

  test('the Frobenius penalty is that of an unbiased estimate', async () => {
    const { p } = await penalties(LINEAR, { form: 'jacobian-frobenius', weight: 1, bound: 1e-9 }, A, null);
    const mean = p.reduce((sum, value) => sum + value, 0) / p.length; // of norms squared, as the bound is next to nothing
    const exact = 0.05 ** 2 + 0.03 ** 2;
    const std = Math.sqrt((2 * (0.05 ** 4 + 0.03 ** 4)) / 2 / p.length);
    expect(Math.abs(mean - exact)).toBeLessThan(4 * std);
  });
});

test('codes are interpolated between each example and another of the batch, in shares of their own', async () => {
  // x = 1/2 + z^2 / 100 has slope z / 50: the penalty tells where it looked.
  const curved = decoderOf(1, 1, (z, a) => np.square(z).mul(a).mul(0.01).add(0.5));
  const codes = Float32Array.of(1, 2, 3, 4, 5);
  const { p, draws } = await penalties(curved, { form: 'paper-penalty', weight: 1 }, Float32Array.of(1), codes);
  const { mix, partner } = draws as { mix: Float32Array; partner: Int32Array };
  expect([...partner].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
  expect(new Set(mix).size).toBe(5);
  for (const [row, value] of p.entries()) {
    const at = mix[row]! * codes[row]! + (1 - mix[row]!) * codes[partner[row]!]!;
    expect(value).toBeCloseTo((Math.sqrt((at / 50) ** 2 + 1e-7) - 1) ** 2, 4);
  }
});

test('a conditional decoder is looked at in the classes that are offered, and in no other', async () => {
  // x = 1/2 + (c + 1) z / 100 in class c has slope (c + 1) / 100: the penalty tells which class it looked at.
  const shape = { channels: 1, height: 1, width: 1 };
  const architecture = { kind: 'mlp', hidden: [], latent: 1 } as const;
  const plain = conditionalVaeOf(architecture, { shape, classes: 4, prior: { kind: 'normal' } });
  const decode: ConditionalVae['decode'] = (parameters, { z, y }) => {
    const slopes = np.matmul(y, np.array([[1], [2], [3], [4]])); // [B, 1]
    const x = z
      .mul(slopes)
      .mul((parameters['decoder.0.weight'] as np.Array).ref)
      .mul(0.01)
      .add(0.5);
    return np.log(x.ref.div(np.negative(x).add(1)));
  };
  const subject = { vae: { ...plain, decode }, offered: [1, 3] };
  for (const codes of [null, new Float32Array(24).fill(0.5)]) {
    const { p } = await penalties(subject, { form: 'paper-penalty', weight: 1 }, Float32Array.of(1), codes);
    const classes = Array.from(p, (value) => Math.round(100 * (1 - Math.sqrt(value))) - 1);
    expect(new Set(classes)).toEqual(new Set([1, 3]));
  }
});

const VAE = vaeOf({ kind: 'mlp', hidden: [6], latent: 2 }, { channels: 1, height: 2, width: 3 });
const OBJECTIVE = vaeObjective('VAE', VAE, { reconstruction: 'mse', klWeight: 1 });
const SGD: TrainingOptions = {
  epochs: 1,
  batchSize: 8,
  optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0 },
  schedule: { kind: 'constant' },
};
const DATA = floatExamples(Float32Array.from(uniforms(childKey(KEY, 'x'), 8 * 6)), 6);
const START = freshState(initialParameters(VAE.parameters, childKey(KEY, 'init')));
const PAPER = { form: 'paper-penalty', weight: 0.5 } as const;

/** Parameters of `after` less those of `before`. */
function movement(before: NamedArrays, after: NamedArrays): NamedArrays {
  return Object.fromEntries(
    Object.entries(after).map(([name, values]) => [name, values.map((value, i) => value - before[name]![i]!)]),
  );
}

const length = (arrays: NamedArrays) => Math.hypot(...Object.values(arrays).flatMap((values) => [...values]));

describe('plain training with a penalty', () => {
  async function trained(control: LipschitzControl | null, options = SGD) {
    const trainer = await createTrainer(engine, OBJECTIVE, options, trainingControlOf(VAE, control, 'posterior'));
    const terms: Readonly<Record<string, number>>[] = [];
    const end = await trainer.train(
      { examples: DATA, start: START, key: KEY },
      { onEpoch: (_, t) => void terms.push(t) },
    );
    return { parameters: end.parameters, terms };
  }

  test('adds weight times its mean to the loss, tells it as a term, and moves decoder and encoder', async () => {
    const plain = await trained(null);
    const { parameters, terms } = await trained(PAPER);
    const { loss, lipschitz } = terms[0] as { loss: number; lipschitz: number };
    expect(lipschitz).toBeGreaterThan(0);
    expect(loss).toBeCloseTo((plain.terms[0]!['loss'] as number) + PAPER.weight * lipschitz, 4);
    const difference = movement(plain.parameters, parameters);
    expect(Math.hypot(...difference['decoder.1.weight']!)).toBeGreaterThan(1e-4);
    expect(Math.hypot(...difference['encoder.mean.weight']!)).toBeGreaterThan(1e-7); // through the codes
  });

  test('is plain training, bit by bit, at weight zero', async () => {
    const { parameters, terms } = await trained({ form: 'paper-penalty', weight: 0 });
    const plain = await trained(null);
    expect(parameters).toEqual(plain.parameters);
    expect(terms).toEqual(plain.terms);
  });

  test.each([
    { form: 'jacobian-spectral', weight: 30, bound: 0.02 },
    { form: 'jacobian-frobenius', weight: 30, bound: 0.02 },
  ] as const)('brings the penalty of $form down', async (control) => {
    const { terms } = await trained(control, {
      ...SGD,
      epochs: 60,
      optimizer: { ...SGD.optimizer, learningRate: 0.02 },
    });
    const mean = (some: typeof terms) => some.reduce((sum, { lipschitz }) => sum + lipschitz!, 0) / some.length;
    expect(mean(terms.slice(-10))).toBeLessThan(0.5 * mean(terms.slice(0, 10)));
  });

  test('is refused by the WebAssembly backend, which would compute other gradients', async () => {
    const wasm = await openEngine({ executor: 'wasm' });
    const control = trainingControlOf(VAE, PAPER, 'posterior');
    await expect(createTrainer(wasm, OBJECTIVE, SGD, control)).rejects.toThrow(DeviceError);
  });
});

describe('DP-SGD with a penalty', () => {
  const STEP: DpStepOptions = {
    clipping: 'fixed',
    clipNorm: 0.1,
    quantile: 0.5,
    mode: 'full',
    noise: 'seeded',
    averaging: null,
    physicalBatch: null,
  };
  const PLAN = { samplingRate: 1, expectedBatch: 8, stepsPerEpoch: 1, noiseMultiplier: 0.5, steps: 1 };
  const KEY_OF_STEP = childKey(KEY, 'private');

  /** One private step on the examples, one of them emptied or not. */
  async function stepped(control: LipschitzControl | null, data = DATA, options: Partial<DpStepOptions> = {}) {
    const scaled = scaledObjective(OBJECTIVE, 1);
    const step = { ...STEP, ...options, control: trainingControlOf(VAE, control, 'prior') };
    const terms: Readonly<Record<string, number>>[] = [];
    const end = await (await createDpTrainers(engine, scaled, SGD, step))(PLAN).train(
      { examples: data, start: START, key: KEY_OF_STEP },
      { onEpoch: (_, t) => void terms.push(t) },
    );
    return { parameters: end.parameters, terms };
  }

  const neighbour = (() => {
    const values = Float32Array.from(uniforms(childKey(KEY, 'x'), 8 * 6));
    return floatExamples(values.fill(0, 0, 6), 6);
  })();

  test('moves parameters by the same amount for neighbours, so sensitivity and cost stay what they were', async () => {
    const [plain, other] = [await stepped(null), await stepped(null, neighbour)];
    const [penalised, otherPenalised] = [await stepped(PAPER), await stepped(PAPER, neighbour)];
    expect(length(movement(plain.parameters, other.parameters))).toBeGreaterThan(1e-4); // the record counts
    const added = movement(plain.parameters, penalised.parameters);
    const otherAdded = movement(other.parameters, otherPenalised.parameters);
    expect(length(added)).toBeGreaterThan(1e-3);
    expect(length(movement(added, otherAdded))).toBeLessThan(1e-6); // rounding of float32
    expect(penalised.terms[0]!['lipschitz']).toBe(otherPenalised.terms[0]!['lipschitz']); // bit by bit
    const moved = Object.entries(added).filter(([, values]) => values.some((value) => value !== 0));
    expect(moved.every(([name]) => name.startsWith('decoder.'))).toBe(true);
  });

  test('is the same step as before at weight zero and without control', async () => {
    const none = await stepped(null);
    expect((await stepped({ form: 'paper-penalty', weight: 0 })).parameters).toEqual(none.parameters);
  });

  test('refuses a penalty that looks at the batch', async () => {
    const control = trainingControlOf(VAE, PAPER, 'posterior');
    await expect(createDpTrainers(engine, OBJECTIVE, SGD, { ...STEP, control })).rejects.toThrow(PrivacyError);
  });

  test('releases the average of weights within the bound under a projection', async () => {
    const control = { form: 'spectral-normalisation', bound: 0.01 } as const;
    const { parameters } = await stepped(control, DATA, { averaging: 0.9 });
    const { projection } = trainingControlOf(VAE, control, 'prior');
    expect(projection!.finish(parameters, {})).toEqual(parameters); // nothing is left to do
    expect(sizeOf(VAE.parameters['decoder.0.weight']!)).toBe(parameters['decoder.0.weight']!.length);
  });
});
