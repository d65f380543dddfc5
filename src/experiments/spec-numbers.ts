// Bounded numbers of the spec: nothing in it may ask for absurd amounts of memory or time unnoticed.

import { z } from 'zod';

/** Federated rounds in one experiment. */
export const MAX_ROUNDS = 10_000;

/** Silos in one experiment. */
export const MAX_SILOS = 1000;

/** A whole number from 1 to `max`. */
export function count(max: number) {
  return z.int().min(1).max(max);
}

/** A number above 0, at most `max`. */
export function positive(max: number) {
  return z.number().gt(0).max(max);
}
