import { afterAll, beforeAll, expect, test } from 'vitest';
import { HAND_MADE_SHAPE, handMadeDecoder } from '../../test/hand-made-decoder.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { initialParameters } from '../models/initialise.ts';
import { normUpperBound } from '../models/spectral-norm.ts';
import { boundedLayers, SIGMOID_SLOPE } from '../models/spectral-normalisation.ts';
import { vaeOf } from '../models/vae.ts';
import { localLipschitz } from './local-lipschitz.ts';
import { symmetricEigen } from '../models/symmetric-eigen.ts';

const KEY = seedKey('local-lipschitz');

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

test('on x = sigmoid(z W) the slopes are those of its Jacobian, which is known', async () => {
  const w = [
    [1, -1, 0.5, 2],
    [-0.5, 1, 1, -2],
  ] as const; // of the hand-made decoder
  const found = await localLipschitz({
    engine,
    onnx: handMadeDecoder(),
    latent: 2,
    shape: HAND_MADE_SHAPE,
    key: KEY,
    draws: 20,
  });
  const codes = normals(KEY, 40);
  const exact = Array.from({ length: 20 }, (_, i) => {
    const z = [codes[2 * i] as number, codes[2 * i + 1] as number] as const;
    const slopes = [0, 1, 2, 3].map((d) => {
      const p = 1 / (1 + Math.exp(-(z[0] * w[0][d]! + z[1] * w[1][d]!)));
      return p * (1 - p);
    });
    const columns = w.map((row) => row.map((weight, d) => weight * slopes[d]!));
    const dot = (a: number, b: number) => columns[a]!.reduce((sum, x, d) => sum + x * columns[b]![d]!, 0);
    const gram = Float64Array.of(dot(0, 0), dot(0, 1), dot(1, 0), dot(1, 1));
    return {
      norm: Math.sqrt(symmetricEigen(gram, 2).values[0] as number),
      pixelSum: Math.hypot(...columns.map((column) => column.reduce((sum, x) => sum + x, 0))),
    };
  });
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  expect(found.draws).toBe(20);
  expect(found.largest).toBeCloseTo(Math.max(...exact.map(({ norm }) => norm)), 3);
  expect(found.mean).toBeCloseTo(mean(exact.map(({ norm }) => norm)), 3);
  expect(found.meanPixelSum).toBeCloseTo(mean(exact.map(({ pixelSum }) => pixelSum)), 3);
});

test.each([
  ['dense', { kind: 'mlp', hidden: [16, 8], latent: 3 }, null],
  ['convolutional', { kind: 'conv', channels: [3], latent: 5 }, null],
] as const)('a %s decoder is never steeper than the product of its layers', async (_, architecture, batch) => {
  const shape = { channels: 1, height: 4, width: 4 };
  const vae = vaeOf(architecture, shape);
  const initial = initialParameters(vae.parameters, childKey(KEY, 'init'));
  const parameters = Object.fromEntries(Object.entries(initial).map(([name, v]) => [name, v.map((x) => 2 * x)]));
  const onnx = exportDecoder(vae, parameters, shape);
  const { latent } = architecture;
  const found = await localLipschitz({ engine, onnx, latent, shape, batch, key: childKey(KEY, 'z'), draws: 10 });
  const bound = boundedLayers(vae).reduce(
    (product, { weight, factor, matrix }) => product * factor * normUpperBound(matrix(parameters[weight]!)),
    SIGMOID_SLOPE,
  );
  expect(found.mean).toBeGreaterThan(0);
  expect(found.largest).toBeGreaterThanOrEqual(found.mean);
  expect(found.largest).toBeLessThan(bound);
});

test('a file that fixes the number of images is measured as well', async () => {
  const fixed = handMadeDecoder((_, graph) => {
    for (const port of [...graph.input, ...graph.output]) {
      const type = port.type?.value;
      if (type?.case === 'tensorType') type.value.shape!.dim[0]!.value = { case: 'dimValue', value: 3n };
    }
  });
  const options = { engine, latent: 2, shape: HAND_MADE_SHAPE, key: KEY, draws: 4 };
  const free = await localLipschitz({ ...options, onnx: handMadeDecoder() });
  expect(await localLipschitz({ ...options, onnx: fixed, batch: 3 })).toEqual(free);
});

test('many latents are measured by power iteration, to the same norm', async () => {
  const shape = { channels: 1, height: 2, width: 2 };
  const vae = vaeOf({ kind: 'mlp', hidden: [], latent: 80 }, shape);
  const parameters = initialParameters(vae.parameters, childKey(KEY, 'wide'));
  const weight = boundedLayers(vae)[0]?.weight as string;
  const w = parameters[weight] as Float32Array;
  const inputs = vae.parameters[weight]?.shape[0];
  const at = (l: number, d: number) => w[inputs === 80 ? l * 4 + d : d * 80 + l] as number;
  const key = childKey(KEY, 'wide-z');
  const onnx = exportDecoder(vae, parameters, shape);
  const found = await localLipschitz({ engine, onnx, latent: 80, shape, key, draws: 1 });
  const z = normals(key, 80); // the bias starts at zero
  const slopes = [0, 1, 2, 3].map((d) => {
    const p = 1 / (1 + Math.exp(-z.reduce((sum, value, l) => sum + value * at(l, d), 0)));
    return p * (1 - p);
  });
  const gram = Float64Array.from({ length: 16 }, (_, i) => {
    const [a, b] = [i >> 2, i % 4];
    const dot = z.reduce((sum, _value, l) => sum + at(l, a) * at(l, b), 0);
    return dot * (slopes[a] as number) * (slopes[b] as number);
  });
  expect(found.largest).toBeCloseTo(Math.sqrt(symmetricEigen(gram, 4).values[0] as number), 2);
});
