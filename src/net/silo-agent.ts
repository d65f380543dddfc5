// The silo's end of the network: takes tasks one at a time, answers each, and keeps what it gave until the server has it.

import { type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { MessageError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { type Alone, lookAlone, type LookAlone } from './agent-alone.ts';
import { sayHello } from './agent-hello.ts';
import { answerTask, deliver, publish, type RoundWork } from './agent-release.ts';
import { openStatus } from './agent-status.ts';
import { siloTasks } from './agent-tasks.ts';
import type { Link } from './bucket.ts';
import type { Departures } from './departures.ts';
import { openMessage, type Signer } from './envelope.ts';
import type { Body, Message, SiloState, Welcome } from './messages.ts';
import type { AgentEvent } from './net-events.ts';
import type { Outbox } from './outbox.ts';
import { removeOtherParts } from './parts.ts';
import { requireSiloName } from './provision.ts';
import { TIMING, type Timing } from './timing.ts';
import { closedConnection, throwIfAborted, within } from './waiting.ts';

export interface SiloAgentOptions {
  readonly nc: NatsConnection;
  /** The silo's. */
  readonly identity: Signer;
  readonly silo: string;
  /** Public key of the server. */
  readonly server: string;
  /** Names this process: another one with the same identity is turned away. */
  readonly instance: string;
  /** Of this software. */
  readonly version: string;
  readonly home: { readonly outbox: Outbox; readonly departures: Departures };
  /** The last round that the silo's folder knows to be done, and of which plan. */
  readonly state: () => SiloState | Promise<SiloState>;
  /** Asks the owner, or looks whether they agreed already. Throws to refuse: then nothing leaves and nothing is trained. */
  readonly agree: (welcome: Welcome) => Promise<void>;
  /** Plays a round, or answers one that is done from disk. */
  readonly play: (
    round: number,
    hooks: { readonly signal: AbortSignal; readonly onPercent: (percent: number) => void },
  ) => Promise<ReceivedRelease>;
  readonly emit: (event: AgentEvent) => void;
  readonly signal: AbortSignal;
  /** Fires when the silo is to leave the federation: it says so, and the agent ends. */
  readonly leave?: AbortSignal | undefined;
  readonly timing?: Timing;
}

/**
 * Works for the server until the run ends or the silo leaves. Throws AbortedError when stopped, what `agree` throws, what
 * `sayHello` throws, and StateError where the silo's own folders are damaged. A round that fails is told to the server by its
 * code alone, and the agent goes on.
 */
export async function runSiloAgent(options: SiloAgentOptions): Promise<'ended' | 'left'> {
  const { nc, identity, silo, server, instance, home, emit, leave, timing = TIMING } = options;
  requireSiloName(silo);
  const done = new AbortController(); // ends the tasks when the run has
  const signals = [options.signal, done.signal, ...(leave ? [leave] : [])];
  const signal = AbortSignal.any(signals);
  const onRetry = (what: string, error: Error) => emit({ kind: 'retry', what, message: error.message });
  const link: Link = { nc, timing, signal, onRetry };
  void nc.closed().then(() => done.abort(closedConnection(nc)));
  const status = openStatus({ nc, identity, silo, instance, everyMs: timing.statusEveryMs });
  const { play } = options;
  const work: RoundWork = { link, identity, silo, ...home, status, play, emit };
  let welcome: Welcome | null = null;

  const greet = async (alone?: LookAlone): Promise<Welcome> => {
    const state = await options.state();
    const waiting = state.plan === null ? [] : await home.outbox.list(state.plan);
    const pending = waiting.slice(-256).map(({ header }) => ({ round: header.round, sha256: header.decoder.sha256 }));
    const hello = { silo, instance, version: options.version, state, pending };
    const onAway = (event: AgentEvent) => {
      emit(event);
      if (event.kind === 'server-away' && state.plan !== null) alone?.look();
    };
    const answer = await sayHello({ link, identity, server, hello, emit: onAway });
    await alone?.close(); // what it took is settled before anything else happens
    emit({ kind: 'welcome', run: answer.run, plan: answer.plan });
    await options.agree(answer);
    for (const entry of await home.outbox.list(answer.plan)) {
      const { round, decoder } = entry.header;
      const last = home.departures.last(answer.plan, round);
      const isSettled = last?.sha256 === decoder.sha256 && (last.state === 'committed' || last.state === 'refused');
      if (isSettled)
        await home.outbox.remove(answer.plan, round); // stopped between noting and removing
      else await deliver(work, entry); // where the broker has all of it, nothing happens
    }
    status.set('idle');
    return answer;
  };

  /** True when the run is over. */
  const handle = async (task: JsMsg): Promise<boolean> => {
    const opened = open(task);
    if (opened === null) {
      task.term(); // never again
      return false;
    }
    const { run, plan } = opened.body;
    const isOfNow = () => welcome?.plan === plan && welcome.run === run;
    if (!isOfNow() && task.seq > (welcome?.since ?? 0)) welcome = await greet(); // the server has begun another run
    if (!isOfNow()) {
      const round = 'round' in opened.body ? opened.body.round : null;
      emit({ kind: 'task-ignored', round, because: 'it is of another run than the server has now' });
      await acknowledge(task);
      return false;
    }
    switch (opened.kind) {
      case 'train':
        await answerTask(work, opened.body, task.seq);
        break;
      case 'committed':
        await settle(opened.body, 'committed');
        break;
      case 'refused':
        await settle(opened.body, 'refused');
        break;
      case 'end':
        await forgetAll(plan);
        break;
    }
    await acknowledge(task);
    return opened.kind === 'end';
  };
  /** While the server is away: nothing is trained, and nothing leaves. */
  const handleAlone = async (task: JsMsg): Promise<Alone> => {
    const opened = open(task);
    const { plan } = await options.state();
    if (opened === null || opened.body.plan !== plan) return 'left';
    if (opened.kind === 'train') {
      const { round } = opened.body;
      const isCommitted = home.departures.last(plan, round)?.state === 'committed';
      if (!isCommitted && (await home.outbox.get(plan, round)) === null) return 'left';
    } else if (opened.kind === 'end') await forgetAll(plan);
    else await settle(opened.body, opened.kind);
    await acknowledge(task);
    return opened.kind === 'end' ? 'end' : 'settled';
  };
  const forgetAll = async (plan: string) => {
    for (const { header } of await home.outbox.list(plan)) await home.outbox.remove(plan, header.round);
  };
  const open = (task: JsMsg): Message<'train' | 'committed' | 'refused' | 'end'> | null => {
    try {
      const kinds = ['train', 'committed', 'refused', 'end'] as const;
      return openMessage(task.data, { subject: task.subject, from: server, kinds });
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      const { facts, message } = error;
      emit({ kind: 'message-dropped', subject: task.subject, reason: String(facts['reason']), message });
      return null;
    }
  };
  const settle = async (body: Body<'committed'> | Body<'refused'>, how: 'committed' | 'refused') => {
    const { outbox, departures } = home;
    const { plan, round, sha256 } = body;
    const entry = await outbox.get(plan, round);
    if (entry?.header.decoder.sha256 !== sha256) return; // known already
    await departures.note(entry.header, how, 'code' in body ? `${body.code} ${body.reason}`.slice(0, 200) : undefined);
    for (const { header } of await outbox.list(plan)) {
      if (header.round === round || (how === 'committed' && header.round < round))
        await outbox.remove(plan, header.round);
    }
    const keep = (await outbox.list(plan)).flatMap(({ header }) => header.parts.map((part) => part.sha256));
    await removeOtherParts(link, silo, new Set(keep));
    status.set('idle');
    if ('code' in body) emit({ kind: 'refused', round, sha256, code: body.code, reason: body.reason });
    else emit({ kind: 'committed', round, sha256 });
  };
  /** A task whose acknowledgement is lost comes again, and is answered from disk. */
  const acknowledge = async (task: JsMsg) => {
    await task.ackAck({ timeout: timing.tryMs }).catch((error: Error) => onRetry('An acknowledgement', error));
  };

  try {
    try {
      const alone = lookAlone(link, silo, handleAlone);
      const greeting = greet(alone);
      welcome = await Promise.race([greeting, alone.ended.then(() => null)]);
      if (welcome === null) {
        done.abort();
        await greeting.catch(() => {});
        return 'ended';
      }
      for await (const task of siloTasks(link, silo)) {
        const timer = setInterval(() => task.working(), timing.workingEveryMs);
        try {
          if (await handle(task)) return 'ended';
        } catch (error) {
          task.nak(); // for the next process of this silo, without the wait
          throw error;
        } finally {
          clearInterval(timer);
        }
      }
    } catch (error) {
      if (!leave?.aborted || options.signal.aborted) throw error;
    }
    if (!leave?.aborted || options.signal.aborted) throwIfAborted(signal, `The silo ${silo}`);
    const farewell = { link: { ...link, signal: options.signal }, identity, silo };
    if (welcome) await publish(farewell, 'left', { run: welcome.run, silo, instance }, 'The farewell');
    return 'left';
  } finally {
    status.stop();
    done.abort();
    // The last words. A connection that is closed under the client's flush, or has nobody at its other end, would never answer it.
    const told = nc.isClosed() ? nc.closed() : Promise.race([nc.flush(), nc.closed()]);
    const limit = { signal: new AbortController().signal, limitMs: timing.tryMs, what: 'The last words' };
    await within(told, limit).catch(() => {});
  }
}
