// Patience of a silo with a server that is not there: whoever starts first waits for the other.

import { setTimeout as pause } from 'node:timers/promises';
import { AbortedError, LostPeerError } from '../errors.ts';
import type { SiloEvent } from './silo-events.ts';

/** `connect` again and again while nobody answers. Throws AbortedError when stopped meanwhile. */
export async function whenReachable<T>(
  { emit, signal }: { readonly emit: (event: SiloEvent) => void; readonly signal: AbortSignal },
  connect: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (signal.aborted) throw stopped(error);
      if (!(error instanceof LostPeerError)) throw error;
      emit({ kind: 'unreachable', message: error.message });
    }
    await pause(TRY_EVERY_MS, undefined, { signal }).catch((cause: unknown) => {
      throw stopped(cause);
    });
  }
}

// --- internal ---

function stopped(cause: unknown): AbortedError {
  return new AbortedError('Stopped while waiting for the server.', {}, { cause });
}

const TRY_EVERY_MS = 2000;
