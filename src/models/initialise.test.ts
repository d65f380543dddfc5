import { describe, expect, test } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { initialParameters } from './initialise.ts';
import { denseSpecs } from './layers.ts';
import { vaeOf } from './vae.ts';

const KEY = seedKey('initialise');
const GREY = { channels: 1, height: 28, width: 28 };

describe.each([
  ['dense', { kind: 'mlp', hidden: [512, 256, 128], latent: 2 }],
  ['convolutional', { kind: 'conv', channels: [16, 32], latent: 8 }],
] as const)('first values of a %s model', (_, architecture) => {
  const { parameters: specs } = vaeOf(architecture, GREY);
  const values = initialParameters(specs, KEY);

  test('lie within +-1/sqrt(fan-in), and use the whole range', () => {
    expect(Object.keys(values)).toEqual(Object.keys(specs));
    for (const [name, { fanIn, shape }] of Object.entries(specs)) {
      const drawn = values[name] as Float32Array;
      expect(drawn, name).toHaveLength(shape.reduce((a, b) => a * b, 1));
      const largest = drawn.reduce((most, value) => Math.max(most, Math.abs(value)), 0) * Math.sqrt(fanIn);
      expect(largest, name).toBeLessThanOrEqual(1 + 1e-7);
      if (drawn.length >= 128) expect(largest, name).toBeGreaterThan(0.9);
    }
  });

  test('have mean 0 and the variance of a uniform distribution', () => {
    for (const [name, { fanIn }] of Object.entries(specs)) {
      const drawn = values[name] as Float32Array;
      if (drawn.length < 1000) continue;
      const scaled = Array.from(drawn, (value) => value * Math.sqrt(fanIn));
      const mean = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
      const variance = scaled.reduce((sum, value) => sum + value * value, 0) / scaled.length;
      const tolerance = 4 / Math.sqrt(scaled.length); // four standard errors and more
      expect(Math.abs(mean), name).toBeLessThan(tolerance);
      expect(Math.abs(variance - 1 / 3), name).toBeLessThan(tolerance);
    }
  });
});

test('fan-in is the number of inputs that one output sums over', () => {
  const { parameters } = vaeOf({ kind: 'conv', channels: [16, 32], latent: 8 }, GREY);
  const fanIn = (name: string) => parameters[name]?.fanIn;
  expect(fanIn('encoder.1.weight')).toBe(16 * 16);
  expect(fanIn('encoder.1.bias')).toBe(16 * 16);
  expect(fanIn('encoder.mean.weight')).toBe(32 * 49);
  expect(fanIn('decoder.0.weight')).toBe(8);
  expect(fanIn('decoder.1.weight')).toBe(32 * 16);
});

test('a layer more changes no other layer, and neither does their order', () => {
  const few = { ...denseSpecs('a', 5, 4), ...denseSpecs('b', 4, 3) };
  const more = { ...denseSpecs('new', 7, 7), ...denseSpecs('b', 4, 3), ...denseSpecs('a', 5, 4) };
  const { 'new.weight': _, 'new.bias': __, ...others } = initialParameters(more, KEY);
  expect(others).toEqual(initialParameters(few, KEY));
});

test('weights and biases, layers and keys differ', () => {
  const specs = { ...denseSpecs('a', 1, 4), ...denseSpecs('b', 1, 4) };
  const one = initialParameters(specs, childKey(KEY, 'one'));
  const two = initialParameters(specs, childKey(KEY, 'two'));
  const drawn = [...Object.values(one), ...Object.values(two)].map((values) => values.join());
  expect(new Set(drawn).size).toBe(8);
});
