// The one training loop, for silos and for the server: gradients from the engine, one sweep of the optimizer, repeat.

import { grad, type numpy as np, valueAndGrad } from '@jax-js/jax';
import { createArena } from '../engine/arena.ts';
import { allocate, float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, fillBits, type Key } from '../engine/keys.ts';
import type { BoundRun } from '../engine/program.ts';
import { compileSweep } from '../engine/sweep.ts';
import { AbortedError, NumericalError, ShapeError } from '../errors.ts';
import { epochBatches, stepsPerEpoch } from './epoch-order.ts';
import type { Examples } from './examples.ts';
import type { Objective } from './objective.ts';
import { optimizerOf, type OptimizerOptions } from './optimizer.ts';
import {
  layoutOf,
  memorySlots,
  type NamedArrays,
  prefixed,
  restore,
  type Slots,
  snapshot,
  type TrainingState,
} from './parameter-slots.ts';
import { ANCHOR, proximal } from './proximal.ts';
import {
  layerInput,
  type Projection,
  type Regulariser,
  requireSecondDerivatives,
  type TrainingControl,
} from './regulariser.ts';
import { rateFactor, type ScheduleOptions } from './schedule.ts';

export interface TrainingOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: ScheduleOptions;
  /** FedProx's mu (`proximal.ts`). Default 0. Trainers of private steps do not know it. */
  readonly proximalWeight?: number;
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

/** One way of making steps. Trainers own the loop around it: epochs, rates, sums, checkpoints, stopping. */
export interface Learner {
  /** For messages. */
  readonly label: string;
  /** What is restored from a state and copied into one. */
  readonly slots: Slots;
  stepsPerEpoch(examples: Examples): number;
  /** Called after a state was restored; `isFresh` where it is from before the first step. */
  begin?(isFresh: boolean): void;
  /**
   * Makes the steps of an epoch, in order: counted within it from 0, with the optimizer's `step` from 1 and its rate.
   * A step without examples gives no terms.
   */
  openEpoch(examples: Examples, key: Key): (i: number, at: { step: number; rate: number }) => Promise<EpochTerms>;
  /** The parameters to keep at the end, where they are not the last ones. */
  result?(): NamedArrays;
}

/** The training loop around a learner. */
export function trainerOf(learner: Learner, objective: Objective, options: TrainingOptions): Trainer {
  const { label, slots } = learner;
  return {
    async train({ examples, start, key }, hooks = {}) {
      checkExamples(examples, objective);
      restore(slots, start);
      const isFresh = Object.keys(start.memory).length === 0;
      learner.begin?.(isFresh);
      const steps = learner.stepsPerEpoch(examples);
      const ended = (epochsDone: number): TrainingState => {
        const parameters = learner.result?.();
        return snapshot(parameters ? { ...slots, parameters } : slots, epochsDone);
      };
      // A checkpoint of the last epoch holds its last step; what training ends with is made of that.
      let last: TrainingState = start.epochsDone >= options.epochs && !isFresh ? ended(start.epochsDone) : start;
      let loss = Number.NaN; // until a step has a term: a private one may have drawn nobody
      for (let epoch = start.epochsDone; epoch < options.epochs; epoch++) {
        const epochKey = childKey(key, `epoch-${epoch + 1}`);
        const seen = examples.forEpoch?.(childKey(epochKey, 'examples')) ?? examples;
        const makeStep = learner.openEpoch(seen, epochKey);
        const sums = new Map<string, { total: number; count: number }>();
        for (let i = 0; i < steps; i++) {
          if (hooks.signal?.aborted) throw new AbortedError(`${label}: stopped in epoch ${epoch + 1}.`);
          const step = epoch * steps + i + 1;
          const rate = options.optimizer.learningRate * rateFactor(options.schedule, step, steps * options.epochs);
          const terms = await makeStep(i, { step, rate });
          for (const [name, value] of Object.entries(terms)) {
            const { total, count } = sums.get(name) ?? { total: 0, count: 0 };
            sums.set(name, { total: total + value, count: count + 1 });
          }
          loss = terms['loss'] ?? loss;
          hooks.onStep?.({ step, steps: steps * options.epochs, epoch: epoch + 1, loss });
        }
        const terms = Object.fromEntries([...sums].map(([name, { total, count }]) => [name, total / count]));
        const state = () => snapshot(slots, epoch + 1);
        if (epoch + 1 === options.epochs) last = ended(epoch + 1);
        await hooks.onEpoch?.(epoch + 1, terms, state);
      }
      return last;
    },
  };
}

/** A learner whose parameters are moved back to a constraint after each step, and meet it for certain at the end. */
export function projected(learner: Learner, projection: Projection | undefined): Learner {
  if (!projection) return learner;
  const { slots } = learner;
  const memory = Object.fromEntries(
    Object.entries(projection.memory).map(([name, length]) => [name, new Float32Array(length)]),
  );
  return {
    ...learner,
    slots: { parameters: slots.parameters, memory: { ...slots.memory, ...memory } },
    begin(isFresh) {
      learner.begin?.(isFresh);
      if (isFresh) projection.begin(memory);
    },
    openEpoch(examples, key) {
      const makeStep = learner.openEpoch(examples, key);
      return async (i, at) => {
        const terms = await makeStep(i, at);
        projection.step(slots.parameters, memory);
        return terms;
      };
    },
    result: () => projection.finish(learner.result?.() ?? slots.parameters, memory),
  };
}

/**
 * Compiles the step of `objective` under `options`, and under a control where there is one. Throws DeviceError where the
 * engine cannot compute what a regulariser needs.
 */
export async function createTrainer(
  engine: Engine,
  objective: Objective,
  options: TrainingOptions,
  { regulariser, projection }: TrainingControl = {},
): Promise<Trainer> {
  if (regulariser) requireSecondDerivatives(engine, objective.label);
  const { batchSize } = options;
  const optimizer = proximal(optimizerOf(options.optimizer), options.proximalWeight ?? 0);
  const bitsSpec = objective.bits(batchSize);
  const drawSpecs = regulariser?.draws(batchSize) ?? {};
  const program = await engine.compile(
    `${objective.label} step`,
    regulariser ? regularisedStepOf(objective, regulariser) : stepOf(objective),
    {
      parameters: objective.parameters,
      x: float32(batchSize, objective.exampleSize),
      bits: bitsSpec,
      ...(regulariser && { draws: drawSpecs }),
    },
  );
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
  const draws = Object.fromEntries(Object.entries(drawSpecs).map(([name, spec]) => [name, allocate(spec)]));
  const drawn = Object.fromEntries(Object.entries(draws).map(([name, buffer]) => [`draws.${name}`, buffer]));
  const scalars = Object.fromEntries(
    program.outputs
      .filter(({ name }) => !name.startsWith('gradients.'))
      .map((spec) => [spec.name, new Float32Array(1)]),
  );
  const run: BoundRun = program.bind(
    { ...prefixed('parameters.', layout.named(arena, 'parameter')), x, bits, ...drawn },
    { ...prefixed('gradients.', layout.named(arena, 'gradient')), ...scalars },
  );
  const learner: Learner = {
    label: objective.label,
    slots: {
      parameters: layout.named(arena, 'parameter'),
      memory: memorySlots(layout, arena, optimizer.memory),
    },
    stepsPerEpoch: ({ count }) => stepsPerEpoch(count, batchSize),
    begin(isFresh) {
      if (isFresh && optimizer.memory.includes(ANCHOR)) arena.vector(ANCHOR).set(arena.vector('parameter'));
    },
    openEpoch(examples, key) {
      const batches = epochBatches(key, examples.count, batchSize);
      return async (i, { step, rate }) => {
        examples.read(batches[i] as Uint32Array, x);
        fillBits(childKey(key, 'noise', i), bits);
        regulariser?.draw(childKey(key, regulariser.name, i), draws);
        await run();
        const loss = scalars['loss']?.[0] as number;
        if (!Number.isFinite(loss)) throw notFinite(objective, { loss, step, key: key.path });
        sweep(optimizer.scalarsAt(step, rate));
        return Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, value[0] as number]));
      };
    },
  };
  return trainerOf(projected(learner, projection), objective, options);
}

// --- internal ---

type Arrays = Record<string, np.Array>;
interface StepInputs {
  readonly parameters: Arrays;
  readonly x: np.Array;
  readonly bits: np.Array;
}

function stepOf(objective: Objective) {
  return ({ parameters, x, bits }: StepInputs) => {
    const lossOf = (p: Arrays) => {
      const { loss, ...others } = means(objective.terms(p, { x, bits }));
      return [loss, others] as [np.Array, Arrays];
    };
    const [[loss, others], gradients] = valueAndGrad(lossOf, { hasAux: true })(parameters);
    return { loss, ...others, gradients };
  };
}

/**
 * The step with a penalty in the loss. Terms are traced a second time, since jax-js 0.1.25 loses count of its traces where a
 * gradient within a gradient meets `hasAux`; what is equal is written into the graph once, so they cost nothing.
 */
function regularisedStepOf(objective: Objective, regulariser: Regulariser) {
  return ({ parameters, x, bits, draws }: StepInputs & { readonly draws: Arrays }) => {
    const termsOf = (p: Arrays): Arrays => {
      const { observe, take } = layerInput(regulariser.layer);
      const own = means(objective.terms(p, { x: x.ref, bits: bits.ref }, observe));
      const drawn = Object.fromEntries(Object.entries(draws).map(([name, array]) => [name, array.ref]));
      const penalty = regulariser.penalty(p, drawn, take()).mean();
      const loss = (own['loss'] as np.Array).add(penalty.ref.mul(regulariser.weight));
      return { ...own, loss, [regulariser.name]: penalty };
    };
    const lossOf = (p: Arrays) => {
      const { loss, ...others } = termsOf(p);
      for (const term of Object.values(others)) term.dispose();
      return loss as np.Array;
    };
    const gradients = grad(lossOf)(parameters);
    return { ...termsOf(parameters), gradients };
  };
}

function means(terms: Readonly<Arrays>): Arrays {
  return Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term.mean()]));
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
