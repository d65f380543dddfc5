// Nothing shared: every silo trains its own autoencoder and keeps it. What federating has to beat.
//
// For simulations only: what is judged are the silos' own models, encoders included, and no server ever has those.

import type { Strategy } from './strategy.ts';

/**
 * The silos' part of ALIGN-FL without a server. A silo of ALIGN-FL never hears from the others, so its model in a round is,
 * bit by bit, the one that it trains alone. The releases that silos answer with go unused.
 */
export function localOnlyStrategy({ run }: { readonly run: string }): Strategy {
  return {
    name: 'local-only',
    instruct: async (round) => ({ kind: 'train-own', run, round }),
    absorb: async () => null,
  };
}
