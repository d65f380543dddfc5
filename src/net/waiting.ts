// Waits that always have a signal and a limit, and patience with a network that is away for a while.

import { setMaxListeners } from 'node:events';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { AbortedError, AlignError, LostPeerError } from '../errors.ts';

export interface Wait {
  /** Throws AbortedError at once when it fires. */
  readonly signal: AbortSignal;
  readonly limitMs: number;
}

/** Throws AbortedError where `signal` has fired, or the error of ours that it fired with. */
export function throwIfAborted(signal: AbortSignal, what: string): void {
  if (signal.aborted) throw abortedBy(signal, what);
}

/** An error of ours where the connection is closed for good, as it is when a key is revoked; null while it may come back. */
export function closedConnection(nc: NatsConnection): LostPeerError | null {
  if (!nc.isClosed()) return null;
  return new LostPeerError('The connection to the federation is closed for good. Start again to make a new one.', {
    reason: 'closed',
  });
}

/** Resolves after `ms`. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await until<void>({ signal, limitMs: ms + 1_000, what: 'A pause' }, (resolve) => {
    const timer = setTimeout(resolve, ms);
    return () => clearTimeout(timer);
  });
}

/** What `promise` gives. It goes on by itself where the wait ends first. Throws LostPeerError after the limit. */
export async function within<T>(promise: Promise<T>, wait: Wait & { readonly what: string }): Promise<T> {
  promise.catch(() => {}); // who has stopped waiting does not hear how it ended
  return until<T>(wait, (resolve, reject) => {
    promise.then(resolve, reject);
    return () => {};
  });
}

/**
 * Waits until `begin` calls back; what it returns is called once afterwards, however the wait ends. Throws AbortedError when
 * the signal fires and LostPeerError after the limit.
 */
export async function until<T>(
  { signal, limitMs, what }: Wait & { readonly what: string },
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  throwIfAborted(signal, what);
  setMaxListeners(0, signal); // one for each wait under way, however many
  const ends: (() => void)[] = [];
  try {
    return await new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(abortedBy(signal, what));
      const timer = setTimeout(() => {
        reject(new LostPeerError(`${what}: nothing came within ${limitMs / 1000} s. Try again.`, { limitMs }));
      }, limitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      ends.push(
        () => clearTimeout(timer),
        () => signal.removeEventListener('abort', onAbort),
      );
      ends.push(begin(resolve, reject));
    });
  } finally {
    for (const end of ends) end();
  }
}

export interface Insistence extends Wait {
  /** Names the work in errors: "The notice of round 3". */
  readonly what: string;
  /** The first try. Each that comes to nothing makes the next twice as long, up to eight times: who is slow is not away. */
  readonly tryMs: number;
  /** Told before each further try. */
  readonly onRetry?: ((what: string, error: Error) => void) | undefined;
}

/**
 * Does `work` again, with growing pauses, until it succeeds: for what may safely happen twice while the broker is away or
 * full. It is given the milliseconds that one answer of the broker may take in this try. Errors of ours, missing rights and a closed connection end it at once. Throws LostPeerError after the limit.
 */
export async function insist<T>(options: Insistence, work: (tryMs: number) => Promise<T>): Promise<T> {
  const { what, signal, limitMs, tryMs, onRetry } = options;
  const limit = AbortSignal.timeout(Math.min(limitMs, LONGEST_TIMER_MS));
  for (let [pauseMs, nowMs] = [FIRST_PAUSE_MS, tryMs]; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
    throwIfAborted(signal, what);
    try {
      return await within(work(nowMs), { signal, limitMs: TRIES_HANG_MS + MOST_ANSWERS * nowMs, what });
    } catch (cause) {
      throwIfAborted(signal, what);
      if (cause instanceof AlignError && !(cause instanceof LostPeerError)) throw cause;
      const isFinal = FINAL.some(
        (kind) => cause instanceof kind || (cause as Error | undefined)?.cause instanceof kind,
      );
      if (isFinal || limit.aborted) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new LostPeerError(
          `${what}: the broker did not take it (${reason}). Nothing is lost: try again when it can be reached.`,
          { reason },
          { cause },
        );
      }
      onRetry?.(what, cause instanceof Error ? cause : new Error(String(cause)));
      nowMs = Math.min(2 * nowMs, LONGEST_TRY * tryMs);
      await pause(pauseMs, signal);
    }
  }
}

/** Calls `then` whenever the connection is there again, until the signal fires. */
export function onReconnect(nc: NatsConnection, signal: AbortSignal, then: () => void): void {
  const statuses = nc.status() as AsyncIterable<{ readonly type: string }> & { stop?: () => void };
  setMaxListeners(0, signal);
  signal.addEventListener('abort', () => statuses.stop?.(), { once: true });
  void (async () => {
    for await (const { type } of statuses) {
      if (signal.aborted) return;
      if (type === 'reconnect') then();
    }
  })();
}

// --- internal ---

function abortedBy({ reason }: AbortSignal, what: string): AlignError {
  if (reason instanceof AlignError) return reason;
  return new AbortedError(`${what}: stopped on request.`, {}, { cause: reason });
}

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2_000;
/** A call of the client whose own time-out does not fire, for instance as it lost its connection in between. */
const TRIES_HANG_MS = 30_000;
/** Of the broker in one try: those to the pieces of a part, and one more on either side. */
const MOST_ANSWERS = 10;
const LONGEST_TRY = 8;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const FINAL = [errors.PermissionViolationError, errors.ClosedConnectionError, errors.DrainingConnectionError];
