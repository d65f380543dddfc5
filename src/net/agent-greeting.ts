// How a silo begins to work for a server: it is let in, its owner agrees, and what it still keeps is at the broker.

import { PrivacyError } from '../errors.ts';
import type { LookAlone } from './agent-alone.ts';
import { sayHello } from './agent-hello.ts';
import { deliver } from './agent-release.ts';
import type { Agent } from './agent-state.ts';
import { MOST_NAMED, type Welcome } from './messages.ts';
import type { AgentEvent } from './net-events.ts';

/**
 * The server's welcome, once all of that is done. `alone` is looked through while the server is away. Throws what `sayHello` and
 * `agree` throw, and StateError where the outbox is damaged.
 */
export async function greet(agent: Agent, alone?: LookAlone): Promise<Welcome> {
  const { link, identity, server, silo, instance, version, outbox, emit } = agent;
  const state = await agent.state();
  const kept = state.plan === null ? [] : await outbox.list(state.plan);
  const pending = kept.slice(-MOST_NAMED).map(({ header }) => ({
    round: header.round,
    sha256: header.decoder.sha256,
  }));
  const onEvent = (event: AgentEvent) => {
    emit(event);
    if (event.kind === 'server-away' && state.plan !== null) alone?.look();
  };
  const hello = { silo, instance, version, state, pending };
  const { welcome, isByLedger } = await sayHello({ link, identity, server, hello, seals: agent.seals, emit: onEvent });
  agent.run = welcome.run;
  await alone?.close(); // what it took is settled before anything else happens
  emit({ kind: 'welcome', run: welcome.run, plan: welcome.plan });
  try {
    await agent.agree(welcome, isByLedger);
  } catch (error) {
    if (error instanceof PrivacyError) agent.status.end('declined');
    throw error;
  }
  agent.status.set('idle');
  await deliverKept(agent, welcome.plan); // which it may wait for
  return welcome;
}

// --- internal ---

async function deliverKept(agent: Agent, plan: string): Promise<void> {
  const { outbox, departures } = agent;
  for (const entry of await outbox.list(plan)) {
    const { round, decoder } = entry.header;
    const last = departures.last(plan, round);
    const isSettled = last?.sha256 === decoder.sha256 && (last.state === 'committed' || last.state === 'refused');
    if (isSettled)
      await outbox.remove(plan, round); // stopped between noting and removing
    else await deliver(agent, entry); // where the broker has all of it, nothing happens
  }
}
