// How the hub hears of silos: who says hello is judged, and told again what it waits for; who is heard has not left.

import { forgottenRound, type HelloRules, judgeHello } from './hub-hello.ts';
import { openPresence, type Presence, type PresenceEvent } from './hub-presence.ts';
import type { HubState } from './hub-state.ts';
import { tellCommitted } from './hub-tells.ts';
import type { Body, Welcome } from './messages.ts';
import { commonTo } from './named-releases.ts';

/** Answers hellos and hears statuses from now on. `version`: of this software. */
export function listenToSilos(hub: HubState, welcome: Welcome, version: string): Presence {
  const { link, identity, plan, keys, records, committed } = hub;
  const rules: HelloRules = { version, plan, records, committed };
  return openPresence({
    nc: link.nc,
    identity,
    timing: link.timing,
    keyOf: (silo) => keys.get(silo),
    judge: (hello) => judgeHello(hello, rules),
    welcome,
    onHello(hello) {
      const forgotten = forgottenRound(hello, rules);
      if (forgotten !== null) hub.emit({ kind: 'silo-let-in-by-ledger', silo: hello.silo, round: forgotten });
      greeted(hub, hello);
    },
    on: (event) => heard(hub, event),
  });
}

/**
 * A silo that left before this server began may have come back while nobody listened, and need not say so again: it counts as
 * gone only after a time in which it would have been heard. Returns what ends that time without a word.
 */
export function listenForReturns({ link, keys, records }: HubState): () => void {
  const timer = setTimeout(() => {
    for (const silo of keys.keys()) {
      if (!records.of(silo).mayBeBack) continue;
      records.of(silo).mayBeBack = false;
      records.changed(silo);
    }
  }, link.timing.heardWithinMs);
  timer.unref();
  return () => clearTimeout(timer);
}

// --- internal ---

/** It may have missed that what it keeps is committed. */
function greeted(hub: HubState, { silo, instance, pending, state }: Body<'hello'>): void {
  const record = hub.records.of(silo);
  if (record.left !== null && record.left !== instance) record.left = null;
  if (state.plan !== hub.plan) return;
  for (const { round, sha256 } of commonTo(hub.committed(silo), pending)) {
    hub.background.start(tellCommitted(hub, { silo, round, sha256 }));
  }
}

function heard({ records, emit }: HubState, event: PresenceEvent): void {
  if (event.kind === 'silo-here') {
    const record = records.of(event.silo);
    if (record.left !== event.instance) record.left = null;
  }
  emit(event);
  if ('silo' in event) records.changed(event.silo);
}
