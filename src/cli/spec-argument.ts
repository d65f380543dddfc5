// The spec that a command is given: a preset or a file, with --set and --seed on top.

import { SpecError } from '../errors.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import type { Spec } from '../experiments/spec.ts';

export interface SpecFlags {
  /** Every `path=value` of `--set`, in order. */
  readonly set: readonly string[];
  /** Short for `--set seed=n`, and wins over it. */
  readonly seed?: string;
}

/** The resolved spec. Throws SpecError where none is named, and what `loadSpec` throws. */
export function specArgument(target: string | undefined, { set, seed }: SpecFlags): Promise<Spec> {
  if (target === undefined) {
    throw new SpecError('Which experiment? Name a preset (see: align-fl presets) or a spec file.', {
      path: 'argument',
    });
  }
  if (seed !== undefined && !/^\d{1,15}$/.test(seed)) {
    throw new SpecError(`--seed: expected a whole number from 0, got '${seed}'.`, { path: '--seed' });
  }
  return loadSpec(target, seed === undefined ? set : [...set, `seed=${seed}`]);
}
