import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectTwins, openTwins, type Twins } from '../../test/twins.ts';
import { float32, sizeOf } from '../engine/array-spec.ts';
import { seedKey, uniforms } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import { initialParameters } from './initialise.ts';
import type { Parameters, ParameterSpecs } from './layers.ts';
import { decoderPart, type Vae, vaeOf } from './vae.ts';

const GREY = { channels: 1, height: 28, width: 28 };
const PAPER: Architecture = { kind: 'mlp', hidden: [512, 256, 128], latent: 2 };

const count = (specs: ParameterSpecs) => Object.values(specs).reduce((sum, spec) => sum + sizeOf(spec), 0);

describe("the paper's model", () => {
  const vae = vaeOf(PAPER, GREY);

  test('has 1,133,844 parameters, 567,184 of them in the decoder', () => {
    expect(count(vae.parameters)).toBe(1_133_844);
    expect(count(decoderPart(vae.parameters))).toBe(567_184);
    expect(vae).toMatchObject({ latent: 2, pixels: 784, architecture: PAPER });
  });

  test('is 784-512-256-128, two heads of 2, and 2-128-256-512-784', () => {
    const weights = Object.entries(vae.parameters).filter(([name]) => name.endsWith('.weight'));
    expect(weights.map(([name, { shape }]) => `${name} ${shape.join('x')}`)).toEqual([
      'encoder.0.weight 784x512',
      'encoder.1.weight 512x256',
      'encoder.2.weight 256x128',
      'encoder.mean.weight 128x2',
      'encoder.logVariance.weight 128x2',
      'decoder.0.weight 2x128',
      'decoder.1.weight 128x256',
      'decoder.2.weight 256x512',
      'decoder.3.weight 512x784',
    ]);
  });
});

test('the convolutional model has the parameters that its layers add up to', () => {
  const vae = vaeOf({ kind: 'conv', channels: [16, 32], latent: 8 }, GREY);
  const encoder = 16 * 16 + 16 + (32 * 16 * 16 + 32) + 2 * (32 * 49 * 8 + 8);
  const decoder = 8 * 32 * 49 + 32 * 49 + (16 * 32 * 16 + 16) + (1 * 16 * 16 + 1);
  expect(count(vae.parameters)).toBe(encoder + decoder);
  expect(count(decoderPart(vae.parameters))).toBe(decoder);
});

test('what is called decoder.* is all that the decoder needs, and none of it is the encoder', () => {
  const names = Object.keys(decoderPart(vaeOf(PAPER, GREY).parameters));
  expect(names.every((name) => /^decoder\.\d\.(weight|bias)$/.test(name))).toBe(true);
  expect(decoderPart({ 'decoder.0.bias': 1, 'encoder.decoder.bias': 2, decoder: 3 })).toEqual({ 'decoder.0.bias': 1 });
});

describe.each([
  ['dense', { kind: 'mlp', hidden: [12, 7], latent: 3 }, { channels: 1, height: 6, width: 5 }],
  ['dense without hidden layers', { kind: 'mlp', hidden: [], latent: 2 }, { channels: 1, height: 3, width: 3 }],
  ['dense on colours', { kind: 'mlp', hidden: [6], latent: 1 }, { channels: 3, height: 2, width: 4 }],
  ['convolutional', { kind: 'conv', channels: [3, 4], latent: 2 }, { channels: 1, height: 8, width: 12 }],
  ['convolutional on colours', { kind: 'conv', channels: [5], latent: 6 }, { channels: 3, height: 4, width: 6 }],
] as const)('a %s model', (_, architecture, shape) => {
  const vae = vaeOf(architecture, shape);
  const parameters = initialParameters(vae.parameters, seedKey('vae'));
  const named = Object.fromEntries(Object.entries(parameters).map(([name, values]) => [`parameters.${name}`, values]));
  let twins: Twins;
  beforeAll(async () => {
    twins = await openTwins();
  });
  afterAll(async () => {
    await twins.native.close();
    await twins.wasm.close();
  });

  test('encodes [B, D] to two of [B, L] and decodes [B, L] to [B, D], alike on both executors', async () => {
    const B = 3;
    const x = Float32Array.from(uniforms(seedKey('x'), B * vae.pixels));
    const z = Float32Array.from(uniforms(seedKey('z'), B * vae.latent), (u) => 4 * u - 2);
    const specs = { parameters: vae.parameters, x: float32(B, vae.pixels), z: float32(B, vae.latent) };
    const outputs = await expectTwins(twins, 'vae', { f: both(vae), specs, inputs: { ...named, x, z } });
    expect(outputs['mean']).toHaveLength(B * vae.latent);
    expect(outputs['logVariance']).toHaveLength(B * vae.latent);
    expect(outputs['logits']).toHaveLength(B * vae.pixels);
  });

  test('codes each image by itself, whoever else is in the batch', async () => {
    const x = Float32Array.from(uniforms(seedKey('x'), 3 * vae.pixels));
    const z = Float32Array.from(uniforms(seedKey('z'), 3 * vae.latent));
    const run = async (rows: number, from: number) => {
      const specs = { parameters: vae.parameters, x: float32(rows, vae.pixels), z: float32(rows, vae.latent) };
      const part = (values: Float32Array, size: number) => values.slice(from * size, (from + rows) * size);
      const inputs = { ...named, x: part(x, vae.pixels), z: part(z, vae.latent) };
      return expectTwins(twins, 'vae', { f: both(vae), specs, inputs });
    };
    const all = await run(3, 0);
    const second = await run(1, 1);
    for (const [name, size] of [['mean', vae.latent] as const, ['logits', vae.pixels] as const]) {
      const row = (all[name] as Float32Array).subarray(size, 2 * size);
      for (const [i, value] of row.entries()) expect(second[name]?.[i]).toBeCloseTo(value, 5);
    }
  });
});

test.each([
  [{ channels: 1, height: 28, width: 28 }, [16, 32, 64], '8', '28 x 28'],
  [{ channels: 1, height: 7, width: 8 }, [4], '2', '7 x 8'],
  [{ channels: 1, height: 8, width: 6 }, [4, 4], '4', '8 x 6'],
])('a convolutional model refuses images %o that it cannot halve for %o', (shape, channels, multiple, size) => {
  const make = () => vaeOf({ kind: 'conv', channels, latent: 2 }, shape);
  expect(make).toThrow(SpecError);
  expect(make).toThrow(`multiples of ${multiple}; these are ${size}`);
});

function both(vae: Vae) {
  return ({ parameters, x, z }: { parameters: Parameters; x: np.Array; z: np.Array }) => ({
    ...vae.encode(parameters, x),
    logits: vae.decode(parameters, z),
  });
}
