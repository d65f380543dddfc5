import { fromBinary } from '@bufbuild/protobuf';
import type { numpy as np } from '@jax-js/jax';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectClose, expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { float32 } from '../engine/array-spec.ts';
import { childKey, normals, seedKey, uniforms } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { ALLOWED_OPERATORS } from '../exchange/allowed-operators.ts';
import { type ConditionalVae, conditionalVaeOf, type LatentPrior } from './conditional-vae.ts';
import { initialParameters } from './initialise.ts';
import { exportLabelledDecoder } from './labelled-decoder.ts';
import { parameterInputs } from './layers.ts';
import { decoderPart } from './vae.ts';

const KEY = seedKey('conditional-vae');
const SHAPE = { channels: 1, height: 4, width: 8 };
const NORMAL: LatentPrior = { kind: 'normal' };
const FLOW: LatentPrior = { kind: 'flow', hidden: [6, 5], steps: 6 };
const MLP = { kind: 'mlp', hidden: [7, 6], latent: 3 } as const;
const CONV = { kind: 'conv', channels: [2, 3], latent: 2 } as const;
const C = 4;

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

const oneHot = (classes: readonly number[]) =>
  Float32Array.from({ length: classes.length * C }, (_, i) => (classes[Math.floor(i / C)] === i % C ? 1 : 0));

type Arrays = Record<string, np.Array>;

/** Codes and logits of rows. */
function both(vae: ConditionalVae, classes: readonly number[]) {
  const B = classes.length;
  return {
    f: (({ parameters, x, y, z }: { parameters: Arrays } & Record<'x' | 'y' | 'z', np.Array>) => ({
      ...vae.encode(parameters, { x, y: y.ref }),
      logits: vae.decode(parameters, { z, y }),
    })) as never,
    specs: { parameters: vae.parameters, x: float32(B, vae.pixels), y: float32(B, C), z: float32(B, vae.latent) },
    inputs: {
      ...parameterInputs(initialParameters(vae.parameters, KEY)),
      x: repeated(Float32Array.from(uniforms(childKey(KEY, 'x'), vae.pixels)), B),
      y: oneHot(classes),
      z: repeated(normals(childKey(KEY, 'z'), vae.latent), B),
    },
  };
}

function repeated(row: Float32Array, times: number): Float32Array {
  return Float32Array.from({ length: times * row.length }, (_, i) => row[i % row.length] as number);
}

describe.each([
  ['dense', MLP, NORMAL],
  ['dense with a learnt prior', MLP, FLOW],
  ['dense without hidden layers', { kind: 'mlp', hidden: [], latent: 2 }, NORMAL],
  ['convolutional', CONV, NORMAL],
  ['convolutional with a learnt prior', CONV, FLOW],
] as const)('a %s model', (_, architecture, prior) => {
  const vae = conditionalVaeOf(architecture, { shape: SHAPE, classes: C, prior });
  const parameters = initialParameters(vae.parameters, KEY);
  const bytes = exportLabelledDecoder(vae.generator, parameters, SHAPE);

  test('codes and decodes by class, alike on both executors, row by row', async () => {
    const found = await expectTwins(twins, 'conditional', both(vae, [1, 2, 1]));
    for (const [name, size] of Object.entries({ mean: vae.latent, logVariance: vae.latent, logits: vae.pixels })) {
      const rows = [0, 1, 2].map((i) => [...(found[name] as Float32Array).subarray(i * size, (i + 1) * size)]);
      rows[2]?.forEach((value, i) => expect(value).toBeCloseTo(rows[0]?.[i] as number, 5));
      expect(rows[1]).not.toEqual(rows[0]);
    }
  });

  test('is drawn from by its file as by its function, of each row by itself', async () => {
    const classes = [0, 3, 3];
    const z = normals(childKey(KEY, 'e'), 3 * vae.latent);
    const specs = { parameters: decoderPart(vae.parameters), z: float32(3, vae.latent), y: float32(3, C) };
    const f = ({ parameters: p, z: codes, y }: { parameters: Arrays; z: np.Array; y: np.Array }) => ({
      x: vae.generator.draw(p, codes, y),
    });
    const inputs = { ...parameterInputs(decoderPart(parameters)), z, y: oneHot(classes) };
    const { x: wanted } = await runOn(twins.wasm, 'draw', { f: f as never, specs, inputs });
    const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'all' });
    const draw = async (from: number, to: number) => {
      const { x } = await session.run({
        z: new Tensor('float32', z.slice(from * vae.latent, to * vae.latent), [to - from, vae.latent]),
        class: new Tensor('float32', oneHot(classes.slice(from, to)), [to - from, C]),
      });
      return x?.data as Float32Array;
    };
    expectClose('file', await draw(0, 3), wanted);
    expectClose('second row', await draw(1, 2), wanted?.slice(vae.pixels, 2 * vae.pixels));
    expect(Math.min(...(wanted as Float32Array))).toBeGreaterThan(0);
  });

  test('has a file of allowed operators, with no parameter of the encoder', () => {
    const { node = [], initializer = [] } = fromBinary(ModelProtoSchema, bytes).graph ?? {};
    expect(node.filter(({ opType }) => !ALLOWED_OPERATORS.has(opType))).toEqual([]);
    const stored = initializer.map(({ name }) => name).filter((name) => name in vae.parameters);
    expect(stored.sort()).toEqual(Object.keys(vae.generator.parameters).sort());
    expect(stored.every((name) => name.startsWith('decoder.'))).toBe(true);
    expect(node.length).toBeLessThan(prior.kind === 'flow' ? 6 * 14 + 40 : 40);
  });
});

test('h = z W0 + b0 + y Wc + bc, by hand: one latent, one pixel, two classes', async () => {
  const vae = conditionalVaeOf(
    { kind: 'mlp', hidden: [], latent: 1 },
    { shape: { channels: 1, height: 1, width: 1 }, classes: 2, prior: NORMAL },
  );
  const values = {
    'decoder.0.weight': Float32Array.of(2),
    'decoder.0.bias': Float32Array.of(0.5),
    'decoder.class.weight': Float32Array.of(3, -3),
    'decoder.class.bias': Float32Array.of(0.25),
  };
  const { x } = await runOn(twins.native, 'draw', {
    f: (({ p, z, y }: { p: Arrays; z: np.Array; y: np.Array }) => ({ x: vae.generator.draw(p, z, y) })) as never,
    specs: { p: vae.generator.parameters, z: float32(2, 1), y: float32(2, 2) },
    inputs: {
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [`p.${name}`, value])),
      z: Float32Array.of(1, 1),
      y: Float32Array.of(1, 0, 0, 1),
    },
  });
  expect(x?.[0]).toBeCloseTo(1 / (1 + Math.exp(-5.75)), 6);
  expect(x?.[1]).toBeCloseTo(1 / (1 + Math.exp(0.25)), 6);
});

test('classes speak up from the start: of their C inputs one is not zero', () => {
  const { parameters } = conditionalVaeOf(MLP, { shape: SHAPE, classes: C, prior: FLOW });
  for (const layer of ['decoder.class', 'decoder.prior.class']) {
    expect(parameters[`${layer}.weight`]).toMatchObject({ fanIn: 1 });
    expect(parameters[`${layer}.bias`]).toMatchObject({ fanIn: C });
  }
});

test('a flow whose velocity is zero is the normal prior', async () => {
  const vae = conditionalVaeOf(MLP, { shape: SHAPE, classes: C, prior: FLOW });
  const plain = conditionalVaeOf(MLP, { shape: SHAPE, classes: C, prior: NORMAL });
  const parameters = Object.fromEntries(
    Object.entries(initialParameters(vae.parameters, KEY)).map(([name, values]) => [
      name,
      name.startsWith('decoder.prior.') ? values.fill(0) : values,
    ]),
  );
  const z = normals(childKey(KEY, 'e'), 2 * vae.latent);
  const images = (given: ConditionalVae) =>
    runOn(twins.native, 'draw', {
      f: (({ parameters: p, z: codes, y }: { parameters: Arrays; z: np.Array; y: np.Array }) => ({
        x: given.generator.draw(p, codes, y),
      })) as never,
      specs: { parameters: given.generator.parameters, z: float32(2, given.latent), y: float32(2, C) },
      inputs: {
        ...parameterInputs(
          Object.fromEntries(Object.keys(given.generator.parameters).map((name) => [name, parameters[name]!])),
        ),
        z,
        y: oneHot([2, 0]),
      },
    });
  expectClose('images', (await images(vae))['x']!, (await images(plain))['x']);
});

test.each([
  [{ classes: 0, prior: NORMAL }, /'classes'.*got 0/],
  [{ classes: 2, prior: { kind: 'flow', hidden: [4], steps: 0 } }, /'prior'.*got 0/],
  [{ classes: 2, prior: { kind: 'flow', hidden: [1.5], steps: 2 } }, /'prior'.*got 1.5/],
] as const)('refuses %j', (options, message) => {
  const make = () => conditionalVaeOf(MLP, { shape: SHAPE, ...options });
  expect(make).toThrow(SpecError);
  expect(make).toThrow(message);
});
