// What a silo needs no server for: that its releases are committed, and that the run is over, lies at the broker when the server
// has ended its work. Without this a silo that was away at the end of a run would wait for a server that is not coming back.

import { type JsMsg, jetstream } from '@nats-io/jetstream';
import type { Link } from './bucket.ts';
import { TASKS } from './subjects.ts';
import { within } from './waiting.ts';

/** What became of a task: settled, left where it was as it needs the server, or the last one of the run. */
export type Alone = 'settled' | 'left' | 'end';

export interface LookAlone {
  /** Looks through the tasks that wait, unless that is under way. Never throws. */
  look(): void;
  /** Resolves when the end of the run was among them; else never. */
  readonly ended: Promise<void>;
  /** Ends looking; resolves when the task under way is settled. */
  close(): Promise<void>;
}

/** `take` settles a task and acknowledges it, or leaves it. */
export function lookAlone(link: Link, silo: string, take: (task: JsMsg) => Promise<Alone>): LookAlone {
  const { nc, signal, timing, onRetry } = link;
  let looking: Promise<void> | null = null;
  let isClosed = false;
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const next = async (): Promise<JsMsg | null> => {
    const js = jetstream(nc, { timeout: timing.tryMs });
    const consumer = await within(js.consumers.get(TASKS, silo), {
      signal,
      limitMs: 2 * timing.tryMs,
      what: 'A look at the tasks',
    });
    return consumer.next({ expires: LEAST_EXPIRY_MS });
  };
  const lookThrough = async () => {
    while (!isClosed && !signal.aborted) {
      const task = await next();
      if (task === null) return;
      const became = await take(task);
      if (became === 'left') task.nak();
      if (became === 'end') end();
      if (became !== 'settled') return;
    }
  };
  return {
    ended,
    look() {
      if (isClosed) return;
      looking ??= lookThrough()
        .catch((error: Error) => {
          if (!signal.aborted) onRetry?.('A look at the tasks', error);
        })
        .finally(() => {
          looking = null;
        });
    },
    async close() {
      isClosed = true;
      await looking;
    },
  };
}

// --- internal ---

/** The client takes no less. */
const LEAST_EXPIRY_MS = 1_000;
