// A running average of the weights as what training ends with: it scatters less than the last step (Polyak and Juditsky 1992).

import { type ArraySpec, sizeOf } from '../engine/array-spec.ts';
import { SpecError } from '../errors.ts';
import type { Projection } from './regulariser.ts';

/**
 * As a projection that moves nothing on the way and returns the average at the end: average = keep * average + (1 - keep) *
 * parameter, with keep = min(decay, (step - 1) / (step + 9)), so that the first values count no longer than those of later
 * steps. Private steps have the same inside (`averaging` in privacy/dp-trainer.ts). Throws SpecError unless 0 <= decay < 1.
 */
export function weightAverage(parameters: Readonly<Record<string, ArraySpec>>, decay: number): Projection {
  if (!(decay >= 0 && decay < 1)) {
    throw new SpecError(`The decay of a running average must be at least 0 and below 1; got ${decay}.`, { decay });
  }
  const names = Object.keys(parameters);
  return {
    memory: {
      [STEPS]: 1,
      ...Object.fromEntries(Object.entries(parameters).map(([name, spec]) => [`${AVERAGE}${name}`, sizeOf(spec)])),
    },
    begin(memory) {
      for (const values of Object.values(memory)) values.fill(0);
    },
    step(current, memory) {
      const steps = memory[STEPS] as Float32Array;
      const step = (steps[0] as number) + 1;
      steps[0] = step;
      const share = 1 - Math.min(decay, (step - 1) / (step + 9));
      for (const name of names) {
        const [mean, value] = [memory[`${AVERAGE}${name}`] as Float32Array, current[name] as Float32Array];
        for (let i = 0; i < mean.length; i++) {
          const old = mean[i] as number;
          mean[i] = old + share * ((value[i] as number) - old);
        }
      }
    },
    finish: (_, memory) => Object.fromEntries(names.map((name) => [name, memory[`${AVERAGE}${name}`] as Float32Array])),
  };
}

// --- internal ---

const STEPS = 'average/steps';
const AVERAGE = 'average/';
