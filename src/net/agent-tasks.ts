// The tasks of one silo, one at a time, through restarts of the broker: opened before they are believed. A task stays the
// silo's until it is acknowledged.

import { type ConsumerMessages, type JsMsg, jetstream } from '@nats-io/jetstream';
import { MessageError } from '../errors.ts';
import type { Agent } from './agent-state.ts';
import type { Link } from './bucket.ts';
import { openMessage } from './envelope.ts';
import type { Message } from './messages.ts';
import { TASKS } from './subjects.ts';
import { onReconnect, pause, within } from './waiting.ts';

/** Ends when the link's signal fires. */
export async function* siloTasks(link: Link, silo: string): AsyncGenerator<JsMsg> {
  const { nc, signal, timing, onRetry } = link;
  const js = jetstream(nc, { timeout: timing.tryMs });
  let waiting: ConsumerMessages | null = null;
  onReconnect(nc, signal, () => waiting?.stop()); // the broker has forgotten the request
  const onAbort = () => waiting?.stop();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      let task: JsMsg | null = null;
      try {
        const what = 'A request for a task';
        const consumer = await within(js.consumers.get(TASKS, silo), { signal, limitMs: 2 * timing.tryMs, what });
        waiting = await consumer.fetch({ max_messages: 1, expires: timing.taskWaitMs });
        for await (const message of waiting) {
          task = message;
          break; // the request is over: nobody waits for its heartbeats while the silo works
        }
      } catch (error) {
        if (signal.aborted) return;
        onRetry?.('A request for a task', error as Error);
        await pause(LOOK_AGAIN_MS, signal).catch(() => {});
      } finally {
        waiting?.stop();
        waiting = null;
      }
      if (task !== null) yield task;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What a server says to a silo. */
export type TaskMessage = Message<(typeof KINDS)[number]>;

/** Null where it is not a message of this silo's server, which is told of. */
export function openTask({ server, emit }: Agent, task: JsMsg): TaskMessage | null {
  try {
    return openMessage(task.data, { subject: task.subject, from: server, kinds: KINDS });
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    const { facts, message } = error;
    emit({ kind: 'message-dropped', subject: task.subject, reason: String(facts['reason']), message });
    return null;
  }
}

/** A task whose acknowledgement is lost comes again, and is answered from disk. */
export async function acknowledge({ link }: Agent, task: JsMsg): Promise<void> {
  const { timing, onRetry } = link;
  await task.ackAck({ timeout: timing.tryMs }).catch((error: Error) => onRetry?.('An acknowledgement', error));
}

// --- internal ---

const KINDS = ['train', 'committed', 'refused', 'end'] as const;

const LOOK_AGAIN_MS = 500;
