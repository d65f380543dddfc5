// Leaving for good: a silo says so to its server. Nothing is agreed to, trained or released, and no images are read.

import { randomUUID } from 'node:crypto';
import { sayHello } from '../net/agent-hello.ts';
import { publish } from '../net/agent-release.ts';
import { connectNats } from '../net/connect.ts';
import { loadIdentity } from '../net/identity.ts';
import { siloInbox } from '../net/nats-permissions.ts';
import { TIMING, type Timing } from '../net/timing.ts';
import { sealedReleases } from '../silo/sealed-releases.ts';
import type { SiloEvent } from './silo-events.ts';
import { requireSiloSettings, type SiloLayout } from './silo-home.ts';
import { roundDone } from './silo-rounds.ts';
import { whenReachable } from './when-reachable.ts';
import { whileWorkingIn } from './work-lock.ts';

export interface LeaveOptions {
  readonly layout: SiloLayout;
  readonly emit: (event: SiloEvent) => void;
  readonly signal: AbortSignal;
  /** Of align-fl. */
  readonly version: string;
  /** For tests, and the same as that of the server. */
  readonly timing?: Timing;
}

/**
 * Resolves when the broker has the farewell. Throws AccessError where the server does not know this silo's key, AbortedError
 * when stopped while the server is away.
 */
export async function leaveFederation(options: LeaveOptions): Promise<void> {
  const { layout, emit, signal, version, timing = TIMING } = options;
  await whileWorkingIn(layout.root, async () => {
    const settings = await requireSiloSettings(layout);
    const { silo, server, agreed } = settings;
    const identity = await loadIdentity(layout.identity);
    const as = { identity, inboxPrefix: siloInbox(silo), name: `silo ${silo}`, signal };
    const nc = await whenReachable(options, () => connectNats(settings, as));
    try {
      const instance = randomUUID();
      const state = { plan: agreed, round: agreed === null ? null : await roundDone(layout, agreed) };
      const link = { nc, timing, signal };
      const {
        welcome: { run },
      } = await sayHello({
        link,
        identity,
        server,
        hello: { silo, instance, version, state, pending: [] },
        seals: () => sealedReleases({ name: silo, ledgerDir: settings.ledger }, settings.federation),
        emit: (event) => emit({ kind: 'agent', event }),
      });
      await publish({ link, identity, silo }, 'left', { run, silo, instance }, 'The farewell');
      await nc.flush();
    } finally {
      await nc.close();
    }
  });
}
