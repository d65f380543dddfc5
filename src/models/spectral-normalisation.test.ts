import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { float32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { conditionalVaeOf } from './conditional-vae.ts';
import { transposedConvolution } from './layers.ts';
import { initialParameters } from './initialise.ts';
import { normUpperBound } from './spectral-norm.ts';
import { boundedLayers, normPerLayer, overlapFactor, spectralProjection } from './spectral-normalisation.ts';
import { type Vae, vaeOf } from './vae.ts';

const KEY = seedKey('spectral-normalisation');
const SHAPE = { channels: 1, height: 8, width: 8 };
const VAES: readonly (readonly [string, Vae])[] = [
  ['dense', vaeOf({ kind: 'mlp', hidden: [12, 8], latent: 3 }, SHAPE)],
  ['convolutional', vaeOf({ kind: 'conv', channels: [3, 4], latent: 3 }, SHAPE)],
];

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

const bounds = (vae: Vae, parameters: Readonly<Record<string, Float32Array>>) =>
  boundedLayers(vae).map(({ weight, factor, matrix }) => factor * normUpperBound(matrix(parameters[weight]!)));

describe.each(VAES)('the projection of a %s decoder', (_, vae) => {
  const initial = initialParameters(vae.parameters, childKey(KEY, vae.architecture.kind));

  test('ends with every layer within its share, and the product within the bound', () => {
    const projected = spectralProjection(vae, 0.05).finish(initial);
    const norms = bounds(vae, projected);
    const share = normPerLayer(0.05, norms.length);
    for (const norm of norms) expect(norm).toBeLessThanOrEqual(share);
    expect(norms.reduce((product, norm) => product * norm, 0.25)).toBeLessThanOrEqual(0.05 * (1 + 1e-12));
    expect(Math.max(...norms)).toBeGreaterThan(share * (1 - 1e-5)); // and wastes next to nothing
    expect(bounds(vae, initial).some((norm) => norm > share)).toBe(true);
  });

  test('leaves alone what is within, bit by bit, and everything but weights of the decoder', () => {
    const projection = spectralProjection(vae, 1e6);
    expect(projection.finish(initial)).toEqual(initial);
    const moved = spectralProjection(vae, 0.05).finish(initial);
    for (const [name, values] of Object.entries(moved)) {
      if (!name.startsWith('decoder.') || !name.endsWith('weight')) expect(values).toBe(initial[name]);
    }
  });

  test('comes there by steps that follow the largest direction', () => {
    const projection = spectralProjection(vae, 0.05);
    const memory = Object.fromEntries(
      Object.entries(projection.memory).map(([n, size]) => [n, new Float32Array(size)]),
    );
    const parameters = Object.fromEntries(Object.entries(initial).map(([name, values]) => [name, values.slice()]));
    projection.begin(memory);
    for (let step = 0; step < 150; step++) projection.step(parameters, memory);
    const share = normPerLayer(0.05, boundedLayers(vae).length);
    for (const norm of bounds(vae, parameters)) expect(norm).toBeLessThan(share * 1.01);
  });
});

test("a conditional decoder is bounded as the same decoder without classes: a class's layer adds no slope", () => {
  for (const [, { architecture, parameters }] of VAES) {
    const conditional = conditionalVaeOf(architecture, { shape: SHAPE, classes: 5, prior: { kind: 'normal' } });
    const names = (given: Pick<Vae, 'parameters'>) => boundedLayers(given).map(({ weight }) => weight);
    expect(names(conditional)).toEqual(names({ parameters }));
    const initial = initialParameters(conditional.parameters, KEY);
    const { 'decoder.class.weight': free, ...moved } = spectralProjection(conditional, 0.05).finish(initial);
    expect(free).toBe(initial['decoder.class.weight']);
    const product = boundedLayers(conditional).reduce(
      (bound, { weight, factor, matrix }) => bound * factor * normUpperBound(matrix(moved[weight]!)),
      0.25,
    );
    expect(product).toBeLessThanOrEqual(0.05 * (1 + 1e-12));
  }
});

test('layers share a bound alike: 1/4 times their product is the bound', () => {
  expect(normPerLayer(2, 3)).toBeCloseTo(2, 12); // 8 / 4
  expect(normPerLayer(0.25, 7)).toBe(1);
});

describe('a convolution', () => {
  test('copies each element into ceil(taps / stride) windows along an axis at most', () => {
    const axis = (taps: number, stride: number, dilation = 1) => ({ taps, stride, dilation });
    expect(overlapFactor([axis(4, 2), axis(4, 2)])).toBe(2);
    expect(overlapFactor([axis(3, 1), axis(3, 1)])).toBe(3);
    expect(overlapFactor([axis(3, 2)])).toBe(Math.SQRT2);
    expect(overlapFactor([axis(3, 2, 2)])).toBe(Math.sqrt(3)); // all taps fall on the same half of the grid
    expect(overlapFactor([axis(1, 4)])).toBe(1);
  });

  test('has no larger norm than is claimed, which is that of its whole matrix', async () => {
    const [side, inputs, outputs] = [3, 2, 3];
    const size = inputs * side * side;
    const specs = { x: float32(size, inputs, side, side), weight: float32(outputs, inputs, 4, 4) };
    const f = ({ x, weight }: Record<string, np.Array>) => ({
      y: transposedConvolution({ 'd.weight': weight!, 'd.bias': np.zeros([outputs, 1, 1]) }, 'd', x!),
    });
    const program = await engine.compile('matrix of a convolution', f as never, specs);
    const identity = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    const columns = outputs * 4 * side * side;
    const y = new Float32Array(size * columns);
    const vae = {
      parameters: { 'decoder.1.weight': { shape: [outputs, inputs, 4, 4], dtype: 'float32', fanIn: 1 } },
    } as const;
    const [layer] = boundedLayers(vae);
    for (const [name, weight] of [
      ['random', normals(childKey(KEY, 'kernel'), outputs * inputs * 16)],
      ['constant', new Float32Array(outputs * inputs * 16).fill(1)],
    ] as const) {
      await program.bind({ x: identity, weight }, { y })();
      const exact = normUpperBound({ values: y, rows: size, columns });
      const claimed = layer!.factor * normUpperBound(layer!.matrix(weight));
      expect(claimed, name).toBeGreaterThanOrEqual(exact * (1 - 1e-6));
      expect(claimed, name).toBeLessThan(2.5 * exact);
    }
  });
});
