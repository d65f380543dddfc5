// How the hub hears of silos: who says hello is judged, and told again what it waits for.

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

// --- internal ---

/** It may have missed that what it keeps is committed. */
function greeted(hub: HubState, { silo, pending, state }: Body<'hello'>): void {
  if (state.plan !== hub.plan) return;
  for (const { round, sha256 } of commonTo(hub.committed(silo), pending)) {
    hub.background.start(tellCommitted(hub, { silo, round, sha256 }));
  }
}

function heard({ records, emit }: HubState, event: PresenceEvent): void {
  emit(event);
  if ('silo' in event) records.changed(event.silo);
}
