// The tasks of one silo, one at a time, through restarts of the broker. A task stays the silo's until it is acknowledged.

import { type ConsumerMessages, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { Link } from './bucket.ts';
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

const LOOK_AGAIN_MS = 500;
