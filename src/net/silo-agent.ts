// The silo's end of the network: takes tasks one at a time, answers each, and keeps what it gave until the server has it.

import type { JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { lookAlone } from './agent-alone.ts';
import { greet } from './agent-greeting.ts';
import { answerTask, publish } from './agent-release.ts';
import { forgetAll, settle } from './agent-settle.ts';
import type { Agent, AgentSelf } from './agent-state.ts';
import { openStatus } from './agent-status.ts';
import { acknowledge, openTask, siloTasks, type TaskMessage } from './agent-tasks.ts';
import type { Departures } from './departures.ts';
import type { Outbox } from './outbox.ts';
import { requireSiloName } from './subjects.ts';
import { TIMING, type Timing } from './timing.ts';
import { closedConnection, throwIfAborted, within } from './waiting.ts';

export interface SiloAgentOptions extends AgentSelf {
  readonly nc: NatsConnection;
  readonly home: { readonly outbox: Outbox; readonly departures: Departures };
  readonly signal: AbortSignal;
  /** Fires when the owner wants the silo to stop until they start it again. */
  readonly pause?: AbortSignal | undefined;
  /** Fires when the silo is to leave the federation: it says so, and the agent ends. */
  readonly leave?: AbortSignal | undefined;
  readonly timing?: Timing;
}

/**
 * Works for the server until the run ends or the silo leaves. Throws AbortedError when stopped, what `agree` throws, what
 * `sayHello` throws, and StateError where the silo's own folders are damaged. A round that fails is told to the server by its
 * code alone, and the agent goes on. Whoever leaves before the server has answered has nobody to tell: AbortedError.
 */
export async function runSiloAgent(options: SiloAgentOptions): Promise<'ended' | 'left'> {
  const { nc, silo, pause, leave } = options;
  requireSiloName(silo);
  const done = new AbortController(); // ends the tasks when the run has
  void nc.closed().then(() => done.abort(closedConnection(nc)));
  const stopping = AbortSignal.any([options.signal, ...(pause ? [pause] : [])]);
  const signal = AbortSignal.any([stopping, done.signal, ...(leave ? [leave] : [])]);
  const agent = agentOf(options, signal);
  const isLeaving = () => leave?.aborted === true && !stopping.aborted;
  try {
    const isOver = await workFor(agent, done).catch((error: unknown) => {
      if (!isLeaving()) throw error;
      return false;
    });
    if (isOver) {
      agent.status.end('done');
      return 'ended';
    }
    if (!isLeaving() || agent.run === null) throwIfAborted(signal, `The silo ${silo}`);
    await sayFarewell(agent, stopping);
    agent.status.end('left');
    return 'left';
  } finally {
    agent.status.end(pause?.aborted ? 'paused' : 'stopped');
    done.abort();
    // The last words. A connection that is closed under the client's flush, or has nobody at its other end, would never answer it.
    const told = nc.isClosed() ? nc.closed() : Promise.race([nc.flush(), nc.closed()]);
    const limit = { signal: new AbortController().signal, limitMs: agent.link.timing.tryMs, what: 'The last words' };
    await within(told, limit).catch(() => {});
  }
}

// --- internal ---

function agentOf(options: SiloAgentOptions, signal: AbortSignal): Agent {
  const { nc, identity, silo, server, instance, version, home, timing = TIMING } = options;
  const { state, seals, agree, play, emit } = options;
  const onRetry = (what: string, error: Error) => emit({ kind: 'retry', what, message: error.message });
  return {
    ...{ identity, silo, server, instance, version, state, seals, agree, play, emit },
    link: { nc, timing, signal, onRetry },
    outbox: home.outbox,
    departures: home.departures,
    status: openStatus({ nc, identity, silo, instance, everyMs: timing.statusEveryMs }),
    welcome: null,
    run: null,
  };
}

/** True when the run is over, false when the signal has fired. */
async function workFor(agent: Agent, done: AbortController): Promise<boolean> {
  const { link, silo } = agent;
  if (await isOverBeforeWelcome(agent, done)) return true;
  for await (const task of siloTasks(link, silo)) {
    const timer = setInterval(() => task.working(), link.timing.workingEveryMs);
    try {
      if (await take(agent, task)) return true;
    } catch (error) {
      task.nak(); // for the next process of this silo, without the wait
      throw error;
    } finally {
      clearInterval(timer);
    }
  }
  return false;
}

/** Waits for the server's welcome, or for the end of the run among the tasks that lie at the broker. */
async function isOverBeforeWelcome(agent: Agent, done: AbortController): Promise<boolean> {
  const alone = lookAlone(agent);
  const greeting = greet(agent, alone);
  try {
    agent.welcome = await Promise.race([greeting, alone.ended.then(() => null)]);
    if (agent.welcome !== null) return false;
    done.abort();
    await greeting.catch(() => {});
    return true;
  } finally {
    await alone.close();
  }
}

/** Does what a task says, and acknowledges it. True when the run is over. */
async function take(agent: Agent, task: JsMsg): Promise<boolean> {
  const message = openTask(agent, task);
  if (message === null) {
    task.term(); // never again
    return false;
  }
  const isOfNow = await isOfThisRun(agent, message, task.seq);
  if (isOfNow) await follow(agent, message, task.seq);
  else {
    const round = 'round' in message.body ? message.body.round : null;
    agent.emit({ kind: 'task-ignored', round, because: 'it is of another run than the server has now' });
  }
  await acknowledge(agent, task);
  return isOfNow && message.kind === 'end';
}

/** Greets the server again where it may have begun another run. `seq`: number of the task in its stream. */
async function isOfThisRun(agent: Agent, { body: { run, plan } }: TaskMessage, seq: number): Promise<boolean> {
  const isOfNow = () => agent.welcome?.plan === plan && agent.welcome.run === run;
  if (!isOfNow() && seq > (agent.welcome?.since ?? 0)) agent.welcome = await greet(agent);
  return isOfNow();
}

async function follow(agent: Agent, message: TaskMessage, seq: number): Promise<void> {
  switch (message.kind) {
    case 'train':
      return answerTask(agent, message.body, seq);
    case 'committed':
    case 'refused':
      return settle(agent, message.body);
    case 'end':
      return forgetAll(agent, message.body.plan);
  }
}

/** Tells the server that the silo takes part no more, where it was let in. */
async function sayFarewell({ link, identity, silo, instance, run }: Agent, signal: AbortSignal): Promise<void> {
  if (run === null) return;
  const farewell = { link: { ...link, signal }, identity, silo }; // the agent's own signal has fired
  await publish(farewell, 'left', { run, silo, instance }, 'Telling the server that this silo leaves');
}
