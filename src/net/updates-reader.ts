// Reads what silos published, from the beginning of the stream and then as it comes, through restarts of the broker.

import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { Link } from './bucket.ts';
import { UPDATES } from './subjects.ts';
import { onReconnect, pause, until, within } from './waiting.ts';

export interface Update {
  readonly subject: string;
  readonly data: Uint8Array;
  /** False while what was there before is read. */
  readonly isNew: boolean;
}

/**
 * Hands every message of the stream to `take`, in order and once, until the link's signal fires. Resolves when all that was
 * there is handed over, with a promise that resolves when reading has ended.
 */
export async function readUpdates(
  link: Link,
  take: (update: Update) => void,
): Promise<{ readonly ended: Promise<void> }> {
  const { signal, timing } = link;
  let ended: Promise<void> = Promise.resolve();
  await until<void>({ signal, limitMs: timing.patienceMs, what: 'Reading what silos published' }, (resolve, reject) => {
    ended = readAll(link, take, resolve).catch((error: unknown) => {
      reject(error);
    });
    return () => {};
  });
  return { ended };
}

// --- internal ---

/** Messages asked for at a time: with the largest, 4 MiB. */
const MOST_AHEAD = 64;
const EXPIRES_MS = 5_000;
const AGAIN_AFTER_MS = 250;

async function readAll(link: Link, take: (update: Update) => void, caughtUp: () => void): Promise<void> {
  const { nc, signal, timing, onRetry } = link;
  const js = jetstream(nc, { timeout: timing.tryMs });
  let [next, isNew] = [1, false];
  const nothingPending = () => {
    isNew = true;
    caughtUp();
  };
  let stop = () => {};
  onReconnect(nc, signal, () => stop()); // a consumer in the broker's memory is gone: make it again at once
  const onAbort = () => stop();
  signal.addEventListener('abort', onAbort, { once: true });
  while (!signal.aborted) {
    try {
      const options = { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: next } as const;
      const what = 'The reader of updates';
      const consumer = await within(js.consumers.get(UPDATES, options), { signal, limitMs: 2 * timing.tryMs, what });
      const messages = await consumer.consume({ max_messages: MOST_AHEAD, expires: EXPIRES_MS });
      stop = () => messages.stop();
      try {
        if ((await consumer.info(true)).num_pending === 0) nothingPending();
        for await (const message of messages) {
          if (signal.aborted) break;
          take({ subject: message.subject, data: message.data, isNew });
          next = message.seq + 1;
          if (message.info.pending === 0) nothingPending();
        }
      } finally {
        messages.stop();
        void consumer.delete().catch(() => {}); // it would go by itself, in minutes
      }
    } catch (error) {
      if (signal.aborted) return;
      onRetry?.('Reading what silos published', error as Error);
    }
    if (!signal.aborted) await pause(AGAIN_AFTER_MS, signal).catch(() => {});
  }
}
