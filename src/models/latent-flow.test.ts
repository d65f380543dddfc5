import type { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectTwins, openTwins, runOn, type Twins } from '../../test/twins.ts';
import { float32, sizeOf } from '../engine/array-spec.ts';
import { normals, seedKey } from '../engine/keys.ts';
import { initialParameters } from './initialise.ts';
import { latentFlow } from './latent-flow.ts';
import { parameterInputs } from './layers.ts';

const KEY = seedKey('latent-flow');

let twins: Twins;
beforeAll(async () => {
  twins = await openTwins();
});
afterAll(async () => {
  await twins.native.close();
  await twins.wasm.close();
});

type Inputs = { parameters: Record<string, np.Array> } & Record<'z' | 'e' | 'time' | 'y', np.Array>;

/** v = 2 u + 3 t + (5 in class 0, 7 in class 1): a flow without hidden layers, in one dimension. */
const LINEAR = latentFlow({ hidden: [], steps: 2 }, 1, 2);
const LINEAR_VALUES = {
  'decoder.prior.0.weight': Float32Array.of(2),
  'decoder.prior.0.bias': Float32Array.of(0),
  'decoder.prior.time.weight': Float32Array.of(3),
  'decoder.prior.time.bias': Float32Array.of(0),
  'decoder.prior.class.weight': Float32Array.of(5, 7),
  'decoder.prior.class.bias': Float32Array.of(0),
};

test('two Euler steps by hand', async () => {
  const found = await expectTwins(twins, 'carry', {
    f: (({ parameters, e, y }: Inputs) => ({ z: LINEAR.carry(parameters, e, y) })) as never,
    specs: { parameters: LINEAR.parameters, e: float32(2, 1), y: float32(2, 2) },
    inputs: { ...parameterInputs(LINEAR_VALUES), e: Float32Array.of(1, 1), y: Float32Array.of(1, 0, 0, 1) },
  });
  // class 0: 1 + (2 + 0 + 5) / 2 = 4.5, then 4.5 + (9 + 1.5 + 5) / 2 = 12.25; class 1: 5.5, then 5.5 + (11 + 1.5 + 7) / 2
  expect([...(found['z'] as Float32Array)]).toEqual([12.25, 15.25]);
});

const lossCase = (flow: typeof LINEAR, B: number) => ({
  f: (({ parameters, ...example }: Inputs) => ({ loss: flow.loss(parameters, example) })) as never,
  specs: {
    parameters: flow.parameters,
    z: float32(B, (flow.parameters['decoder.prior.0.weight']?.shape[0] ?? 0) as number),
    e: float32(B, (flow.parameters['decoder.prior.0.weight']?.shape[0] ?? 0) as number),
    time: float32(B, 1),
    y: float32(B, (flow.parameters['decoder.prior.class.weight']?.shape[0] ?? 0) as number),
  },
});

test('the loss by hand: half way from e = 1 to z = 3 in class 1', async () => {
  const { loss } = await expectTwins(twins, 'loss', {
    ...lossCase(LINEAR, 1),
    inputs: {
      ...parameterInputs(LINEAR_VALUES),
      z: Float32Array.of(3),
      e: Float32Array.of(1),
      time: Float32Array.of(0), // t = 1/2, u = 2
      y: Float32Array.of(0, 1),
    },
  });
  expect(loss?.[0]).toBeCloseTo((2 * 2 + 3 / 2 + 7 - 2) ** 2, 3);
});

test('the loss is the sum over dimensions that plain loops give', async () => {
  const [B, L, C, H] = [4, 3, 2, 5] as const;
  const flow = latentFlow({ hidden: [H], steps: 3 }, L, C);
  const values = initialParameters(flow.parameters, KEY);
  const inputs = {
    z: normals(seedKey('z'), B * L),
    e: normals(seedKey('e'), B * L),
    time: normals(seedKey('t'), B),
    y: Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1),
  };
  const { loss } = await runOn(twins.native, 'loss', {
    ...lossCase(flow, B),
    inputs: { ...parameterInputs(values), ...inputs },
  });
  const of = (name: string, at: number) => values[`decoder.prior.${name}`]?.[at] as number;
  for (let b = 0; b < B; b++) {
    const t = 1 / (1 + Math.exp(-(inputs.time[b] as number)));
    const z = [...inputs.z.subarray(b * L, (b + 1) * L)];
    const e = [...inputs.e.subarray(b * L, (b + 1) * L)];
    const hidden = Array.from({ length: H }, (_, h) => {
      let sum = of('0.bias', h) + of('time.bias', h) + of('class.bias', h) + t * of('time.weight', h);
      for (let l = 0; l < L; l++) sum += ((1 - t) * e[l]! + t * z[l]!) * of('0.weight', l * H + h);
      for (let c = 0; c < C; c++) sum += (inputs.y[b * C + c] as number) * of('class.weight', c * H + h);
      return Math.max(sum, 0);
    });
    const wanted = z.reduce((total, code, l) => {
      const v = hidden.reduce((sum, a, h) => sum + a * of('1.weight', h * L + l), of('1.bias', l));
      return total + (v - (code - e[l]!)) ** 2;
    }, 0);
    expect(loss?.[b]).toBeCloseTo(wanted, 4);
  }
});

test('every parameter belongs to the generator, and has the size that its layer says', () => {
  const { parameters } = latentFlow({ hidden: [8, 6], steps: 5 }, 3, 10);
  expect(Object.keys(parameters).every((name) => name.startsWith('decoder.prior.'))).toBe(true);
  const total = Object.values(parameters).reduce((sum, spec) => sum + sizeOf(spec), 0);
  expect(total).toBe(3 * 8 + 8 + (8 * 6 + 6) + (6 * 3 + 3) + (8 + 8) + (10 * 8 + 8));
});
