// Canaries for audits of the training step itself: examples whose gradient is one coordinate each, so that what sampling,
// clipping and noise do to an example can be read off its own coordinate ("Dirac canaries", Nasr et al. 2021 and 2023).

import { ShapeError } from '../errors.ts';
import { dense, denseSpecs } from '../models/layers.ts';
import type { Examples } from '../training/examples.ts';
import type { Objective } from '../training/objective.ts';

/**
 * A loss that is linear in the parameters: gradients are the same wherever training stands, and canary i's is
 * `gradientNorm` along one unit direction, that of weight i in two layers alike. Two layers, so that clipping layer by
 * layer instead of over all parameters shows. Directions of different canaries are orthogonal but for the biases, which
 * no score reads and which hold a millionth of the squared norm.
 */
export function canaryObjective(options: { readonly canaries: number; readonly gradientNorm: number }): Objective {
  const { canaries, gradientNorm } = options;
  const slope = gradientNorm / (Math.sqrt(LAYERS.length) * Math.hypot(LIFT, 1));
  return {
    label: 'canaries',
    parameters: Object.assign({}, ...LAYERS.map((layer) => denseSpecs(layer, canaries, 1))),
    exampleSize: canaries,
    bits: (batchSize) => ({ shape: [batchSize], dtype: 'uint32' }),
    terms(parameters, { x, bits }, observe) {
      bits.dispose();
      const [first, second] = LAYERS;
      const sum = dense(parameters, first, x.ref, observe).add(dense(parameters, second, x, observe)); // [B, 1]
      return { loss: sum.mul(slope).sum(1) };
    },
  };
}

/** The canaries that take part, by their indices among all `canaries`: row r is canary `present[r]`. */
export function canaryExamples(canaries: number, present: ArrayLike<number>): Examples {
  return {
    count: present.length,
    size: canaries,
    read(rows, out) {
      out.fill(0, 0, rows.length * canaries);
      for (let i = 0; i < rows.length; i++) out[i * canaries + (present[rows[i] as number] as number)] = LIFT;
    },
  };
}

/**
 * Each canary's coordinate [canaries] of a noisy sum of clipped gradients, in units of `clipNorm`: an honest step gives 1 for
 * a canary in the batch and 0 for others, plus noise of standard deviation `noiseMultiplier`. `sum` holds the gradients by
 * parameter, before they are divided by a batch size. What `addEvidence` takes.
 */
export function canaryCoordinates(sum: Readonly<Record<string, Float32Array>>, clipNorm: number): Float64Array {
  const [first, second] = LAYERS.map((layer) => sum[`${layer}.weight`]);
  if (first === undefined || second === undefined || first.length !== second.length) {
    throw new ShapeError(`Expected the gradients of a canary objective, but got ${Object.keys(sum).join(', ')}.`);
  }
  const scale = 1 / (clipNorm * Math.sqrt(LAYERS.length));
  return Float64Array.from(first, (value, i) => scale * (value + (second[i] as number)));
}

// --- internal ---

const LAYERS = ['decoder.first', 'decoder.second'] as const; // a decoder's parameters are private in every mode of training

/** Value of a canary's pixel, against a bias's input of 1: so little of its gradient goes to the biases. */
const LIFT = 1000;
