import { numpy as np, valueAndGrad } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { float32, sizeOf } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { initialParameters } from './initialise.ts';
import { imageFunction, type ImageFunction, pixelSumGradient, spectralNorm, squaredFrobeniusNorm } from './jacobian.ts';
import { decoderPart, type Vae, vaeOf } from './vae.ts';

const KEY = seedKey('jacobian');
const SHAPE = { channels: 1, height: 2, width: 2 };

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

type Inputs = Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>;

/** Compiles a traced function of named float32 arrays that are shaped like `inputs`. */
async function compiled(f: (inputs: Record<string, np.Array>) => unknown, inputs: Inputs) {
  const specs = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, float32(...shape)]));
  const program = await engine.compile('test', f as never, specs);
  return async (given: Inputs): Promise<Readonly<Record<string, Float32Array>>> => {
    const outputs = Object.fromEntries(program.outputs.map((port) => [port.name, new Float32Array(sizeOf(port))]));
    const values = Object.fromEntries(Object.entries(given).map(([name, input]) => [name, input.values]));
    await program.bind(values, outputs)();
    return outputs;
  };
}

async function evaluated(f: (inputs: Record<string, np.Array>) => unknown, inputs: Inputs) {
  return (await compiled(f, inputs))(inputs);
}

const draw = (name: string, ...shape: number[]) => ({
  shape,
  values: normals(
    childKey(KEY, name),
    shape.reduce((product, side) => product * side, 1),
  ),
});

/** x = z A: J is A^T at every z. Singular values 5 and 3; J^T 1 = (3 + 4, 3) = (7, 3). */
const A = { shape: [2, 3], values: Float32Array.of(3, 4, 0, 0, 0, 3) };
const linear =
  (a: np.Array): ImageFunction =>
  (z) =>
    np.matmul(z, a.ref);

describe('on a linear decoder, whose Jacobian is known,', () => {
  test('the gradient of the pixel sum is the sum of the rows', async () => {
    const f = ({ z, a }: Record<string, np.Array>) => ({ g: pixelSumGradient(linear(a!), z!) });
    const { g } = await evaluated(f, { z: draw('z', 2, 2), a: A });
    expect([...g!]).toEqual([7, 3, 7, 3]);
  });

  test('the spectral norm is found, and never exceeded on the way', async () => {
    const f = ({ z, a, v }: Record<string, np.Array>) => ({
      none: spectralNorm(linear(a!), z!.ref, { start: v!.ref, iterations: 0 }),
      two: spectralNorm(linear(a!), z!.ref, { start: v!.ref, iterations: 2 }),
      many: spectralNorm(linear(a!), z!, { start: v!, iterations: 8 }),
    });
    const { none, two, many } = await evaluated(f, { z: draw('z', 8, 2), a: A, v: draw('v', 8, 2) });
    for (let row = 0; row < 8; row++) {
      expect(many![row]).toBeCloseTo(5, 3);
      expect(two![row]).toBeLessThan(5.0001);
      expect(none![row]).toBeLessThanOrEqual((two![row] as number) + 1e-4);
    }
  });

  test('the Frobenius norm is estimated without bias, with the stated spread', async () => {
    const rows = 2000;
    const f = ({ z, a, v }: Record<string, np.Array>) => ({ s: squaredFrobeniusNorm(linear(a!), z!, v!) });
    const { s } = await evaluated(f, { z: draw('z', rows, 2), a: A, v: draw('p', 2, rows, 3) });
    const mean = s!.reduce((sum, x) => sum + x, 0) / rows;
    const std = Math.sqrt(s!.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rows);
    const exact = 5 ** 2 + 3 ** 2;
    const expectedStd = Math.sqrt((2 * (5 ** 4 + 3 ** 4)) / 2); // of a mean of two sums s_i^2 chi^2_1
    expect(Math.abs(mean - exact)).toBeLessThan((4 * expectedStd) / Math.sqrt(rows));
    expect(std / expectedStd).toBeGreaterThan(0.9);
    expect(std / expectedStd).toBeLessThan(1.1);
  });

  test('a Jacobian of zero has norm zero, and a gradient of zero instead of NaN', async () => {
    const f = ({ z, a, v }: Record<string, np.Array>) => {
      const norm = (b: np.Array) => spectralNorm(linear(b), z!.ref, { start: v!.ref, iterations: 2 }).sum();
      const [value, gradient] = valueAndGrad(norm)(a!);
      return { value, gradient };
    };
    const zero = { shape: [2, 3], values: new Float32Array(6) };
    const { value, gradient } = await evaluated(f, { z: draw('z', 2, 2), a: zero, v: draw('v', 2, 2) });
    expect([...value!, ...gradient!]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });
});

describe.each([
  ['dense', vaeOf({ kind: 'mlp', hidden: [6, 5], latent: 2 }, SHAPE)],
  ['convolutional', vaeOf({ kind: 'conv', channels: [3], latent: 2 }, SHAPE)],
] as readonly (readonly [string, Vae])[])('on a %s decoder', (_, vae) => {
  const specs = decoderPart(vae.parameters);
  const initial = initialParameters(vae.parameters, childKey(KEY, vae.architecture.kind));
  const parameters = Object.fromEntries(
    Object.entries(specs).map(([name, { shape }]) => [
      name,
      { shape, values: (initial[name] as Float32Array).map((w) => 3 * w) },
    ]),
  );
  const [rows, latent, pixels] = [4, 2, 4];
  const norms = ({ z, v, p, ...weights }: Record<string, np.Array>) => {
    const images = imageFunction(vae, weights);
    return {
      sum: np.sqrt(np.square(pixelSumGradient(images, z!.ref)).sum(1)),
      spectral: spectralNorm(images, z!.ref, { start: v!, iterations: 2 }),
      frobenius: squaredFrobeniusNorm(images, z!, p!),
    };
  };
  /** Every pixel once, scaled so that the mean over projections is the exact sum. */
  const allPixels = {
    shape: [pixels, rows, pixels],
    values: Float32Array.from({ length: pixels * rows * pixels }, (_, i) =>
      Math.floor(i / (rows * pixels)) === i % pixels ? Math.sqrt(pixels) : 0,
    ),
  };
  const inputs = { ...parameters, z: draw('z', rows, latent), v: draw('v', rows, latent), p: allPixels };

  test('the norms are those of the Jacobian by finite differences', async () => {
    const found = await evaluated(norms, inputs);
    const f = ({ z: codes, ...weights }: Record<string, np.Array>) => ({ x: imageFunction(vae, weights)(codes!) });
    const { v: _v, p: _p, ...own } = inputs;
    const images = await compiled(f, own);
    const h = 2e-3;
    const columns: (readonly number[])[] = [];
    for (let l = 0; l < latent; l++) {
      const at = async (by: number) => {
        const values = inputs.z.values.map((value, i) => (i % latent === l ? value + by : value));
        return (await images({ ...own, z: { ...inputs.z, values } }))['x'] as Float32Array;
      };
      const [up, down] = [await at(h), await at(-h)];
      columns.push(Array.from(up, (value, i) => (value - (down[i] as number)) / (2 * h)));
    }
    for (let row = 0; row < rows; row++) {
      const [a, b] = columns.map((column) => column.slice(row * pixels, (row + 1) * pixels)) as [number[], number[]];
      const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
      const total = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0);
      const [trace, determinant] = [dot(a, a) + dot(b, b), dot(a, a) * dot(b, b) - dot(a, b) ** 2];
      const top = Math.sqrt((trace + Math.sqrt(trace ** 2 - 4 * determinant)) / 2);
      expect(Math.abs(found['sum']![row]! - Math.hypot(total(a), total(b)))).toBeLessThan(2e-3);
      expect(found['spectral']![row]!).toBeLessThan(top + 2e-3);
      expect(found['spectral']![row]!).toBeGreaterThan(0.85 * top); // what two iterations miss
      expect(Math.abs(found['frobenius']![row]! - trace)).toBeLessThan(5e-3);
    }
  });

  test('their derivatives with respect to the weights are those by finite differences', async () => {
    const total = ({ z, v, p, ...weights }: Record<string, np.Array>) => {
      const loss = (own: Record<string, np.Array>) => {
        const { sum, spectral, frobenius } = norms({ z: z!.ref, v: v!.ref, p: p!.ref, ...own });
        return sum.sum().add(spectral.sum()).add(frobenius.sum());
      };
      const [value, gradient] = valueAndGrad(loss)(weights);
      return { value, ...gradient };
    };
    const run = await compiled(total, inputs);
    const gradients = await run(inputs);
    const last = Object.keys(specs).findLast((name) => name.endsWith('weight')) as string; // no kink behind it
    const at = async (i: number, by: number) => {
      const { shape, values } = parameters[last] as (typeof parameters)[string];
      const moved = { shape, values: values.with(i, (values[i] as number) + by) };
      return (await run({ ...inputs, [last]: moved }))['value']![0] as number;
    };
    for (const i of [0, 7, 13]) {
      const difference = ((await at(i, 4e-3)) - (await at(i, -4e-3))) / 8e-3;
      expect(Math.abs(gradients[last]![i]! - difference)).toBeLessThan(0.01 * Math.max(1, Math.abs(difference)));
    }
  });
});
