// Everything shared: one autoencoder trained on the images of all silos in one place. The upper bound of federating.
//
// For simulations only: it needs a "silo" that has everybody's images, which is what federated learning exists to avoid.

import { StateError } from '../errors.ts';
import { loadState } from '../training/state-file.ts';
import type { Strategy } from './strategy.ts';

export interface CentralisedOptions {
  readonly run: string;
  /** State of the only silo, the one that has all images: its whole model is the global one. */
  readonly file: string;
}

/** To be played with a single silo. Rounds go on from its own last state, as anywhere; nothing is averaged or dreamt. */
export function centralisedStrategy({ run, file }: CentralisedOptions): Strategy {
  return {
    name: 'centralised',
    instruct: async (round) => ({ kind: 'train-own', run, round }),
    absorb: async (round) => {
      const state = await loadState(file);
      if (state?.round === round && state.finished) return state.parameters;
      throw new StateError(
        `${file} should be at the end of round ${round}, but ${state ? `is in round ${state.round}` : 'is missing'}. ` +
          'Restore the folder as it was, or use another run folder to start afresh.',
        { file, round, storedRound: state?.round ?? null },
      );
    },
  };
}
