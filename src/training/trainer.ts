// The one training loop, for silos and for the server: gradients from the engine, one sweep of the optimizer, repeat.

import { type numpy as np, valueAndGrad } from '@jax-js/jax';
import { alignedLength, type Arena, createArena } from '../engine/arena.ts';
import { allocate, type ArraySpec, float32, sizeOf } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, fillBits, type Key } from '../engine/keys.ts';
import type { BoundRun } from '../engine/program.ts';
import { compileSweep } from '../engine/sweep.ts';
import { AbortedError, NumericalError, ShapeError } from '../errors.ts';
import { epochBatches, stepsPerEpoch } from './epoch-order.ts';
import type { Examples } from './examples.ts';
import { optimizerOf, type OptimizerOptions } from './optimizer.ts';
import { rateFactor, type ScheduleOptions } from './schedule.ts';

/** What is minimised: a traced function of parameters, a batch of examples and random bits. */
export interface Objective {
  /** For messages. */
  readonly label: string;
  readonly parameters: Readonly<Record<string, ArraySpec>>;
  /** D of the examples it takes. */
  readonly exampleSize: number;
  /** Random bits one batch needs. */
  bits(batchSize: number): ArraySpec;
  /** Scalars averaged over the batch; `loss` is minimised, the others are reported. */
  terms(
    parameters: Readonly<Record<string, np.Array>>,
    batch: { readonly x: np.Array; readonly bits: np.Array },
  ): { readonly loss: np.Array } & Readonly<Record<string, np.Array>>;
}

export interface TrainingOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: ScheduleOptions;
}

/** Named arrays: parameters, and the optimizer's memory under `<memory>/<parameter>`. */
export type NamedArrays = Readonly<Record<string, Float32Array>>;

/** Where training stands between two epochs; enough to go on as if nothing had happened. */
export interface TrainingState {
  readonly parameters: NamedArrays;
  /** Empty before the first step: all zeros. */
  readonly memory: NamedArrays;
  readonly epochsDone: number;
}

/** Terms of the objective, averaged over the steps of an epoch. */
export type EpochTerms = Readonly<Record<string, number>>;

export interface TrainingHooks {
  readonly signal?: AbortSignal | undefined;
  /** After every step; must be quick. */
  readonly onStep?: (progress: { step: number; steps: number; epoch: number; loss: number }) => void;
  /** After every epoch, counted from 1; `state` copies where training stands. */
  readonly onEpoch?: (epoch: number, terms: EpochTerms, state: () => TrainingState) => Promise<void> | void;
}

/** A compiled training step with its memory. Not re-entrant: one `train` at a time. */
export interface Trainer {
  /**
   * Trains from `start` until `options.epochs` epochs are done, and returns the final state and the last epoch's terms.
   * The same key, state and examples give the same result bit by bit. Throws NumericalError when the loss is no longer
   * finite, AbortedError when the signal fires (between two steps).
   */
  train(job: { examples: Examples; start: TrainingState; key: Key }, hooks?: TrainingHooks): Promise<TrainingState>;
}

/** Compiles the step of `objective` under `options`. */
export async function createTrainer(engine: Engine, objective: Objective, options: TrainingOptions): Promise<Trainer> {
  const { batchSize } = options;
  const optimizer = optimizerOf(options.optimizer);
  const bitsSpec = objective.bits(batchSize);
  const program = await engine.compile(`${objective.label} step`, stepOf(objective), {
    parameters: objective.parameters,
    x: float32(batchSize, objective.exampleSize),
    bits: bitsSpec,
  });
  const layout = layoutOf(objective.parameters);
  const vectors = ['parameter', 'gradient', ...optimizer.memory];
  const arena = createArena({
    ...Object.fromEntries(vectors.map((name) => [name, layout.length])),
    x: batchSize * objective.exampleSize,
  });
  const sweep = compileSweep(`${options.optimizer.kind} update`, optimizer.update as never, {
    vectors,
    scalars: optimizer.scalars,
  }).bind(arena, {}, {});
  const x = arena.vector('x');
  const bits = allocate(bitsSpec) as Uint32Array;
  const scalars = Object.fromEntries(
    program.outputs
      .filter(({ name }) => !name.startsWith('gradients.'))
      .map((spec) => [spec.name, new Float32Array(1)]),
  );
  const run: BoundRun = program.bind(
    { ...prefixed('parameters.', layout.named(arena, 'parameter')), x, bits },
    { ...prefixed('gradients.', layout.named(arena, 'gradient')), ...scalars },
  );
  const slots = { parameters: layout.named(arena, 'parameter'), memory: memoryOf(layout, arena, optimizer.memory) };

  return {
    async train({ examples, start, key }, hooks = {}) {
      checkExamples(examples, objective);
      restore(slots, start);
      const steps = stepsPerEpoch(examples.count, batchSize);
      let last: TrainingState = start;
      for (let epoch = start.epochsDone; epoch < options.epochs; epoch++) {
        const epochKey = childKey(key, `epoch-${epoch + 1}`);
        const sums = Object.fromEntries(Object.keys(scalars).map((name) => [name, 0]));
        for (const [i, rows] of epochBatches(epochKey, examples.count, batchSize).entries()) {
          if (hooks.signal?.aborted) throw new AbortedError(`${objective.label}: stopped in epoch ${epoch + 1}.`);
          const step = epoch * steps + i + 1;
          examples.read(rows, x);
          fillBits(childKey(epochKey, 'noise', i), bits);
          await run();
          const loss = scalars['loss']?.[0] as number;
          if (!Number.isFinite(loss)) throw notFinite(objective, { loss, step, key: epochKey.path });
          const rate = options.optimizer.learningRate * rateFactor(options.schedule, step, steps * options.epochs);
          sweep(optimizer.scalarsAt(step, rate));
          for (const name of Object.keys(sums)) sums[name] = (sums[name] as number) + (scalars[name]?.[0] as number);
          hooks.onStep?.({ step, steps: steps * options.epochs, epoch: epoch + 1, loss });
        }
        const terms = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / steps]));
        const state = () => snapshot(slots, epoch + 1);
        if (epoch + 1 === options.epochs) last = state();
        await hooks.onEpoch?.(epoch + 1, terms, state);
      }
      return last;
    },
  };
}

/** A state before any training. */
export function freshState(parameters: NamedArrays): TrainingState {
  return { parameters, memory: {}, epochsDone: 0 };
}

// --- internal ---

interface Slots {
  readonly parameters: NamedArrays;
  readonly memory: NamedArrays;
}

/** Where each parameter lies in one flat vector, each on a 64-byte border. */
interface Layout {
  readonly length: number;
  named(arena: Arena, vector: string): NamedArrays;
}

function stepOf(objective: Objective) {
  type Inputs = { parameters: Record<string, np.Array>; x: np.Array; bits: np.Array };
  return ({ parameters, x, bits }: Inputs) => {
    const lossOf = (p: Record<string, np.Array>) => {
      const { loss, ...others } = objective.terms(p, { x, bits });
      return [loss, others] as [np.Array, Record<string, np.Array>];
    };
    const [[loss, others], gradients] = valueAndGrad(lossOf, { hasAux: true })(parameters);
    return { loss, ...others, gradients };
  };
}

function layoutOf(specs: Readonly<Record<string, ArraySpec>>): Layout {
  let length = 0;
  const places = Object.entries(specs).map(([name, spec]) => {
    const place = { name, offset: length, size: sizeOf(spec) };
    length += alignedLength(place.size);
    return place;
  });
  return {
    length,
    named(arena, vector) {
      const whole = arena.vector(vector);
      return Object.fromEntries(places.map(({ name, offset, size }) => [name, whole.subarray(offset, offset + size)]));
    },
  };
}

function prefixed(prefix: string, arrays: NamedArrays): NamedArrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [prefix + name, array]));
}

function memoryOf(layout: Layout, arena: Arena, names: readonly string[]): NamedArrays {
  return Object.assign({}, ...names.map((memory) => prefixed(`${memory}/`, layout.named(arena, memory))));
}

function restore(slots: Slots, state: TrainingState): void {
  for (const [name, slot] of Object.entries(slots.parameters))
    fill(slot, `Parameter '${name}'`, state.parameters[name]);
  for (const [name, slot] of Object.entries(slots.memory)) {
    fill(slot, `Optimizer memory '${name}'`, state.memory[name] ?? new Float32Array(slot.length));
  }
}

function fill(slot: Float32Array, what: string, value: Float32Array | undefined): void {
  if (value?.length !== slot.length) {
    const found = value?.length ?? 'none';
    throw new ShapeError(`${what} should have ${slot.length} values, but the given state has ${found}.`, { what });
  }
  slot.set(value);
}

function snapshot(slots: Slots, epochsDone: number): TrainingState {
  const copy = (arrays: NamedArrays) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice()]));
  return { parameters: copy(slots.parameters), memory: copy(slots.memory), epochsDone };
}

function checkExamples(examples: Examples, objective: Objective): void {
  if (examples.count === 0) throw new ShapeError(`${objective.label}: there are no examples to train on.`);
  if (examples.size !== objective.exampleSize) {
    throw new ShapeError(
      `${objective.label}: examples have ${examples.size} values each, but the model takes ${objective.exampleSize}.`,
    );
  }
}

function notFinite(objective: Objective, facts: { loss: number; step: number; key: string }): NumericalError {
  return new NumericalError(
    `${objective.label}: the loss became ${facts.loss} at step ${facts.step} (key ${facts.key}). ` +
      'Lower the learning rate, or look at the inputs of that step.',
    { ...facts, loss: String(facts.loss) },
  );
}
