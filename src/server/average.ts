// Federated averaging (McMahan et al. 2017, algorithm 1): the baseline that ALIGN-FL is compared with.

import { ShapeError } from '../errors.ts';
import type { WeightsUpdate } from '../exchange/weights-update.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';

/** Mean of the updates' parameters, each weighted by its number of examples; summed in float64. */
export function averageWeights(updates: readonly WeightsUpdate[]): NamedArrays {
  const [first] = updates;
  if (!first) throw new ShapeError('There are no updates to average.');
  const total = updates.reduce((sum, update) => sum + update.examples, 0);
  const mean = (name: string, like: Float32Array): Float32Array => {
    const sum = new Float64Array(like.length);
    for (const update of updates) {
      const values = update.weights[name];
      if (values?.length !== like.length) {
        throw new ShapeError(
          `The update of ${update.silo} has ${values?.length ?? 'no'} values for '${name}', not ${like.length}.`,
        );
      }
      const share = update.examples / total;
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + share * (values[i] as number);
    }
    return Float32Array.from(sum);
  };
  return Object.fromEntries(Object.entries(first.weights).map(([name, like]) => [name, mean(name, like)]));
}
