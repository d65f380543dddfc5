// Optimizers as plain data and pure functions: what each remembers per parameter, and one elementwise update.

import { numpy as np } from '@jax-js/jax';

/** Vectors by name, all of one length; traced. */
export type Vectors = Readonly<Record<string, np.Array>>;

/** Adam (Kingma and Ba 2015, algorithm 1). */
export interface AdamOptions {
  readonly kind: 'adam';
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/** Stochastic gradient descent with heavy-ball momentum; 0 is plain SGD. */
export interface SgdOptions {
  readonly kind: 'sgd';
  readonly learningRate: number;
  readonly momentum: number;
}

export type OptimizerOptions = AdamOptions | SgdOptions;

/** A unit of training: state starts as zeros, `update` is pure and works element by element. */
export interface Optimizer {
  /** Names of the vectors it keeps per parameter, zero at first. */
  readonly memory: readonly string[];
  /** Names of the scalars that change from step to step. */
  readonly scalars: readonly string[];
  /** Their values at a step, counted from 1, under a learning rate. */
  scalarsAt(step: number, learningRate: number): Readonly<Record<string, number>>;
  /** Takes `parameter`, `gradient`, the memory and the scalars; gives the new `parameter` and memory. */
  update(inputs: Vectors): Vectors;
}

/** Builds the optimizer that the options describe. */
export function optimizerOf(options: OptimizerOptions): Optimizer {
  return options.kind === 'adam' ? adam(options) : sgd(options);
}

// --- internal ---

/**
 * Deviates: added to every gradient, so that moments of parameters whose gradient vanishes do not decay into subnormal
 * numbers, which processors handle a hundred times slower. Moves such a parameter by less than 1e-10 a step at rate 1e-3.
 */
const LEAST_GRADIENT = 1e-15;

function adam({ beta1, beta2, eps }: AdamOptions): Optimizer {
  return {
    memory: ['mean', 'square'],
    scalars: ['rate', 'rootCorrection'],
    // theta - lr * mHat / (sqrt(vHat) + eps) with mHat = m / (1 - beta1^t), vHat = v / (1 - beta2^t)
    scalarsAt: (step, learningRate) => ({
      rate: learningRate / (1 - beta1 ** step),
      rootCorrection: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update({ parameter, gradient, mean, square, rate, rootCorrection }: Vectors) {
      const felt = gradient!.add(LEAST_GRADIENT);
      const nextMean = mean!.mul(beta1).add(felt.ref.mul(1 - beta1));
      const nextSquare = square!.mul(beta2).add(np.square(felt).mul(1 - beta2));
      const scale = np.sqrt(nextSquare.ref).mul(rootCorrection!).add(eps);
      const next = parameter!.sub(nextMean.ref.mul(rate!).div(scale));
      return { parameter: next, mean: nextMean, square: nextSquare };
    },
  };
}

function sgd({ momentum }: SgdOptions): Optimizer {
  return {
    memory: ['velocity'],
    scalars: ['rate'],
    scalarsAt: (_step, learningRate) => ({ rate: learningRate }),
    update({ parameter, gradient, velocity, rate }: Vectors) {
      const nextVelocity = velocity!.mul(momentum).add(gradient!);
      return { parameter: parameter!.sub(nextVelocity.ref.mul(rate!)), velocity: nextVelocity };
    },
  };
}
