import { createHash } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import { float32 } from '../engine/array-spec.ts';
import { openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import { decoderFunction, exportDecoder } from './decoder-export.ts';
import { initialParameters } from './initialise.ts';
import { decoderPart, vaeOf } from './vae.ts';

const KEY = seedKey('decoder-export');
const DENSE: Architecture = { kind: 'mlp', hidden: [24, 12], latent: 2 };
const CONV: Architecture = { kind: 'conv', channels: [6, 8], latent: 3 };
const GREY = { channels: 1, height: 12, width: 8 };
const COLOUR = { channels: 3, height: 8, width: 12 };
const MODELS = [
  ['a dense decoder', DENSE, GREY],
  ['a dense decoder of colour images', DENSE, COLOUR],
  ['a dense decoder with one hidden layer and one latent', { kind: 'mlp', hidden: [5], latent: 1 }, GREY],
  ['a convolutional decoder', CONV, GREY],
  ['a convolutional decoder of colour images', CONV, COLOUR],
] as const satisfies readonly (readonly [string, Architecture, typeof GREY])[];

function model(architecture: Architecture, shape: typeof GREY) {
  const vae = vaeOf(architecture, shape);
  return { vae, parameters: initialParameters(vae.parameters, childKey(KEY, architecture.kind)) };
}

async function draw(bytes: Uint8Array, z: Float32Array, latent: number) {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const { x } = await session.run({ z: new Tensor('float32', z, [z.length / latent, latent]) });
  await session.release();
  return { shape: x?.dims, data: x?.data as Float32Array };
}

describe.each(MODELS)('%s as a file', (_, architecture, shape) => {
  const engines = [openEngine({ executor: 'wasm' }), openEngine({ executor: 'onnxruntime' })];
  const { vae, parameters } = model(architecture, shape);
  const bytes = exportDecoder(vae, parameters, shape);

  afterAll(async () => {
    for (const engine of engines) await (await engine).close();
  });

  test.each([1, 7, 300])('draws %i images as the wasm twin and the native program do', async (n) => {
    const z = normals(childKey(KEY, 'z', n), n * vae.latent);
    const drawn = await draw(bytes, z, vae.latent);
    expect(drawn.shape).toEqual([n, shape.channels, shape.height, shape.width]);
    const specs = { z: float32(n, vae.latent), ...decoderPart(vae.parameters) };
    for (const engine of engines) {
      const program = await (await engine).compile('decoder', decoderFunction(vae, shape), specs);
      const x = new Float32Array(n * vae.pixels);
      await program.bind({ z, ...decoderPart(parameters) }, { x })();
      expect(largestDifference(drawn.data, x)).toBeLessThan(2e-6);
    }
  });

  // jax-js's ONNX loader knows no ConvTranspose.
  test.runIf(architecture.kind === 'mlp')('draws the same on the fallback engine', async () => {
    const z = normals(childKey(KEY, 'fallback'), 3 * vae.latent);
    const x = new Float32Array(3 * vae.pixels);
    const wasm = await openEngine({ executor: 'wasm' });
    const program = await wasm.openModel(bytes, {
      label: 'decoder',
      inputs: [{ name: 'z', ...float32(3, vae.latent) }],
      outputs: [{ name: 'x', ...float32(3, shape.channels, shape.height, shape.width) }],
    });
    await program.bind({ z }, { x })();
    expect(largestDifference((await draw(bytes, z, vae.latent)).data, x)).toBeLessThan(2e-6);
  });

  test('draws each image from its own code, whatever else is in the batch', async () => {
    const z = normals(childKey(KEY, 'batch'), 5 * vae.latent);
    const all = (await draw(bytes, z, vae.latent)).data;
    const third = (await draw(bytes, z.slice(2 * vae.latent, 3 * vae.latent), vae.latent)).data;
    expect(largestDifference(third, all.subarray(2 * vae.pixels, 3 * vae.pixels))).toBeLessThan(1e-6);
  });

  test('holds the decoder and no other weights', () => {
    const { initializer = [] } = fromBinary(ModelProtoSchema, bytes).graph ?? {};
    const stored = initializer.map(({ name }) => name).filter((name) => name in vae.parameters);
    expect(stored.sort()).toEqual(Object.keys(decoderPart(parameters)).sort());
    const others = initializer.filter(({ name }) => !stored.includes(name));
    for (const { rawData } of others) expect(rawData.length).toBeLessThanOrEqual(64); // shapes and literals
  });

  test('uses one operator for a transposed convolution, and none that is known to few runtimes', () => {
    const { node = [] } = fromBinary(ModelProtoSchema, bytes).graph ?? {};
    const used = new Set(node.map(({ opType }) => opType));
    const arithmetic = ['Gemm', 'MatMul', 'Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Neg', 'Exp', 'Reciprocal'];
    const plain = [...arithmetic, 'Reshape', 'Slice', 'Transpose', 'ConvTranspose'];
    expect([...used].filter((operator) => !plain.includes(operator))).toEqual([]);
    const transposed = node.filter(({ opType }) => opType === 'ConvTranspose').length;
    expect(transposed).toBe(architecture.kind === 'conv' ? architecture.channels.length : 0);
  });

  test('has the same bytes however often and in whatever order it is exported', () => {
    const reversed = Object.fromEntries(Object.entries(parameters).reverse());
    const own = Object.fromEntries(Object.entries(decoderPart(parameters)).map(([name, data]) => [name, data.slice()]));
    expect(sha256(exportDecoder(vae, reversed, shape))).toBe(sha256(bytes));
    expect(sha256(exportDecoder(vae, own, shape))).toBe(sha256(bytes));
  });
});

test('another decoder weight gives other bytes; another encoder weight does not', () => {
  const { vae, parameters } = model(DENSE, GREY);
  const bytes = sha256(exportDecoder(vae, parameters, GREY));
  const changed = (name: string) => ({ ...parameters, [name]: (parameters[name] as Float32Array).map((w) => w + 1) });
  expect(sha256(exportDecoder(vae, changed('decoder.0.bias'), GREY))).not.toBe(bytes);
  expect(sha256(exportDecoder(vae, changed('encoder.0.bias'), GREY))).toBe(bytes);
});

test('one latent, one unit, one pixel: x = sigmoid(w2 max(w1 z + b1, 0) + b2), by hand', async () => {
  const shape = { channels: 1, height: 1, width: 1 };
  const vae = vaeOf({ kind: 'mlp', hidden: [1], latent: 1 }, shape);
  const parameters = {
    'decoder.0.weight': Float32Array.of(2),
    'decoder.0.bias': Float32Array.of(-1),
    'decoder.1.weight': Float32Array.of(3),
    'decoder.1.bias': Float32Array.of(-2),
  };
  const { data } = await draw(exportDecoder(vae, parameters, shape), Float32Array.of(1, 0), 1);
  expect(data[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6); // 3 * max(2 - 1, 0) - 2 = 1
  expect(data[1]).toBeCloseTo(1 / (1 + Math.exp(2)), 6); // 3 * max(-1, 0) - 2 = -2
});

test('sizes that cannot collide with n: a side that is itself a prime stays what it is', async () => {
  const shape = { channels: 1, height: 1, width: 97 };
  const vae = vaeOf({ kind: 'mlp', hidden: [101, 101], latent: 89 }, shape);
  const bytes = exportDecoder(vae, initialParameters(vae.parameters, KEY), shape);
  expect((await draw(bytes, normals(childKey(KEY, 'prime'), 2 * 89), 89)).shape).toEqual([2, 1, 1, 97]);
});

test('a missing or ill-sized parameter, or another image size, is a ShapeError', () => {
  const { vae, parameters } = model(DENSE, GREY);
  const { 'decoder.1.weight': _, ...missing } = parameters;
  expect(() => exportDecoder(vae, missing, GREY)).toThrow(ShapeError);
  expect(() => exportDecoder(vae, { ...parameters, 'decoder.1.bias': new Float32Array(3) }, GREY)).toThrow(ShapeError);
  expect(() => exportDecoder(vae, parameters, COLOUR)).toThrow(ShapeError);
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}
