import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, seedKey, uniforms } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { initialParameters } from '../models/initialise.ts';
import { normUpperBound } from '../models/spectral-norm.ts';
import { boundedLayers, SIGMOID_SLOPE } from '../models/spectral-normalisation.ts';
import { conditionalVaeOf } from '../models/conditional-vae.ts';
import { vaeOf } from '../models/vae.ts';
import { floatExamples } from '../training/examples.ts';
import { freshState, type NamedArrays, type TrainingState } from '../training/parameter-slots.ts';
import { createTrainer, type TrainingOptions } from '../training/trainer.ts';
import { vaeObjective } from '../training/vae-objective.ts';
import { trainingControlOf } from './lipschitz-control.ts';
import { lipschitzControlOf, lipschitzProblems } from './lipschitz-options.ts';

const KEY = seedKey('lipschitz-control');
const VAE = vaeOf({ kind: 'mlp', hidden: [6], latent: 2 }, { channels: 1, height: 2, width: 3 });
const DATA = floatExamples(Float32Array.from(uniforms(childKey(KEY, 'x'), 16 * 6)), 6);
const START = freshState(initialParameters(VAE.parameters, childKey(KEY, 'init')));
const TRAINING: TrainingOptions = {
  epochs: 6,
  batchSize: 8,
  optimizer: { kind: 'adam', learningRate: 0.05, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
  schedule: { kind: 'constant' },
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

async function trained(bound: number | null, start: TrainingState = START) {
  const control = bound === null ? null : ({ form: 'spectral-normalisation', bound } as const);
  const objective = vaeObjective('VAE', VAE, { reconstruction: 'mse', klWeight: 1 });
  const trainer = await createTrainer(engine, objective, TRAINING, trainingControlOf(VAE, control, 'posterior'));
  const states: TrainingState[] = [];
  const end = await trainer.train(
    { examples: DATA, start, key: KEY },
    { onEpoch: (_, _t, state) => void states.push(state()) },
  );
  return { end, states };
}

const lipschitzOf = (parameters: NamedArrays) =>
  boundedLayers(VAE).reduce(
    (product, { weight, factor, matrix }) => product * factor * normUpperBound(matrix(parameters[weight]!)),
    SIGMOID_SLOPE,
  );

test('training under spectral normalisation ends within the bound, which plain training passes', async () => {
  const plain = await trained(null);
  expect(lipschitzOf(plain.end.parameters)).toBeGreaterThan(0.2);
  const { end, states } = await trained(0.1);
  expect(lipschitzOf(end.parameters)).toBeLessThanOrEqual(0.1 * (1 + 1e-9));
  for (const { parameters } of states.slice(2)) expect(lipschitzOf(parameters)).toBeLessThan(0.11); // and is near it on the way
});

test('a bound that is never reached changes nothing, bit by bit', async () => {
  const plain = await trained(null);
  const loose = await trained(1e6);
  expect(loose.end.parameters).toEqual(plain.end.parameters);
});

test('training that was interrupted goes on to the same end', async () => {
  const whole = await trained(0.1);
  const rest = await trained(0.1, whole.states[2]);
  expect(rest.end.parameters).toEqual(whole.end.parameters);
});

test('a decoder with a learnt prior is refused, whatever the form; one with classes alone is not', () => {
  const of = (prior: Parameters<typeof conditionalVaeOf>[1]['prior']) => {
    const shape = { channels: 1, height: 2, width: 3 };
    return {
      vae: conditionalVaeOf({ kind: 'mlp', hidden: [6], latent: 2 }, { shape, classes: 3, prior }),
      offered: [1],
    };
  };
  const flow = of({ kind: 'flow', hidden: [4], steps: 2 });
  for (const control of [
    { form: 'spectral-normalisation', bound: 1 },
    { form: 'jacobian-spectral', weight: 1, bound: 1 },
  ] as const) {
    expect(() => trainingControlOf(flow, control, 'prior')).toThrow(SpecError);
    expect(() => trainingControlOf(flow, control, 'prior')).toThrow(/learnt prior/);
    expect(Object.keys(trainingControlOf(of({ kind: 'normal' }), control, 'prior'))).toHaveLength(1);
  }
  expect(trainingControlOf(flow, null, 'prior')).toEqual({});
});

test('a form says which of its numbers are missing and which mean nothing', () => {
  expect(lipschitzControlOf({})).toBeNull();
  expect(lipschitzControlOf({ lipschitzForm: 'paper-penalty', lipschitzWeight: 1 })).toEqual({
    form: 'paper-penalty',
    weight: 1,
  });
  expect(() => lipschitzControlOf({ lipschitzForm: 'paper-penalty' })).toThrow(SpecError);
  expect(() => lipschitzControlOf({ lipschitzForm: 'paper-penalty' })).toThrow(/privacy\.lipschitzWeight: missing/);
  const fieldsOf = (fields: Parameters<typeof lipschitzProblems>[0]) =>
    lipschitzProblems(fields).map(({ field }) => field);
  expect(fieldsOf({ lipschitzForm: 'jacobian-spectral' })).toEqual(['lipschitzWeight', 'lipschitzBound']);
  expect(fieldsOf({ lipschitzForm: 'spectral-normalisation', lipschitzWeight: 1, lipschitzBound: 1 })).toEqual([
    'lipschitzWeight',
  ]);
  expect(fieldsOf({ lipschitzForm: 'paper-penalty', lipschitzWeight: 1, lipschitzBound: 1 })).toEqual([
    'lipschitzBound',
  ]);
  expect(fieldsOf({ lipschitzWeight: 1 })).toEqual(['lipschitzWeight']);
});
