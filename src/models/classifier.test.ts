import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectTwins, openTwins, type Twins } from '../../test/twins.ts';
import { float32, sizeOf } from '../engine/array-spec.ts';
import { seedKey, uniforms } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { type Classifier, classifierOf, smallClassifier } from './classifier.ts';
import { initialParameters } from './initialise.ts';
import type { Parameters, ParameterSpecs } from './layers.ts';

const GREY = { channels: 1, height: 28, width: 28 };

const count = (specs: ParameterSpecs) => Object.values(specs).reduce((sum, spec) => sum + sizeOf(spec), 0);

function both(classifier: Classifier) {
  return ({ parameters, x }: { parameters: Parameters; x: np.Array }) => {
    const features = classifier.features(parameters, x.ref);
    return {
      features: features.ref,
      classified: classifier.classify(parameters, features),
      logits: classifier.logits(parameters, x),
    };
  };
}

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

test('the small one for MNIST has the parameters that its layers add up to', () => {
  const classifier = classifierOf(smallClassifier(GREY), GREY, 10);
  const convolutions = 16 * 16 + 16 + (32 * 16 * 16 + 32);
  expect(count(classifier.parameters)).toBe(convolutions + (32 * 49 * 64 + 64) + (64 * 10 + 10));
  expect(classifier).toMatchObject({ pixels: 784, classes: 10, featureSize: 64 });
});

test('a dense one by hand: features are what is positive of x W + b, logits their linear map', async () => {
  const classifier = classifierOf({ kind: 'mlp', hidden: [], features: 2 }, { channels: 1, height: 1, width: 2 }, 2);
  const inputs = {
    'parameters.features.weight': Float32Array.of(1, -1, 2, -2),
    'parameters.features.bias': Float32Array.of(0.5, 0.25),
    'parameters.classes.weight': Float32Array.of(3, -3, 100, 100),
    'parameters.classes.bias': Float32Array.of(0, 1),
    x: Float32Array.of(0.5, 1),
  };
  const specs = { parameters: classifier.parameters, x: float32(1, 2) };
  const found = await expectTwins(twins, 'by hand', { f: both(classifier), specs, inputs });
  expect([...(found['features'] as Float32Array)]).toEqual([3, 0]); // -2.25 is cut off
  expect([...(found['logits'] as Float32Array)]).toEqual([9, -8]);
});

describe.each([
  ['dense', { kind: 'mlp', hidden: [12, 7], features: 5 }, { channels: 1, height: 6, width: 5 }],
  ['dense on colours', { kind: 'mlp', hidden: [], features: 3 }, { channels: 3, height: 2, width: 3 }],
  ['convolutional', { kind: 'conv', channels: [3, 4], features: 6 }, { channels: 1, height: 8, width: 12 }],
  ['convolutional on colours', { kind: 'conv', channels: [2], features: 4 }, { channels: 3, height: 4, width: 6 }],
] as const)('a %s classifier', (_, architecture, shape) => {
  const classifier = classifierOf(architecture, shape, 3);
  const parameters = initialParameters(classifier.parameters, seedKey('classifier'));
  const named = Object.fromEntries(Object.entries(parameters).map(([name, values]) => [`parameters.${name}`, values]));
  const run = (x: Float32Array) => {
    const specs = { parameters: classifier.parameters, x: float32(x.length / classifier.pixels, classifier.pixels) };
    return expectTwins(twins, 'classifier', { f: both(classifier), specs, inputs: { ...named, x } });
  };

  test('maps [B, D] to features [B, F] and logits [B, C], each image by itself, alike on both executors', async () => {
    const x = Float32Array.from(uniforms(seedKey('x'), 3 * classifier.pixels));
    const all = await run(x);
    const second = await run(x.slice(classifier.pixels, 2 * classifier.pixels));
    expect(all['features']).toHaveLength(3 * classifier.featureSize);
    expect(all['logits']).toHaveLength(3 * 3);
    expect(all['classified']).toEqual(all['logits']);
    expect(Math.min(...(all['features'] as Float32Array))).toBeGreaterThanOrEqual(0);
    for (const [name, size] of [['features', classifier.featureSize] as const, ['logits', 3] as const]) {
      const row = (all[name] as Float32Array).subarray(size, 2 * size);
      for (const [i, value] of row.entries()) expect(second[name]?.[i]).toBeCloseTo(value, 5);
    }
  });
});

test.each([
  [1, 8, 8, [16, 32]],
  [1, 28, 28, [16, 32]],
  [3, 32, 32, [16, 32]],
  [3, 64, 64, [16, 32, 64]],
  [1, 30, 64, [16]],
  [1, 28, 29, null],
])('the small classifier of %d x %d x %d images has strided layers %j', (channels, height, width, layers) => {
  const shape = { channels, height, width };
  const architecture = smallClassifier(shape);
  expect(architecture.kind === 'conv' ? architecture.channels : null).toEqual(layers);
  expect(classifierOf(architecture, shape, 10).featureSize).toBe(64);
});

test('sides that cannot be halved, and a single class, are refused with what to do', () => {
  const make = () => classifierOf({ kind: 'conv', channels: [4, 8], features: 8 }, { ...GREY, width: 30 }, 10);
  expect(make).toThrow(SpecError);
  expect(make).toThrow(/multiples of 4; these are 28 x 30.*fewer channels/);
  expect(() => classifierOf(smallClassifier(GREY), GREY, 1)).toThrow(/at least two classes.*have 1/);
});
