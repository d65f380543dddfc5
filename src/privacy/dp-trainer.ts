// DP-SGD (Abadi et al. 2016) as a way of making training steps: sample, clip, sum, add noise, divide, update.
//
// The plan that the accountant charges for is the one that samples and draws noise here. Of the data nothing but the noisy
// sum goes into the parameters; losses and norms are private and reach the silo's own diary at most.

import { grad, numpy as np } from '@jax-js/jax';
import { type Arena, createArena } from '../engine/arena.ts';
import { allocate, sizeOf } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { gaussianNoise, NOISE_GRID } from '../engine/gaussian-noise.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { compileSweep } from '../engine/sweep.ts';
import { PrivacyError } from '../errors.ts';
import { decoderPart } from '../models/vae.ts';
import type { Objective } from '../training/objective.ts';
import { type Optimizer, optimizerOf, type Vectors } from '../training/optimizer.ts';
import { type Layout, layoutOf, memorySlots, prefixed, type TrainingState } from '../training/parameter-slots.ts';
import { type Regulariser, requireSecondDerivatives, type TrainingControl } from '../training/regulariser.ts';
import { type Learner, projected, type Trainer, trainerOf, type TrainingOptions } from '../training/trainer.ts';
import { type BatchGraph, compileBatchGraph, type PassOutcome } from './batch-graph.ts';
import { clipperOf } from './clipping.ts';
import type { DpSgdOptions, DpSgdPlan } from './dp-plan.ts';
import { poissonSample } from './poisson-sample.ts';

/** Options that decide the compiled step. */
export type DpStepOptions = Pick<
  DpSgdOptions,
  'clipping' | 'clipNorm' | 'quantile' | 'mode' | 'noise' | 'averaging' | 'physicalBatch'
>;

/**
 * Gives a trainer that follows a plan. All of them share one memory: one training at a time. Training throws PrivacyError
 * where it would make more steps than were planned, or draw noise that was to be secure from a key that is not secret.
 */
export type DpTrainers = (plan: DpSgdPlan) => Trainer;

/**
 * Compiles the private step of `objective`. In the training options `batchSize` stands for the expected batch, and an
 * epoch has as many steps as the plan says.
 *
 * A regulariser here must look at no example (its layer is null): its gradient at the decoder's parameters is added to the
 * noisy sum after the noise. Parameters are outputs of earlier noisy steps and its draws are the silo's own, so this is
 * post-processing (Dwork and Roth 2014, proposition 2.1): no sensitivity and no epsilon changes. So is a projection.
 * Throws PrivacyError where a regulariser looks at examples.
 */
export async function createDpTrainers(
  engine: Engine,
  objective: Objective,
  training: TrainingOptions,
  { control: { regulariser, projection } = {}, ...options }: DpStepOptions & { readonly control?: TrainingControl },
): Promise<DpTrainers> {
  if (regulariser && regulariser.layer !== null) throw looksAtExamples(objective, regulariser);
  const sizes = physicalBatches(options.physicalBatch, training.batchSize);
  const mostRows = sizes[sizes.length - 1] as number;
  const optimizer = optimizerOf(training.optimizer);
  const layout = layoutOf(objective.parameters);
  const averages = options.averaging === null ? [] : ['average'];
  const penalties = regulariser ? ['penalty'] : [];
  const vectors = ['parameter', 'gradient', 'noise', ...penalties, ...optimizer.memory, ...averages];
  const arena = createArena({
    ...Object.fromEntries(vectors.map((name) => [name, layout.length])),
    x: mostRows * objective.exampleSize,
  });
  const update = compileSweep('private update', privateUpdate(optimizer, averages.length > 0) as never, {
    vectors,
    scalars: [...optimizer.scalars, 'inverseGrid', 'gridOverBatch', ...(averages.length > 0 ? ['keep'] : [])],
  }).bind(arena, {}, {});
  const drawNoise = gaussianNoise(arena, 'noise');

  const isProtected = (name: string) => options.mode === 'full' || name.startsWith('decoder.');
  const noiseParts = Object.entries(layout.named(arena, 'noise'));
  const silent = noiseParts.flatMap(([name, part]) => (isProtected(name) ? [] : [part]));
  const protectedSize = Object.entries(objective.parameters).reduce(
    (total, [name, spec]) => total + (isProtected(name) ? sizeOf(spec) : 0),
    0,
  );
  const { factors, needsTensorNorms } = clipperOf(options, { noiseMultiplier: 1, expectedBatch: training.batchSize });
  const others: 'plain' | 'none' = options.mode === 'decoder-only' ? 'plain' : 'none';
  const parts = {
    engine,
    objective,
    layout,
    arena,
    rule: { isProtected, others },
    factors,
    perTensor: needsTensorNorms,
  };
  const graphs = new Map<number, Promise<BatchGraph>>();
  /** The smallest graph that takes `count` rows, else the largest; compiled when first needed. */
  const graphFor = (count: number): Promise<BatchGraph> => {
    const rows = sizes.find((size) => size >= count) ?? mostRows;
    const graph = graphs.get(rows) ?? compileBatchGraph(parts, rows);
    graphs.set(rows, graph);
    return graph;
  };
  await graphFor(1); // a model that cannot be trained privately shows here
  const penalise =
    regulariser && (await compilePenalty({ engine, objective, layout, arena, rows: training.batchSize }, regulariser));

  const gradient = arena.vector('gradient');
  const sums = createSums(gradient);
  const clipNorm = new Float32Array(1);

  return (plan) => {
    const clipper = clipperOf(options, plan);
    const rounding = Math.sqrt(protectedSize) * clipper.gradientNoise * NOISE_GRID;
    const slack = FLOAT_SLACK + plan.expectedBatch * SUM_SLACK + rounding;
    if (!(slack < 0.5)) throw tooCoarse(objective, clipper.gradientNoise, plan.expectedBatch);
    const learner: Learner = {
      label: objective.label,
      slots: {
        parameters: layout.named(arena, 'parameter'),
        memory: { ...memorySlots(layout, arena, [...optimizer.memory, ...averages]), 'clipping/norm': clipNorm },
      },
      stepsPerEpoch: () => plan.stepsPerEpoch,
      begin(isFresh) {
        gradient.fill(0); // what no graph writes stays zero
        if (!isFresh) return;
        clipNorm[0] = clipper.first;
        if (averages.length > 0) arena.vector('average').set(arena.vector('parameter'));
      },
      openEpoch: (examples, epochKey) => async (i, at) => {
        const key = childKey(epochKey, `step-${i}`);
        drawNoise(childKey(key, 'noise')); // before anything of the sum is known
        for (const part of silent) part.fill(0);
        const norm = clipNorm[0] as number;
        const picked = poissonSample(childKey(key, 'sample'), examples.count, plan.samplingRate);
        const passes: PassOutcome[] = [];
        if (picked.length === 0) gradient.fill(0); // a step like any other: leaving it out would tell
        for (let from = 0; from < picked.length; from += mostRows) {
          const part = picked.subarray(from, from + mostRows);
          if (from > 0) sums.carry(from === mostRows);
          const graph = await graphFor(part.length);
          const pass = { examples, picked: part, bound: norm * (1 - slack), key: childKey(key, `pass-${from}`) };
          passes.push(await graph.run(pass));
        }
        if (picked.length > mostRows) sums.total();
        const free = penalise ? await penalise(childKey(key, 'penalty')) : {};
        const grid = clipper.gradientNoise * norm * NOISE_GRID;
        update({
          ...optimizer.scalarsAt(at.step, at.rate),
          inverseGrid: 1 / grid,
          gridOverBatch: grid / plan.expectedBatch,
          keep: Math.min(options.averaging ?? 0, at.step / (at.step + 9)),
        });
        const seen = {
          squaredNorms: passes.flatMap(({ squaredNorms }) => squaredNorms),
          tensorSquaredNorms: passes.flatMap(({ tensorSquaredNorms }) => tensorSquaredNorms),
        };
        clipNorm[0] = clipper.next(norm, seen, childKey(key, 'quantile'));
        return { ...meanTerms(passes), ...free };
      },
      ...(averages.length > 0 && { result: () => layout.named(arena, 'average') }),
    };
    const trainer = trainerOf(projected(learner, projection), objective, training);
    return {
      async train(job, hooks) {
        requirePlanned(plan, training, job.start);
        if (options.noise === 'secure' && job.key.kind !== 'secret') throw notSecret(objective, job.key);
        return trainer.train(job, hooks);
      },
    };
  };
}

// --- internal ---

/** Norms in float32 may come out too small by this share, so gradients are clipped as much below the bound. */
const FLOAT_SLACK = 1e-4;

/**
 * The same for each record of a batch: sums with and without one of them round differently, by some 2^-24 of their length,
 * which is at most batch * bound. Eight such steps are allowed for.
 */
const SUM_SLACK = 2 ** -21;

/** Rows of one graph at most. */
const MOST_ROWS = 2048;

/**
 * Sizes for which graphs are compiled. Half of all Poisson batches fit into the expected size, nearly all into the largest;
 * beyond that a batch takes several passes.
 */
function physicalBatches(asked: number | null, expectedBatch: number): readonly number[] {
  if (asked !== null) return [asked];
  const step = Math.ceil(Math.sqrt(expectedBatch) / 16) * 16;
  const first = Math.ceil(expectedBatch / 16) * 16;
  return first + 2 * step <= MOST_ROWS ? [first, first + step, first + 2 * step] : [MOST_ROWS];
}

/** Adds up passes in float64: in float32 the error of a long sum would outgrow the slack. */
function createSums(gradient: Float32Array) {
  let carried = new Float64Array(0); // only batches beyond the largest graph need it
  return {
    /** Takes what the last pass left. */
    carry(isFirst: boolean): void {
      if (carried.length === 0) carried = new Float64Array(gradient.length);
      if (isFirst) carried.set(gradient);
      else for (let i = 0; i < gradient.length; i++) carried[i]! += gradient[i]!;
    },
    /** Leaves the sum of all passes in the gradient. */
    total(): void {
      for (let i = 0; i < gradient.length; i++) gradient[i] = carried[i]! + gradient[i]!;
    },
  };
}

/**
 * Sum and noise meet as whole numbers of grid steps, noiseStd * 2^-20 each, so that no low-order bit of the result tells
 * one from the other (Mironov 2012; Haney et al. 2022); what rounding adds is part of the slack. Then the optimizer, and
 * the running average keep * average + (1 - keep) * parameter.
 */
function privateUpdate(optimizer: Optimizer, averaging: boolean) {
  return ({ inverseGrid, gridOverBatch, keep, noise, penalty, average, ...inputs }: Vectors): Vectors => {
    const steps = np.floor(inputs['gradient']!.mul(inverseGrid!).add(0.5));
    const noisy = steps.add(noise!.mul(1 / NOISE_GRID)).mul(gridOverBatch!);
    const gradient = penalty ? noisy.add(penalty) : noisy; // after the noise: the penalty knows nothing of the data
    const next = optimizer.update({ ...inputs, gradient });
    if (!averaging) return next;
    const parameter = next['parameter'] as np.Array;
    return { ...next, parameter: parameter.ref, average: average!.sub(parameter.ref).mul(keep!).add(parameter) };
  };
}

interface PenaltyParts {
  readonly engine: Engine;
  readonly objective: Objective;
  readonly layout: Layout;
  readonly arena: Arena;
  readonly rows: number;
}

/** Puts the gradient of weight times the mean penalty into the arena's `penalty`, and returns that mean as a term. */
async function compilePenalty({ engine, objective, layout, arena, rows }: PenaltyParts, regulariser: Regulariser) {
  const { name, weight } = regulariser;
  requireSecondDerivatives(engine, objective.label);
  type Inputs = { parameters: Record<string, np.Array>; draws: Record<string, np.Array> };
  const drawSpecs = regulariser.draws(rows);
  const program = await engine.compile(
    `${objective.label} penalty`,
    ({ parameters, draws }: Inputs) => {
      // The mean is traced twice, as in the plain trainer; it is written into the graph once.
      const mean = (own: Record<string, np.Array>) => {
        const drawn = Object.fromEntries(Object.entries(draws).map(([part, array]) => [part, array.ref]));
        return regulariser.penalty(own, drawn, null).mean();
      };
      const gradients = grad((own: Record<string, np.Array>) => mean(own).mul(weight))(parameters);
      return { mean: mean(parameters), gradients };
    },
    { parameters: decoderPart(objective.parameters), draws: drawSpecs },
  );
  const draws = Object.fromEntries(Object.entries(drawSpecs).map(([part, spec]) => [part, allocate(spec)]));
  const mean = new Float32Array(1);
  const run = program.bind(
    {
      ...prefixed('parameters.', decoderPart(layout.named(arena, 'parameter'))),
      ...Object.fromEntries(Object.entries(draws).map(([part, buffer]) => [`draws.${part}`, buffer])),
    },
    { ...prefixed('gradients.', decoderPart(layout.named(arena, 'penalty'))), mean },
  );
  return async (key: Key): Promise<Readonly<Record<string, number>>> => {
    regulariser.draw(key, draws);
    await run();
    return { [name]: mean[0] as number };
  };
}

/** Means over the examples of all passes; nothing where there were none. */
function meanTerms(passes: readonly PassOutcome[]): Readonly<Record<string, number>> {
  const count = passes.reduce((total, { squaredNorms }) => total + squaredNorms.length, 0);
  if (count === 0) return {};
  const names = Object.keys(passes[0]?.terms ?? {});
  return Object.fromEntries(
    names.map((name) => [name, passes.reduce((total, { terms }) => total + (terms[name] as number), 0) / count]),
  );
}

function looksAtExamples(objective: Objective, { name }: Regulariser): PrivacyError {
  return new PrivacyError(
    `${objective.label}: the penalty '${name}' looks at the examples of a batch, and so would carry them around clipping and ` +
      'noise. Under DP-SGD, take the one between draws from the prior.',
    { name },
  );
}

function requirePlanned(plan: DpSgdPlan, { epochs }: TrainingOptions, { epochsDone }: TrainingState): void {
  const steps = (epochs - epochsDone) * plan.stepsPerEpoch;
  if (steps <= plan.steps) return;
  throw new PrivacyError(
    `This training would make ${steps} steps, but only ${plan.steps} were planned and are accounted for. Plan them all: ` +
      'the noise depends on their number.',
    { steps, planned: plan.steps },
  );
}

function notSecret(objective: Objective, key: Key): PrivacyError {
  return new PrivacyError(
    `${objective.label}: secure noise needs a key from the operating system (secretKey), but '${key.path}' comes from a ` +
      'seed that others can repeat. Give a secret key, or set noise to seeded, which claims nothing.',
    { key: key.path },
  );
}

function tooCoarse(objective: Objective, noiseMultiplier: number, expectedBatch: number): PrivacyError {
  return new PrivacyError(
    `${objective.label}: noise of ${noiseMultiplier.toPrecision(4)} times the clip norm on so many parameters, over a batch of ` +
      `${expectedBatch}, is coarser than float32 sums can be protected with. Allow a larger epsilon, fewer steps, a smaller ` +
      'batch or a smaller model.',
    { noiseMultiplier, expectedBatch },
  );
}
