// Leaving for good: a silo says so to its server. Nothing is agreed to, trained or released, and no images are read.

import { randomUUID } from 'node:crypto';
import { AccessError, StateError } from '../errors.ts';
import { sayHello } from '../net/agent-hello.ts';
import { publish } from '../net/agent-release.ts';
import { connectNats } from '../net/connect.ts';
import { type Identity, loadIdentity } from '../net/identity.ts';
import { siloInbox } from '../net/nats-permissions.ts';
import { pause } from '../net/waiting.ts';
import { TIMING, type Timing } from '../net/timing.ts';
import type { SiloEvent } from './silo-events.ts';
import {
  changeSiloSettings,
  identityFiles,
  requireSiloSettings,
  type SiloLayout,
  type SiloSettings,
} from './silo-home.ts';
import { roundDone } from './silo-rounds.ts';
import { whenReachable } from './when-reachable.ts';
import { isAtWork, whileWorkingIn } from './work-lock.ts';

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
 * Resolves when the broker has the farewell, from here or from the process that works for this silo and is ended by it. The silo
 * takes part no more, whether its server could be told or not. Throws AbortedError when stopped while the server is away or the
 * process is not at its end.
 */
export async function leaveFederation(options: LeaveOptions): Promise<void> {
  const { layout, signal } = options;
  await changeSiloSettings(layout, { wish: 'left' });
  for (;;) {
    while (await isAtWork(layout.root)) await pause(LOOK_EVERY_MS, signal);
    try {
      return await whileWorkingIn(layout.root, () => sayFarewell(options));
    } catch (error) {
      if (!(error instanceof StateError && 'pid' in error.facts)) throw error;
      await pause(LOOK_EVERY_MS, signal); // a process came first, perhaps on another machine: it sees the wish, too
    }
  }
}

// --- internal ---

const LOOK_EVERY_MS = 200;

async function sayFarewell(options: LeaveOptions): Promise<void> {
  const { layout } = options;
  const settings = await requireSiloSettings(layout);
  if (settings.farewell) return;
  for (const file of settings.shown ? await identityFiles(layout) : []) {
    try {
      await tellServer(options, settings, await loadIdentity(file));
      break;
    } catch (error) {
      // A key that was never let in, was revoked, or said farewell already without living to note it, has nobody to tell.
      if (!(error instanceof AccessError && KNOWN_NO_MORE.has(String(error.facts['reason'])))) throw error;
    }
  }
  await changeSiloSettings(layout, { farewell: true });
}

const KNOWN_NO_MORE: ReadonlySet<string> = new Set(['unknown-key', 'REVOKED']);

async function tellServer(options: LeaveOptions, settings: SiloSettings, identity: Identity): Promise<void> {
  const { layout, emit, signal, version, timing = TIMING } = options;
  const { silo, server, agreed } = settings;
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
      hello: { silo, instance, version, state, pending: [], isLeaving: true },
      seals: async () => [], // whoever leaves need not know its past
      emit: (event) => emit({ kind: 'agent', event }),
    });
    await publish(
      { link, identity, silo },
      'left',
      { run, silo, instance },
      'Telling the server that this silo leaves',
    );
    await nc.flush();
  } finally {
    await nc.close();
  }
}
