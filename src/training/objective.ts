// What training minimises: a loss for each example of a batch, as a traced function.

import type { numpy as np } from '@jax-js/jax';
import type { ArraySpec } from '../engine/array-spec.ts';
import type { Observe } from '../models/layers.ts';

/** A traced function of parameters, a batch of B examples and random bits. */
export interface Objective {
  /** For messages. */
  readonly label: string;
  readonly parameters: Readonly<Record<string, ArraySpec>>;
  /** D of the examples it takes. */
  readonly exampleSize: number;
  /** Random bits one batch needs. */
  bits(batchSize: number): ArraySpec;
  /**
   * Terms [B], one number for each example: `loss` is minimised, the others are reported. An example's terms depend on
   * its own row of `x` and its own bits alone, never on its neighbours: private training rests on that.
   */
  terms(
    parameters: Readonly<Record<string, np.Array>>,
    batch: { readonly x: np.Array; readonly bits: np.Array },
    observe?: Observe,
  ): { readonly loss: np.Array } & Readonly<Record<string, np.Array>>;
}

/** The objective with its loss times `factor`; the other terms stay. */
export function scaledObjective(objective: Objective, factor: number): Objective {
  return {
    ...objective,
    terms: (...inputs) => {
      const terms = objective.terms(...inputs);
      return { ...terms, loss: terms.loss.mul(factor) };
    },
  };
}
