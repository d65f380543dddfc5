import { valueAndGrad } from '@jax-js/jax';
import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTwins, runOn, expectTwins, type Twins } from '../../test/twins.ts';
import { float32, uint32 } from '../engine/array-spec.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { classifierOf } from '../models/classifier.ts';
import { initialParameters } from '../models/initialise.ts';
import { classifierObjective, labelledExamples } from './classifier-objective.ts';
import { floatExamples } from './examples.ts';
import { freshState } from './parameter-slots.ts';
import { createTrainer, type EpochTerms } from './trainer.ts';

const KEY = seedKey('classifier objective');
const SHAPE = { channels: 1, height: 1, width: 2 };
const PLANE = classifierOf({ kind: 'mlp', hidden: [], features: 2 }, SHAPE, 3);
/** Features are the two pixels; logits are (a, b, 0). */
const IDENTITY = {
  'parameters.features.weight': Float32Array.of(1, 0, 0, 1),
  'parameters.features.bias': Float32Array.of(0, 0),
  'parameters.classes.weight': Float32Array.of(1, 0, 0, 0, 1, 0),
  'parameters.classes.bias': Float32Array.of(0, 0, 0),
};

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

type Inputs = { parameters: Record<string, np.Array>; x: np.Array; bits: np.Array };

/** Terms of rows [pixels, one-hot]. */
async function termsOf(rows: readonly (readonly number[])[]) {
  const objective = classifierObjective('classes', PLANE);
  const f = ({ parameters, x, bits }: Inputs) => objective.terms(parameters, { x, bits });
  const specs = { parameters: PLANE.parameters, x: float32(rows.length, 5), bits: uint32(1) };
  const inputs = { ...IDENTITY, x: Float32Array.from(rows.flat()), bits: new Uint32Array(1) };
  const found = await expectTwins(twins, 'terms', { f, specs, inputs });
  return { loss: [...(found['loss'] as Float32Array)], accuracy: [...(found['accuracy'] as Float32Array)] };
}

describe('softmax cross-entropy', () => {
  test('by hand', async () => {
    const ln = Math.log;
    const { loss, accuracy } = await termsOf([
      [ln(2), ln(5), 1, 0, 0], // probabilities 2/8, 5/8, 1/8
      [ln(2), ln(5), 0, 1, 0],
      [ln(2), ln(5), 0, 0, 1],
      [0, 0, 0, 0, 1], // all alike: a tie is no hit
    ]);
    [ln(4), ln(8 / 5), ln(8), ln(3)].forEach((wanted, i) => expect(loss[i]).toBeCloseTo(wanted, 5));
    expect(accuracy).toEqual([0, 1, 0, 0]);
  });

  test('does not overflow far out', async () => {
    const { loss, accuracy } = await termsOf([
      [1e4, 0, 1, 0, 0],
      [1e4, 0, 0, 1, 0],
    ]);
    expect(loss).toEqual([0, 1e4]);
    expect(accuracy).toEqual([1, 0]);
  });

  test('of weights spread over classes is their mean, and a hit is the class of largest weight', async () => {
    const { loss, accuracy } = await termsOf([
      [Math.log(2), Math.log(5), 0.7, 0.2, 0.1],
      [Math.log(2), Math.log(5), 0.1, 0.8, 0.1],
    ]);
    expect(loss[0]).toBeCloseTo(0.7 * Math.log(4) + 0.2 * Math.log(8 / 5) + 0.1 * Math.log(8), 5);
    expect(loss[1]).toBeCloseTo(0.1 * Math.log(4) + 0.8 * Math.log(8 / 5) + 0.1 * Math.log(8), 5);
    expect(accuracy).toEqual([0, 1]);
  });

  test('has the gradient softmax minus truth with respect to the last bias', async () => {
    const objective = classifierObjective('classes', PLANE);
    const f = ({ parameters, x, bits }: Inputs) => {
      const loss = (p: Record<string, np.Array>) => {
        const terms = objective.terms(p, { x, bits });
        terms['accuracy']?.dispose();
        return terms.loss.sum();
      };
      const [value, gradients] = valueAndGrad(loss)(parameters) as [np.Array, Record<string, np.Array>];
      return { value, gradient: gradients['classes.bias'] as np.Array };
    };
    const specs = { parameters: PLANE.parameters, x: float32(1, 5), bits: uint32(1) };
    const inputs = { ...IDENTITY, x: Float32Array.of(Math.log(2), Math.log(5), 0, 1, 0), bits: new Uint32Array(1) };
    const { gradient } = await runOn(twins.native, 'gradient', { f, specs, inputs });
    [2 / 8, 5 / 8 - 1, 1 / 8].forEach((wanted, i) => expect(gradient?.[i]).toBeCloseTo(wanted, 6));
  });
});

describe('labelled examples', () => {
  const images = floatExamples(Float32Array.of(0.1, 0.2, 0.3, 0.4), 2);

  test('are pixels, then a one at the class', () => {
    const examples = labelledExamples(images, [2, 0], 3);
    expect(examples).toMatchObject({ count: 2, size: 5 });
    const out = new Float32Array(11).fill(9);
    examples.read([1, 0], out);
    expect(out).toEqual(Float32Array.of(0.3, 0.4, 1, 0, 0, 0.1, 0.2, 0, 0, 1, 9));
  });

  test.each([
    [[0], /label for each of 2 images, got 1/],
    [[0, 3], /Image 1 has label 3; expected a class from 0 to 2/],
    [[255, 0], /Image 0 has label 255.*no class out/],
    [[0.5, 0], /label 0.5/],
  ])('refuse labels %j', (labels, message) => {
    expect(() => labelledExamples(images, labels, 3)).toThrow(ShapeError);
    expect(() => labelledExamples(images, labels, 3)).toThrow(message);
  });
});

test('training tells three clouds of points apart, and says so', async () => {
  const N = 90;
  const noise = normals(childKey(KEY, 'noise'), 2 * N);
  const labels = Array.from({ length: N }, (_, i) => i % 3);
  const points = Float32Array.from({ length: 2 * N }, (_, at) => {
    const label = labels[Math.floor(at / 2)] as number;
    return (label === 1 + (at % 2) ? 1 : 0) + 0.1 * (noise[at] as number); // (0, 0), (1, 0), (0, 1)
  });
  const classifier = classifierOf({ kind: 'mlp', hidden: [8], features: 8 }, SHAPE, 3);
  const trainer = await createTrainer(twins.native, classifierObjective('classes', classifier), {
    epochs: 40,
    batchSize: 30,
    optimizer: { kind: 'adam', learningRate: 0.02, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    schedule: { kind: 'constant' },
  });
  const history: EpochTerms[] = [];
  const start = freshState(initialParameters(classifier.parameters, childKey(KEY, 'init')));
  const examples = labelledExamples(floatExamples(points, 2), labels, 3);
  await trainer.train({ examples, start, key: KEY }, { onEpoch: (_, terms) => void history.push(terms) });
  expect(history.at(0)?.['loss']).toBeGreaterThan(0.5);
  expect(history.at(-1)?.['loss']).toBeLessThan(0.1);
  expect(history.at(-1)?.['accuracy']).toBeGreaterThan(0.98);
});
