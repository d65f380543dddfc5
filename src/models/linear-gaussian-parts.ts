// What can be read off, and changed of, the parameters of a linear-Gaussian generator once they are there.

import { LINEAR_GAUSSIAN_PARAMETERS, type LinearGaussian } from './linear-gaussian.ts';

type Values = Readonly<Record<string, Float32Array>>;

/** The classes that parameters have Gaussians for, ascending. */
export function offeredIn({ offered }: LinearGaussian, parameters: Values): readonly number[] {
  const choice = parameters[LINEAR_GAUSSIAN_PARAMETERS.offered] as Float32Array; // [C, O]
  return offered.filter((label, c) => choice[label * offered.length + c] === 1);
}

/**
 * Parameters of which no image moves farther than `bound` times its code, within a class: factors, which are orthogonal to each
 * other, are shortened to that length. For one Gaussian a class; clipping to [0, 1] moves images no farther apart, nor does an
 * orthonormal basis.
 */
export function flattened({ transform }: LinearGaussian, parameters: Values, bound: number): Values {
  const name = LINEAR_GAUSSIAN_PARAMETERS.factors;
  const factors = (parameters[name] as Float32Array).slice(); // [O r, d]
  const { size } = transform;
  for (let row = 0; row * size < factors.length; row++) {
    const factor = factors.subarray(row * size, (row + 1) * size);
    const length = Math.hypot(...factor);
    if (length > bound * MARGIN) for (let j = 0; j < size; j++) factor[j]! *= (bound * MARGIN) / length;
  }
  return { ...parameters, [name]: factors };
}

// --- internal ---

/** Factors of float32 are orthogonal only so far, and the certificate adds rounding of its own. */
const MARGIN = 0.999;
