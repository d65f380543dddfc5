// Private training small enough to be followed by hand: objectives whose gradients are known, and steps of plain SGD.

import { numpy as np } from '@jax-js/jax';
import { afterAll, beforeAll } from 'vitest';
import { float32, uint32 } from '../src/engine/array-spec.ts';
import { type Engine, openEngine } from '../src/engine/engine.ts';
import { childKey, type Key, seedKey, uniforms } from '../src/engine/keys.ts';
import { dense } from '../src/models/layers.ts';
import type { DpSgdPlan } from '../src/privacy/dp-plan.ts';
import { createDpTrainers, type DpStepOptions } from '../src/privacy/dp-trainer.ts';
import { type Examples, floatExamples } from '../src/training/examples.ts';
import type { Objective } from '../src/training/objective.ts';
import { freshState, type TrainingState } from '../src/training/parameter-slots.ts';
import type { TrainingOptions } from '../src/training/trainer.ts';

/** Root of all randomness here. */
export const KEY = seedKey('private trainer');
const D = 3;

/** |x W + b - x|^2, without noise of its own. */
export const LINEAR: Objective = {
  label: 'linear map',
  parameters: { 'decoder.weight': float32(D, D), 'decoder.bias': float32(D) },
  exampleSize: D,
  bits: (rows) => uint32(rows),
  terms: (parameters, { x, bits }, observe) => {
    bits.dispose();
    return { loss: np.square(dense(parameters, 'decoder', x.ref, observe).sub(x)).sum(1) };
  },
};
/** Where `trained` starts by default. */
export const START = freshState({
  'decoder.weight': new Float32Array(D * D).fill(0.1),
  'decoder.bias': new Float32Array(D),
});

/** The sum of outputs times a factor: for x = e the gradient of every weight is that factor, whatever the weights. */
export function slope(factor: number, outputs: number): Objective {
  return {
    label: 'slope',
    parameters: { 'decoder.weight': float32(1, outputs), 'decoder.bias': float32(outputs) },
    exampleSize: 1,
    bits: (rows) => uint32(rows),
    terms: (parameters, { x, bits }, observe) => {
      bits.dispose();
      return { loss: dense(parameters, 'decoder', x, observe).sum(1).mul(factor) };
    },
  };
}

/** Fixed clipping to 1, seeded. */
export const STEP: DpStepOptions = {
  clipping: 'fixed',
  clipNorm: 1,
  quantile: 0.5,
  mode: 'full',
  noise: 'seeded',
  averaging: null,
  physicalBatch: null,
};

/** Plain SGD at rate 1, so that a step is the negative noisy mean. */
export function training(batchSize: number, more: Partial<TrainingOptions> = {}): TrainingOptions {
  return {
    epochs: 1,
    batchSize,
    optimizer: { kind: 'sgd', learningRate: 1, momentum: 0 },
    schedule: { kind: 'constant' },
    ...more,
  };
}

/** One step an epoch, noise multiplier 1. */
export function plan(samplingRate: number, expectedBatch: number, more: Partial<DpSgdPlan> = {}): DpSgdPlan {
  return { samplingRate, expectedBatch, stepsPerEpoch: 1, noiseMultiplier: 1, steps: 1000, ...more };
}

/** Uniform values. */
export function examples(count: number, size = D): Examples {
  return floatExamples(Float32Array.from(uniforms(childKey(KEY, 'x'), count * size)), size);
}

/** An engine for the tests of a file. Call it outside of tests. */
export function sharedEngine(): () => Engine {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ executor: 'onnxruntime' });
  });
  afterAll(() => engine.close());
  return () => engine;
}

/** Trains `objective` privately on `data`. */
export async function trained(
  engine: Engine,
  objective: Objective,
  setup: { plan: DpSgdPlan; options?: Partial<DpStepOptions>; training?: TrainingOptions; start?: TrainingState },
  data: Examples,
  key: Key = KEY,
) {
  const options = setup.training ?? training(setup.plan.expectedBatch);
  const trainers = await createDpTrainers(engine, objective, options, { ...STEP, ...setup.options });
  return trainers(setup.plan).train({ examples: data, start: setup.start ?? START, key });
}

/** Where a slope with so many outputs starts. */
export function zeros(outputs: number): TrainingState {
  return freshState({ 'decoder.weight': new Float32Array(outputs), 'decoder.bias': new Float32Array(outputs) });
}

/** All parameters, in a row. */
export const values = (state: TrainingState) => Object.values(state.parameters).flatMap((array) => [...array]);
/** Root mean square. */
export const std = (numbers: readonly number[]) =>
  Math.sqrt(numbers.reduce((sum, v) => sum + v * v, 0) / numbers.length);
