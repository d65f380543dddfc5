import { createHash } from 'node:crypto';
import { type numpy as np, valueAndGrad } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alignedLength, createArena } from '../src/engine/arena.ts';
import { allocate, float32, sizeOf } from '../src/engine/array-spec.ts';
import { type Engine, openEngine } from '../src/engine/engine.ts';
import { gaussianBits } from '../src/engine/gaussian.ts';
import { childKey, fillBits, normals, seedKey, uniforms } from '../src/engine/keys.ts';
import { compileSweep } from '../src/engine/sweep.ts';
import type { Architecture } from '../src/models/architecture.ts';
import { negativeElbo } from '../src/models/elbo.ts';
import { initialParameters } from '../src/models/initialise.ts';
import { vaeOf } from '../src/models/vae.ts';
import { optimizerOf } from '../src/training/optimizer.ts';
import { expectClose, openTwins, type Twins } from './twins.ts';

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(() => twins.native.close());

interface Model {
  readonly architecture: Architecture;
  readonly reconstruction: 'mse' | 'bernoulli';
  /** Height and width of the images. */
  readonly side: number;
  /** B */
  readonly batch: number;
}

const mlp: Architecture = { kind: 'mlp', hidden: [24, 16, 12], latent: 2 };
const conv: Architecture = { kind: 'conv', channels: [3, 4], latent: 2 };
const MODELS: readonly [string, Model][] = (['mse', 'bernoulli'] as const).flatMap(
  (reconstruction): [string, Model][] => [
    [`dense, ${reconstruction}`, { architecture: mlp, reconstruction, side: 6, batch: 5 }],
    [`convolutional, ${reconstruction}`, { architecture: conv, reconstruction, side: 8, batch: 3 }],
  ],
);

type Arrays = Record<string, Float32Array>;

/** One flat layout for parameters, so that a direction is one vector. */
function layoutOf(model: Model) {
  const { architecture, side } = model;
  const vae = vaeOf(architecture, { channels: 1, height: side, width: side });
  let length = 0;
  const places = Object.entries(vae.parameters).map(([name, spec]) => {
    const place = { name, start: length, end: length + sizeOf(spec) };
    length += alignedLength(sizeOf(spec));
    return place;
  });
  const named = (whole: Float32Array): Arrays =>
    Object.fromEntries(places.map(({ name, start, end }) => [name, whole.subarray(start, end)]));
  return { vae, length, named };
}

/** Loss and gradients as a program, bound to flat vectors. */
async function stepOf(engine: Engine, model: Model, parameters: Float32Array, gradients: Float32Array) {
  const { vae, named } = layoutOf(model);
  const { batch, reconstruction } = model;
  const step = ({ p, x, bits }: { p: Record<string, np.Array>; x: np.Array; bits: np.Array }) => {
    const lossOf = (q: Record<string, np.Array>) =>
      negativeElbo(vae, q, { x, bits }, { reconstruction, klWeight: 0.5 }).loss.mean();
    const [loss, gradient] = valueAndGrad(lossOf)(p);
    return { loss, gradient };
  };
  const specs = { p: vae.parameters, x: float32(batch, vae.pixels), bits: gaussianBits(batch, vae.latent) };
  const program = await engine.compile('vae step', step, specs);
  const x = new Float32Array(batch * vae.pixels);
  const bits = allocate(specs.bits) as Uint32Array;
  const loss = new Float32Array(1);
  const prefixed = (prefix: string, arrays: Arrays) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [prefix + name, array]));
  const run = program.bind(
    { ...prefixed('p.', named(parameters)), x, bits },
    { ...prefixed('gradient.', named(gradients)), loss },
  );
  const key = seedKey('training step');
  return async (batchNumber: number) => {
    x.set(uniforms(childKey(key, 'x', batchNumber), x.length).map((u) => u ** 4)); // mostly dark, as digits are
    fillBits(childKey(key, 'bits', batchNumber), bits);
    await run();
    return loss[0] as number;
  };
}

function start(model: Model, parameters: Float32Array): void {
  const { vae, named } = layoutOf(model);
  const values = initialParameters(vae.parameters, childKey(seedKey('training step'), 'init'));
  for (const [name, slot] of Object.entries(named(parameters))) slot.set(values[name] as Float32Array);
}

describe.each(MODELS)('a training step of a variational autoencoder (%s)', (_, model) => {
  it('has the same loss and gradients on both executors', async () => {
    const { length, named } = layoutOf(model);
    const results = [];
    for (const engine of [twins.native, twins.wasm]) {
      const [parameters, gradients] = [new Float32Array(length), new Float32Array(length)];
      start(model, parameters);
      results.push({
        loss: await (await stepOf(engine, model, parameters, gradients))(0),
        gradients: named(gradients),
      });
    }
    const [native, wasm] = results as [(typeof results)[0], (typeof results)[0]];
    expect(native.loss).toBeGreaterThan(1);
    expectClose('loss', Float32Array.of(native.loss), Float32Array.of(wasm.loss), { relative: 1e-4 });
    for (const [name, gradient] of Object.entries(native.gradients)) {
      expect(
        gradient.some((value) => value !== 0),
        name,
      ).toBe(true);
      expectClose(name, gradient, wasm.gradients[name], { relative: 1e-4, absolute: 2e-5 });
    }
  });

  it('has the gradient that finite differences of its loss find', async () => {
    const { length } = layoutOf(model);
    const [parameters, gradients] = [new Float32Array(length), new Float32Array(length)];
    const step = await stepOf(twins.native, model, parameters, gradients);
    start(model, parameters);
    const origin = parameters.slice();
    await step(0);
    const gradient = Float64Array.from(gradients);
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    for (const name of ['first', 'second', 'third', 'fourth']) {
      const direction = normals(childKey(seedKey('directions'), name), length);
      const lossAt = async (h: number) => {
        parameters.set(origin.map((value, i) => value + h * (direction[i] as number)));
        return step(0);
      };
      // Central differences with h = 2^-11 along standard normal directions, which change every parameter by about 5e-4.
      // A loss of 10 to 50 in float32 is right to about 2e-6, so the quotient to 2e-6 / h = 4e-3; corners of ReLUs inside
      // [-h, h] and the third derivative add about as much (h = 2^-9 is 16 times worse, 2^-12 no better). The slope
      // itself is of the size of the gradient's norm, here 1 to 20: the bound is 1 % of it.
      const h = 2 ** -11;
      const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
      const wanted = gradient.reduce((sum, g, i) => sum + g * (direction[i] as number), 0);
      expect(norm).toBeGreaterThan(1);
      expect(Math.abs(slope - wanted), `${name}: ${slope} beside ${wanted}`).toBeLessThan(0.01 * norm);
    }
  });

  it('trains by fifty sweeps of Adam to the same losses on both executors', async () => {
    const { length } = layoutOf(model);
    const optimizer = optimizerOf({ kind: 'adam', learningRate: 3e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    const vectors = ['parameter', 'gradient', ...optimizer.memory];
    const sweep = compileSweep('adam', optimizer.update as never, { vectors, scalars: optimizer.scalars });
    const train = async (engine: Engine) => {
      const arena = createArena(Object.fromEntries(vectors.map((name) => [name, length])));
      start(model, arena.vector('parameter'));
      const step = await stepOf(engine, model, arena.vector('parameter'), arena.vector('gradient'));
      const update = sweep.bind(arena, {}, {});
      const losses: number[] = [];
      for (let i = 1; i <= 50; i++) {
        losses.push(await step(i));
        update(optimizer.scalarsAt(i, 3e-3));
      }
      return losses;
    };
    const [native, wasm] = [await train(twins.native), await train(twins.wasm)];
    expectClose('losses', Float64Array.from(native), Float64Array.from(wasm), { relative: 1e-4 });
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(native.slice(-10))).toBeLessThan(mean(native.slice(0, 10)));
  });
});

describe('a training step on ONNX Runtime', () => {
  const model: Model = {
    architecture: { kind: 'mlp', hidden: [64, 32], latent: 3 },
    reconstruction: 'bernoulli',
    side: 28,
    batch: 32,
  };

  /** Gradients of several runs with so many threads, as one array and one hash per run. */
  async function gradientsWith(threads: number) {
    const engine = await openEngine({ executor: 'onnxruntime', threads });
    const { length } = layoutOf(model);
    const [parameters, gradients] = [new Float32Array(length), new Float32Array(length)];
    start(model, parameters);
    const step = await stepOf(engine, model, parameters, gradients);
    const hashes = [];
    for (let run = 0; run < 4; run++) {
      gradients.fill(NaN);
      await step(0);
      hashes.push(createHash('sha256').update(Buffer.from(gradients.slice().buffer)).digest('hex'));
    }
    await engine.close();
    return { gradients: gradients.map((g) => (Number.isNaN(g) ? 0 : g)), hashes }; // NaN between vectors: never written
  }

  it('repeats bit by bit with the same number of threads, but only to rounding with another', async () => {
    const [one, again, two] = [await gradientsWith(1), await gradientsWith(1), await gradientsWith(2)];
    expect(new Set([...one.hashes, ...again.hashes]).size).toBe(1);
    expect(new Set(two.hashes).size).toBe(1);
    expectClose('gradients', two.gradients, one.gradients, { relative: 1e-4, absolute: 1e-5 });
  });
});
