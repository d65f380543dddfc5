// What a silo may forget: a release that the server has for good or will not use, and all of a run that is over.

import { removeUnneededParts } from './agent-release.ts';
import type { Agent } from './agent-state.ts';
import type { Body } from './messages.ts';

/** Notes what became of a release, then forgets it and its parts; what is known already changes nothing. */
export async function settle(agent: Agent, body: Body<'committed'> | Body<'refused'>): Promise<void> {
  const { outbox, departures, status, emit } = agent;
  const { plan, round, sha256 } = body;
  const refusal = 'code' in body ? { code: body.code, reason: body.reason } : null;
  const entry = await outbox.get(plan, round);
  if (entry?.header.decoder.sha256 !== sha256) return;
  if (refusal) await departures.note(entry.header, 'refused', `${refusal.code} ${refusal.reason}`.slice(0, 200));
  else await departures.note(entry.header, 'committed');
  for (const { header } of await outbox.list(plan)) {
    const isBehind = refusal === null && header.round < round;
    if (header.round === round || isBehind) await outbox.remove(plan, header.round);
  }
  await removeUnneededParts(agent, plan);
  status.set('idle');
  emit(refusal ? { kind: 'refused', round, sha256, ...refusal } : { kind: 'committed', round, sha256 });
}

/** Forgets every release of a plan whose run is over. */
export async function forgetAll({ outbox }: Agent, plan: string): Promise<void> {
  for (const { header } of await outbox.list(plan)) await outbox.remove(plan, header.round);
}
