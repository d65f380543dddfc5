// What a silo needs no server for: that its releases are committed, and that the run is over, lies at the broker when the server
// has ended its work. Without this a silo that was away at the end of a run would wait for a server that is not coming back.

import { type JsMsg, jetstream } from '@nats-io/jetstream';
import { forgetAll, settle } from './agent-settle.ts';
import type { Agent } from './agent-state.ts';
import { acknowledge, openTask } from './agent-tasks.ts';
import { TASKS } from './subjects.ts';
import { within } from './waiting.ts';

export interface LookAlone {
  /** Looks through the tasks that wait, unless that is under way. Never throws. */
  look(): void;
  /** Resolves when the end of the run was among them; else never. */
  readonly ended: Promise<void>;
  /** Ends looking; resolves when the task under way is settled. */
  close(): Promise<void>;
}

/** Looks at nothing yet. */
export function lookAlone(agent: Agent): LookAlone {
  const { nc, signal, timing, onRetry } = agent.link;
  let looking: Promise<void> | null = null;
  let isClosed = false;
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const next = async (): Promise<JsMsg | null> => {
    const js = jetstream(nc, { timeout: timing.tryMs });
    const consumer = await within(js.consumers.get(TASKS, agent.silo), {
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
      const became = await takeAlone(agent, task);
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

/** What became of a task: settled, left where it was as it needs the server, or the last one of the run. */
type Outcome = 'settled' | 'left' | 'end';

/** Settles a task and acknowledges it, or leaves it: nothing is trained, and nothing leaves. */
async function takeAlone(agent: Agent, task: JsMsg): Promise<Outcome> {
  const { outbox, departures } = agent;
  const message = openTask(agent, task);
  const { plan } = await agent.state();
  if (message === null || message.body.plan !== plan) return 'left';
  if (message.kind === 'train') {
    const { round } = message.body;
    const isCommitted = departures.last(plan, round)?.state === 'committed';
    if (!isCommitted && (await outbox.get(plan, round)) === null) return 'left';
  } else if (message.kind === 'end') await forgetAll(agent, plan);
  else await settle(agent, message.body);
  await acknowledge(agent, task);
  return message.kind === 'end' ? 'end' : 'settled';
}

/** The client takes no less. */
const LEAST_EXPIRY_MS = 1_000;
