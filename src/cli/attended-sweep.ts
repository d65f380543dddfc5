// Many runs at once with somebody at the console: live lines while they go, and a clean stop on Ctrl-C.

import { AbortedError } from '../errors.ts';
import type { SweepEvent } from '../experiments/sweep.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { createSweepView } from './sweep-view.ts';

export interface AttendedSweep<T> {
  readonly console: Console;
  /** Of each run by name, in any one unit. */
  readonly work: Readonly<Record<string, number>>;
  /** What to do after a stop, in a sentence. */
  readonly advice: string;
  readonly play: (hooks: { readonly signal: AbortSignal; readonly emit: (event: SweepEvent) => void }) => Promise<T>;
}

/** Plays, and shows how far it is. Throws what `play` throws, an AbortedError with the advice. */
export async function attendedSweep<T>({ console, work, advice, play }: AttendedSweep<T>): Promise<T> {
  const abort = new AbortController();
  const view = createSweepView(console.stderr, work);
  const stopListening = onInterrupt(abort, () => {
    view.close();
    console.error(
      'Stopping all runs after their current step. What is complete is kept; press Ctrl-C again to quit at once.',
    );
  });
  try {
    return await play({ signal: abort.signal, emit: (event) => view.show(event) });
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    throw new AbortedError(`${error.message} ${advice}`, error.facts, { cause: error });
  } finally {
    view.close();
    stopListening();
  }
}
