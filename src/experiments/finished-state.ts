// The parameters that a model ended a round with, for whoever judges it afterwards.

import { StateError } from '../errors.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { loadState } from '../training/state-file.ts';

/** Throws StateError where the state in `file` is missing or not at the end of `round`; `advice` says what else may be done. */
export async function finishedParameters(file: string, round: number, advice: string): Promise<NamedArrays> {
  const state = await loadState(file);
  if (state?.finished && state.round === round) return state.parameters;
  const found =
    state === null ? 'is missing' : `is ${state.finished ? 'at the end of' : 'within'} round ${state.round}`;
  throw new StateError(
    `Expected a state at the end of round ${round}, but ${file} ${found}. Restore the folder as it was. ${advice}`,
    { file, round },
  );
}

/** `advice` while a run is under way. */
export const OR_START_AFRESH = 'Or use another run folder to start afresh.';
