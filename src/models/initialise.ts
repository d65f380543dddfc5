// First values of a model's parameters.

import { sizeOf } from '../engine/array-spec.ts';
import { childKey, type Key, uniforms } from '../engine/keys.ts';
import type { ParameterSpecs } from './layers.ts';

/**
 * Weights and biases uniform in +-1/sqrt(fan-in), as PyTorch's `Linear` and `Conv2d` start (and so the authors' models).
 * Each parameter has its own key, so adding a layer changes no other.
 */
export function initialParameters(specs: ParameterSpecs, key: Key): Readonly<Record<string, Float32Array>> {
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => {
      const bound = 1 / Math.sqrt(spec.fanIn);
      const draws = uniforms(childKey(key, name), sizeOf(spec));
      return [name, Float32Array.from(draws, (u) => (2 * u - 1) * bound)];
    }),
  );
}
