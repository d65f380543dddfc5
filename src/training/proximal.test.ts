import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { float32 } from '../engine/array-spec.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { floatExamples } from './examples.ts';
import type { Objective } from './objective.ts';
import { optimizerOf } from './optimizer.ts';
import { freshState, type TrainingState } from './parameter-slots.ts';
import { proximal } from './proximal.ts';
import { createTrainer, type TrainingOptions } from './trainer.ts';

const KEY = seedKey('proximal');
const SGD = { kind: 'sgd', learningRate: 0.1, momentum: 0 } as const;
const ADAM = { kind: 'adam', learningRate: 0.05, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;

/** Mean over the batch of (w - x)^2 / 2, whose gradient is w - mean(x). */
const QUADRATIC: Objective = {
  label: 'quadratic',
  parameters: { w: float32(1) },
  exampleSize: 1,
  bits: (batchSize) => ({ shape: [batchSize], dtype: 'uint32' }),
  terms: ({ w }, { x, bits }) => {
    bits.dispose();
    return {
      loss: np
        .square((w as np.Array).ref.sub(x))
        .sum(1)
        .mul(0.5),
    };
  },
};
const TWOS = floatExamples(Float32Array.of(2, 2, 2, 2), 1);

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

/** One step an epoch, from `w` or from a state. */
async function trained(from: number | TrainingState, change: Partial<TrainingOptions>, stopAfter?: number) {
  const options = { epochs: 3, batchSize: 4, optimizer: SGD, schedule: { kind: 'constant' }, ...change } as const;
  const trainer = await createTrainer(engine, QUADRATIC, options);
  const start = typeof from === 'number' ? freshState({ w: Float32Array.of(from) }) : from;
  let saved: TrainingState | null = null;
  const end = await trainer.train(
    { examples: TWOS, start, key: KEY },
    {
      onEpoch: (epoch, _, state) => {
        if (epoch === stopAfter) saved = state();
      },
    },
  );
  return { w: end.parameters['w']?.[0] as number, saved: saved as TrainingState | null };
}

describe('the proximal term', () => {
  test('by hand: three steps of gradient descent on (w - 2)^2 / 2 + mu/2 (w - w0)^2 with mu = 3', async () => {
    // w0 = 1; g = (w - 2) + 3 (w - 1): 1 - 0.1 * -1 = 1.1; 1.1 - 0.1 * -0.6 = 1.16; 1.16 - 0.1 * -0.36 = 1.196
    expect((await trained(1, { proximalWeight: 3 })).w).toBeCloseTo(1.196, 6);
  });

  test('pulls to where the round began, not to zero: the minimum is (2 + mu w0) / (1 + mu)', async () => {
    expect((await trained(10, { proximalWeight: 3, epochs: 60 })).w).toBeCloseTo((2 + 3 * 10) / 4, 5);
  });

  test('is inside of the gradient that Adam sees: its first step is a learning rate towards the sum', async () => {
    // From the second step on the pull counts; a slow twin in float64.
    let [w, m, v] = [1, 0, 0];
    for (let t = 1; t <= 3; t++) {
      const g = w - 2 + 3 * (w - 1);
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      w -= (0.05 * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
    }
    expect((await trained(1, { proximalWeight: 3, optimizer: ADAM })).w).toBeCloseTo(w, 5);
  });

  test('of weight 0 is no term at all: the very same optimizer', async () => {
    const plain = optimizerOf(ADAM);
    expect(proximal(plain, 0)).toBe(plain);
    const without = await trained(1, { optimizer: ADAM });
    expect(await trained(1, { optimizer: ADAM, proximalWeight: 0 })).toEqual(without);
    expect((await trained(1, { optimizer: ADAM, proximalWeight: 3 })).w).not.toBe(without.w);
  });

  test('knows its anchor after an interruption: the checkpoint holds it', async () => {
    const change = { optimizer: ADAM, proximalWeight: 3, epochs: 6 };
    const whole = await trained(1, change, 2);
    expect(whole.saved?.memory).toMatchObject({ 'anchor/w': Float32Array.of(1) });
    expect((await trained(whole.saved as TrainingState, change)).w).toBe(whole.w);
  });

  test('of a weight below 0, or of none, is refused', () => {
    for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => proximal(optimizerOf(SGD), weight)).toThrow(SpecError);
    }
  });
});
