import { grad, numpy as np, vmap } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTwins, runOn, type Twins } from '../../test/twins.ts';
import { allocate, float32, sizeOf } from '../engine/array-spec.ts';
import { gaussianBits } from '../engine/gaussian.ts';
import { childKey, fillBits, type Key, seedKey, uniforms } from '../engine/keys.ts';
import { LoweringError } from '../errors.ts';
import type { Architecture } from '../models/architecture.ts';
import { dense } from '../models/layers.ts';
import { conditionalVaeOf } from '../models/conditional-vae.ts';
import { vaeOf } from '../models/vae.ts';
import { conditionalVaeObjective } from '../training/conditional-vae-objective.ts';
import type { Objective } from '../training/objective.ts';
import { vaeObjective } from '../training/vae-objective.ts';
import { type ClippingRule, clippedGradients } from './clipped-gradients.ts';

const KEY = seedKey('clipped gradients');
type Arrays = Record<string, np.Array>;
type Inputs = { parameters: Arrays; x: np.Array; bits: np.Array; mask: np.Array };

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

const ALL: ClippingRule['isProtected'] = () => true;

function clipTo(clipNorm: number, more: Partial<ClippingRule> = {}): ClippingRule {
  const factors = (squares: np.Array) => np.minimum(np.reciprocal(np.sqrt(squares)).mul(clipNorm), 1);
  return { isProtected: ALL, others: 'none', factors, ...more };
}

/** Random values in a small model's usual range. */
function drawn(key: Key, objective: Objective, rows: number) {
  const parameters = Object.fromEntries(
    Object.entries(objective.parameters).map(([name, spec]) => {
      const values = uniforms(childKey(key, name), sizeOf(spec));
      return [`parameters.${name}`, Float32Array.from(values, (u) => 0.8 * (u - 0.5))];
    }),
  );
  const x = Float32Array.from(uniforms(childKey(key, 'x'), rows * objective.exampleSize));
  const bits = fillBits(childKey(key, 'bits'), allocate(objective.bits(rows)) as Uint32Array);
  return { ...parameters, x, bits };
}

function specsOf(objective: Objective, rows: number) {
  return {
    parameters: objective.parameters,
    x: float32(rows, objective.exampleSize),
    bits: objective.bits(rows),
    mask: float32(rows),
  };
}

async function clipped(objective: Objective, inputs: Record<string, Float32Array | Uint32Array>, rule: ClippingRule) {
  const rows = (inputs['mask'] as Float32Array).length;
  const f = (given: Inputs) => ({ ...clippedGradients(objective, given, rule) });
  return runOn(twins.native, 'clipped', { f, specs: specsOf(objective, rows), inputs });
}

/** The slow twin: every example's gradient in full, by vmap(grad) on the other executor; parameter by parameter. */
async function oneByOne(objective: Objective, inputs: Record<string, Float32Array | Uint32Array>, rows: number) {
  const latent = (objective.bits(1).shape[2] ?? 1) as number;
  const f = ({ parameters, x, bits }: Inputs) => {
    const lossOfOne = (p: Arrays, row: np.Array, own: np.Array) =>
      objective.terms(p, { x: row.reshape([1, objective.exampleSize]), bits: own.reshape([2, 1, latent]) }).loss.sum();
    const each = vmap(grad(lossOfOne), [null, 0, 1] as never) as unknown as (
      p: Arrays,
      x: np.Array,
      bits: np.Array,
    ) => Arrays;
    return { gradients: each(parameters, x, bits) };
  };
  const { mask: _, ...specs } = specsOf(objective, rows);
  const { mask: __, ...given } = inputs;
  const outputs = await runOn(twins.wasm, 'one by one', { f: f as never, specs, inputs: given as never });
  return Object.fromEntries(
    Object.keys(objective.parameters).map((name) => {
      const whole = outputs[`gradients.${name}`] as Float32Array;
      const size = whole.length / rows;
      return [name, Array.from({ length: rows }, (_x, i) => whole.subarray(i * size, (i + 1) * size))];
    }),
  );
}

const norm = (vectors: readonly Float32Array[]) =>
  Math.sqrt(vectors.reduce((sum, vector) => sum + vector.reduce((s, v) => s + v * v, 0), 0));

const IMAGES: Record<string, { channels: number; height: number; width: number }> = {
  small: { channels: 1, height: 8, width: 8 },
  colour: { channels: 3, height: 16, width: 8 },
};

/** Random architectures from a fixed key. */
function randomArchitecture(i: number): { architecture: Architecture; image: string } {
  const u = uniforms(childKey(KEY, 'architecture', i), 6);
  const between = (j: number, low: number, high: number) => low + Math.floor((u[j] as number) * (high - low + 1));
  const latent = between(0, 1, 5);
  const depth = between(1, 1, 3);
  const image = between(2, 0, 1) === 0 ? 'small' : 'colour';
  const widths = Array.from({ length: depth }, (_, j) => between(3 + j, 1, 9));
  return i % 2 === 0
    ? { architecture: { kind: 'mlp', hidden: widths, latent }, image }
    : { architecture: { kind: 'conv', channels: widths.slice(0, 2), latent }, image };
}

/** Expects the fast path to give what clipping each example's own gradient gives; some are clipped, some are not. */
async function expectOneByOne(objective: Objective, key: Key) {
  const rows = 5;
  const mask = Float32Array.of(1, 1, 0, 1, 1);
  const inputs = { ...drawn(key, objective, rows), mask };
  const single = await oneByOne(objective, inputs, rows);
  const names = Object.keys(objective.parameters);
  const norms = mask.map((_, row) => norm(names.map((name) => single[name]?.[row] as Float32Array)));
  const clipNorm = norms.toSorted()[2] as number; // some are clipped, some are not
  const found = await clipped(objective, inputs, clipTo(clipNorm));
  const squares = found['squaredNorms'] as Float32Array;
  for (const [row, n] of norms.entries())
    expect(Math.abs(Math.sqrt(squares[row] as number) - n)).toBeLessThan(1e-5 * n);
  for (const name of names) {
    const sum = found[`gradients.${name}`] as Float32Array;
    const wanted = sum.map((_, at) =>
      norms.reduce((total, n, row) => {
        const factor = Math.min(1, clipNorm / n) * (mask[row] as number);
        const own = single[name]?.[row] as Float32Array;
        return total + factor * (own[at] as number);
      }, 0),
    );
    const error = norm([sum.map((v, at) => v - (wanted[at] as number))]);
    expect(error, name).toBeLessThan(2e-4 * Math.max(norm([wanted]), 1e-3));
  }
}

describe('the sum of clipped gradients', () => {
  test.each(Array.from({ length: 8 }, (_, i) => ({ i, ...randomArchitecture(i) })))(
    'is that of gradients taken one by one: $architecture on $image images',
    async ({ i, architecture, image }) => {
      const vae = vaeOf(architecture, IMAGES[image] as never);
      const objective = vaeObjective('VAE', vae, { reconstruction: i % 4 < 2 ? 'mse' : 'bernoulli', klWeight: 0.7 });
      await expectOneByOne(objective, childKey(KEY, 'run', i));
    },
  );

  test.each([
    ['dense', { kind: 'mlp', hidden: [6, 5], latent: 3 }, { kind: 'flow', hidden: [5, 4], steps: 2 }],
    ['convolutional', { kind: 'conv', channels: [2, 3], latent: 2 }, { kind: 'flow', hidden: [5], steps: 2 }],
    ['convolutional, normal prior', { kind: 'conv', channels: [3], latent: 2 }, { kind: 'normal' }],
  ] as const)(
    'is that of gradients taken one by one for a conditional model: %s',
    async (name, architecture, prior) => {
      const vae = conditionalVaeOf(architecture, { shape: IMAGES['small'] as never, classes: 3, prior });
      const objective = conditionalVaeObjective('VAE', vae, { reconstruction: 'bernoulli', klWeight: 0.7 });
      await expectOneByOne(objective, childKey(KEY, 'conditional', name));
    },
  );
});

const OBJECTIVE = vaeObjective('VAE', vaeOf({ kind: 'mlp', hidden: [6], latent: 2 }, IMAGES['small'] as never), {
  reconstruction: 'mse',
  klWeight: 1,
});

describe('clipped gradients', () => {
  test('of a batch in which every row is padding are zero', async () => {
    const inputs = { ...drawn(KEY, OBJECTIVE, 3), mask: new Float32Array(3) };
    const found = await clipped(OBJECTIVE, inputs, clipTo(1));
    for (const name of Object.keys(OBJECTIVE.parameters)) {
      expect(Math.max(...(found[`gradients.${name}`] as Float32Array).map(Math.abs))).toBe(0);
    }
  });

  test('without clipping and noise are the gradient of the summed loss', async () => {
    const rows = 4;
    const inputs = { ...drawn(KEY, OBJECTIVE, rows), mask: new Float32Array(rows).fill(1) };
    const found = await clipped(OBJECTIVE, inputs, clipTo(Infinity));
    const f = ({ parameters, x, bits }: Inputs) => ({
      gradients: grad((p: Arrays) => OBJECTIVE.terms(p, { x, bits }).loss.sum())(parameters),
    });
    const { mask: _, ...specs } = specsOf(OBJECTIVE, rows);
    const { mask: __, ...given } = inputs;
    const plain = await runOn(twins.native, 'plain', { f: f as never, specs, inputs: given });
    for (const name of Object.keys(OBJECTIVE.parameters)) {
      const wanted = plain[`gradients.${name}`] as Float32Array;
      const sum = found[`gradients.${name}`] as Float32Array;
      expect(norm([sum.map((v, i) => v - (wanted[i] as number))])).toBeLessThan(1e-5 * norm([wanted]));
    }
  });

  test('differ by at most the clip norm when one example goes, however large its gradient', async () => {
    const rows = 6;
    const clipNorm = 0.5;
    const inputs = drawn(KEY, OBJECTIVE, rows);
    const huge = inputs.x.map((v, i) => (i < OBJECTIVE.exampleSize ? v * 1e4 : v));
    const whole = await clipped(
      OBJECTIVE,
      { ...inputs, x: huge, mask: new Float32Array(rows).fill(1) },
      clipTo(clipNorm),
    );
    for (let gone = 0; gone < rows; gone++) {
      const mask = new Float32Array(rows).fill(1);
      mask[gone] = 0;
      const rest = await clipped(OBJECTIVE, { ...inputs, x: huge, mask }, clipTo(clipNorm));
      const difference = Object.keys(OBJECTIVE.parameters).map((name) => {
        const other = rest[`gradients.${name}`] as Float32Array;
        return (whole[`gradients.${name}`] as Float32Array).map((v, i) => v - (other[i] as number));
      });
      expect(norm(difference)).toBeLessThan(clipNorm * (1 + 1e-4));
    }
  });

  test('of one example do not depend on another, bit by bit', async () => {
    const rows = 3;
    const inputs = drawn(KEY, OBJECTIVE, rows);
    const mask = Float32Array.of(1, 0, 0);
    const other = inputs.x.map((v, i) => (i < OBJECTIVE.exampleSize ? v : 1 - v));
    const before = await clipped(OBJECTIVE, { ...inputs, mask }, clipTo(1));
    const after = await clipped(OBJECTIVE, { ...inputs, x: other, mask }, clipTo(1));
    for (const name of Object.keys(OBJECTIVE.parameters)) {
      expect(after[`gradients.${name}`]).toEqual(before[`gradients.${name}`]);
    }
  });

  test('take norms over the protected parameters alone, and leave the others as they are', async () => {
    const rows = 4;
    const inputs = { ...drawn(KEY, OBJECTIVE, rows), mask: new Float32Array(rows).fill(1) };
    const isProtected = (name: string) => name.startsWith('decoder.');
    const part = await clipped(OBJECTIVE, inputs, clipTo(1e-3, { isProtected, others: 'plain' }));
    const plain = await clipped(OBJECTIVE, inputs, clipTo(Infinity));
    const of = (arrays: typeof part, prefix: string) =>
      Object.keys(OBJECTIVE.parameters)
        .filter((name) => name.startsWith(prefix))
        .map((name) => arrays[`gradients.${name}`] as Float32Array);
    expect(of(part, 'encoder.')).toEqual(of(plain, 'encoder.'));
    expect(norm(of(part, 'decoder.'))).toBeLessThanOrEqual(4e-3 * (1 + 1e-5));
    const alone = await clipped(OBJECTIVE, inputs, clipTo(1e-3, { isProtected, others: 'none' }));
    expect(Object.keys(alone).some((name) => name.startsWith('gradients.encoder.'))).toBe(false);
  });

  test.each([
    ['a parameter that no layer uses', { spare: float32(2) }, 1],
    ['a layer that is used twice', {}, 2],
  ])('are refused for %s', async (_, more, uses) => {
    const objective: Objective = {
      label: 'odd',
      parameters: { 'a.weight': float32(3, 3), 'a.bias': float32(3), ...more },
      exampleSize: 3,
      bits: (rows) => gaussianBits(rows, 1),
      terms: (parameters, { x }, observe) => {
        let h = x;
        for (let i = 0; i < uses; i++) h = dense(parameters, 'a', h, observe);
        return { loss: h.sum(1) };
      },
    };
    const inputs = { ...drawn(KEY, objective, 2), mask: Float32Array.of(1, 1) };
    await expect(clipped(objective, inputs, clipTo(1))).rejects.toThrow(LoweringError);
  });
});
