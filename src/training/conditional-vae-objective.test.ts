import type { numpy as np } from '@jax-js/jax';
import { grad } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { allocate, float32 } from '../engine/array-spec.ts';
import { childKey, fillBits, seedKey, uniforms } from '../engine/keys.ts';
import { conditionalVaeOf, type LatentPrior } from '../models/conditional-vae.ts';
import { initialParameters } from '../models/initialise.ts';
import { parameterInputs } from '../models/layers.ts';
import { createDpTrainers } from '../privacy/dp-trainer.ts';
import { labelledExamples } from './classifier-objective.ts';
import { conditionalVaeObjective } from './conditional-vae-objective.ts';
import { floatExamples } from './examples.ts';
import { freshState } from './parameter-slots.ts';
import { createTrainer, type EpochTerms, type TrainingOptions } from './trainer.ts';

const KEY = seedKey('conditional objective');
const SHAPE = { channels: 1, height: 2, width: 4 };
const MLP = { kind: 'mlp', hidden: [12], latent: 2 } as const;
const FLOW: LatentPrior = { kind: 'flow', hidden: [8], steps: 4 };
const ELBO = { reconstruction: 'bernoulli', klWeight: 0.5 } as const;
const of = (prior: LatentPrior) => conditionalVaeOf(MLP, { shape: SHAPE, classes: 2, prior });

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

type Inputs = { parameters: Record<string, np.Array>; x: np.Array; bits: np.Array };
const B = 3;
const objective = conditionalVaeObjective('conditional', of(FLOW), ELBO);
const specs = { parameters: objective.parameters, x: float32(B, objective.exampleSize), bits: objective.bits(B) };
const inputs = {
  ...parameterInputs(initialParameters(of(FLOW).parameters, KEY)),
  x: Float32Array.from({ length: B * 10 }, (_, i) => [1, 0][((i % 10) - 8) as 0 | 1] ?? ((i * 7) % 10) / 10),
  bits: fillBits(childKey(KEY, 'bits'), allocate(objective.bits(B)) as Uint32Array),
};

test('the loss is reconstruction, weighted KL and the flow, alike on both executors', async () => {
  const f = ({ parameters, ...batch }: Inputs) => ({ ...objective.terms(parameters, batch) });
  const found = await expectTwins(twins, 'terms', { f, specs, inputs });
  const { loss, reconstruction, kl, flow } = found as Record<string, Float32Array>;
  for (let row = 0; row < B; row++) {
    const sum = reconstruction![row]! + ELBO.klWeight * kl![row]! + flow![row]!;
    expect(loss?.[row]).toBeCloseTo(sum, 4);
    expect(flow?.[row]).toBeGreaterThan(0);
  }
});

test('without a flow its terms are those of the autoencoder', () => {
  const plain = conditionalVaeObjective('plain', of({ kind: 'normal' }), ELBO);
  expect(plain.bits(5).shape).toEqual([2, 5, 2]);
  expect(objective.bits(5).shape).toEqual([2, 5, 5]);
  expect(plain.exampleSize).toBe(10);
});

test('the flow moves the prior alone: neither encoder nor decoder has a gradient from it', async () => {
  const f = ({ parameters, ...batch }: Inputs) =>
    grad((p: Record<string, np.Array>) => {
      const { flow, ...others } = objective.terms(p, batch);
      for (const term of Object.values(others)) term.dispose();
      return (flow as np.Array).sum();
    })(parameters) as Record<string, np.Array>;
  const gradients = await runOn(twins.native, 'flow gradient', { f: f as never, specs, inputs });
  for (const [name, values] of Object.entries(gradients)) {
    const moves = values.some((value) => value !== 0);
    expect(moves, name).toBe(name.startsWith('decoder.prior.'));
  }
});

test('an example has its own terms, whoever else is in the batch', async () => {
  const f = ({ parameters, ...batch }: Inputs) => ({ ...objective.terms(parameters, batch) });
  const before = await runOn(twins.native, 'terms', { f, specs, inputs });
  const x = inputs.x.map((value, i) => (i < 10 ? value : 1 - value));
  const after = await runOn(twins.native, 'terms', { f, specs, inputs: { ...inputs, x } });
  for (const [name, values] of Object.entries(before)) expect(after[name]?.[0], name).toBe(values[0]);
});

describe('training', () => {
  /** Left half bright in class 0, right half in class 1. */
  const N = 64;
  const labels = Array.from({ length: N }, (_, i) => i % 2);
  const noise = uniforms(childKey(KEY, 'noise'), 8 * N);
  const pixels = Float32Array.from({ length: 8 * N }, (_, i) => {
    const isBright = Math.floor((i % 4) / 2) === labels[Math.floor(i / 8)];
    return (isBright ? 0.8 : 0) + 0.2 * (noise[i] as number);
  });
  const examples = labelledExamples(floatExamples(pixels, 8), labels, 2);
  const OPTIONS: TrainingOptions = {
    epochs: 30,
    batchSize: 16,
    optimizer: { kind: 'adam', learningRate: 0.02, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    schedule: { kind: 'constant' },
  };
  const vae = of(FLOW);
  const start = freshState(initialParameters(vae.parameters, childKey(KEY, 'init')));

  /** Mean brightness of the left half less that of the right, of draws of each class. */
  async function drawnContrast(parameters: Readonly<Record<string, Float32Array>>): Promise<number[]> {
    const rows = 20;
    const { generator } = vae;
    const own = Object.fromEntries(Object.keys(generator.parameters).map((name) => [name, parameters[name]!]));
    const { x } = await runOn(twins.native, 'draw', {
      f: (({ parameters: p, z, y }: { parameters: Record<string, np.Array>; z: np.Array; y: np.Array }) => ({
        x: generator.draw(p, z, y),
      })) as never,
      specs: { parameters: generator.parameters, z: float32(rows, 2), y: float32(rows, 2) },
      inputs: {
        ...parameterInputs(own),
        z: Float32Array.from(uniforms(childKey(KEY, 'z'), 2 * rows), (u) => 2 * u - 1),
        y: Float32Array.from({ length: 2 * rows }, (_, i) => (Math.floor(i / 2) % 2 === i % 2 ? 1 : 0)),
      },
    });
    return [0, 1].map((c) => {
      let contrast = 0;
      x?.forEach((value, i) => {
        if (Math.floor(i / 8) % 2 === c) contrast += ((i % 4 < 2 ? 1 : -1) * (value as number)) / (8 * (rows / 2));
      });
      return contrast;
    });
  }

  test('makes a generator that draws what it is asked for', async () => {
    const trainer = await createTrainer(twins.native, objective, OPTIONS);
    const history: EpochTerms[] = [];
    const end = await trainer.train({ examples, start, key: KEY }, { onEpoch: (_, terms) => void history.push(terms) });
    expect(history.at(-1)?.['loss']).toBeLessThan(0.85 * (history[0]?.['loss'] as number));
    const [left, right] = await drawnContrast(end.parameters);
    expect(left).toBeGreaterThan(0.3);
    expect(right).toBeLessThan(-0.3);
  });

  test('goes through private steps with their noise, all layers covered', async () => {
    const trainers = await createDpTrainers(
      twins.native,
      objective,
      { ...OPTIONS, epochs: 1 },
      {
        clipping: 'auto-s',
        clipNorm: 1,
        quantile: 0.5,
        mode: 'full',
        noise: 'seeded',
        averaging: null,
        physicalBatch: null,
      },
    );
    const plan = { samplingRate: 0.25, expectedBatch: 16, stepsPerEpoch: 4, noiseMultiplier: 0.5, steps: 4 };
    const end = await trainers(plan).train({ examples, start, key: KEY });
    for (const [name, values] of Object.entries(end.parameters)) {
      expect(
        values.every((value, i) => value !== start.parameters[name]?.[i]),
        name,
      ).toBe(true);
    }
  });
});
