// What shapes a model besides its objective: a penalty beside the loss, or a projection after each step.

import type { numpy as np } from '@jax-js/jax';
import type { ArraySpec, HostArray } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import { DeviceError } from '../errors.ts';
import type { Observe, Parameters } from '../models/layers.ts';
import type { NamedArrays } from './parameter-slots.ts';

/**
 * A penalty on a model that is no sum over examples: it may mix the examples of a batch, which an Objective must not, or
 * look at none. Second derivatives may be needed: see `requireSecondDerivatives`.
 */
export interface Regulariser {
  /** Name of its term in reports. */
  readonly name: string;
  /** What it counts for in the loss; above 0. */
  readonly weight: number;
  /** Layer whose input it wants to see while the objective is traced; null where it looks at no example. */
  readonly layer: string | null;
  /** What a step draws at random, by name. */
  draws(rows: number): Readonly<Record<string, ArraySpec>>;
  /** Fills what `draws` declares. */
  draw(key: Key, buffers: Readonly<Record<string, HostArray>>): void;
  /** Penalties [rows], whose mean counts. Traced; keeps the parameters alive. `input` is that of `layer`: a reference of its own. */
  penalty(parameters: Parameters, draws: Readonly<Record<string, np.Array>>, input: np.Array | null): np.Array;
}

/** A constraint that parameters are moved back to after each step, or what else is made of them without the data. */
export interface Projection {
  /** Floats that it keeps from step to step, by name; part of the training state. */
  readonly memory: Readonly<Record<string, number>>;
  /** First values of its memory, before the first step. */
  begin(memory: NamedArrays): void;
  /** Moves parameters in place, near to the constraint. */
  step(parameters: NamedArrays, memory: NamedArrays): void;
  /** Parameters that meet the constraint for certain; those it does not constrain are the same arrays. */
  finish(parameters: NamedArrays, memory: NamedArrays): NamedArrays;
}

/** At most one of the two. */
export interface TrainingControl {
  readonly regulariser?: Regulariser | undefined;
  readonly projection?: Projection | undefined;
}

/** Catches the input of `layer` while an objective is traced, and lets go of all others. */
export function layerInput(layer: string | null): { readonly observe?: Observe; readonly take: () => np.Array | null } {
  if (layer === null) return { take: () => null };
  let caught: np.Array | null = null;
  return {
    observe: (call) => {
      if (call.layer === layer && caught === null) caught = call.input;
      else call.input.dispose();
    },
    take: () => caught,
  };
}

/** Throws DeviceError where gradients of gradients come out wrong: jax-js 0.1.25's WebAssembly backend computes other numbers. */
export function requireSecondDerivatives(engine: Pick<Engine, 'executor'>, label: string): void {
  if (engine.executor === 'onnxruntime') return;
  throw new DeviceError(
    `${label}: a penalty on a decoder's slope needs second derivatives, which the WebAssembly backend gets wrong. Install ` +
      'onnxruntime-node, or set privacy.lipschitzForm to spectral-normalisation, which needs none.',
    { executor: engine.executor, label },
  );
}
