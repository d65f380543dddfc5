// FedProx's proximal term: an optimizer that also pulls every parameter back to where the round began.

import { SpecError } from '../errors.ts';
import type { Optimizer } from './optimizer.ts';

/** Memory of the proximal optimizer: the parameters at the start of the round. Its trainer fills it before the first step. */
export const ANCHOR = 'anchor';

/**
 * `optimizer` on F(w) + weight/2 ||w - anchor||^2 in place of F(w): the gradient weight (w - anchor) is added before
 * anything else sees the gradient, Adam's moments included. Source: Li et al. 2020 (arXiv 1812.06127), equation 2, where
 * the weight is mu. Weight 0 gives `optimizer` itself. Throws SpecError for a weight that is negative or not finite.
 */
export function proximal(optimizer: Optimizer, weight: number): Optimizer {
  if (!(weight >= 0 && Number.isFinite(weight))) {
    throw new SpecError(`fedprox.mu: expected a number from 0 up, got ${weight}. Take 0.01, or 0 for plain FedAvg.`, {
      path: 'fedprox.mu',
    });
  }
  if (weight === 0) return optimizer;
  return {
    ...optimizer,
    memory: [...optimizer.memory, ANCHOR],
    update({ [ANCHOR]: anchor, ...inputs }) {
      const pull = inputs['parameter']!.ref.sub(anchor!).mul(weight);
      return optimizer.update({ ...inputs, gradient: inputs['gradient']!.add(pull) });
    },
  };
}
