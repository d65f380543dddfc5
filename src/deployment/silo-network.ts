// Everything that a server has open towards its silos: the connection, the hub, trials of what comes, and the desk that lets in.

import { readFile } from 'node:fs/promises';
import { secretKey } from '../engine/keys.ts';
import type { Spec } from '../experiments/spec.ts';
import { connectNats } from '../net/connect.ts';
import { loadIdentity } from '../net/identity.ts';
import { provision } from '../net/provision.ts';
import { openSiloHub, type SiloHub } from '../net/silo-hub.ts';
import type { Timing } from '../net/timing.ts';
import { openDecoderTrials } from '../server/guarded-trial.ts';
import { reloadAdvice, type Told } from './authority.ts';
import type { CommittedRounds } from './committed-rounds.ts';
import { openEnrolmentDesk } from './enrolment-desk.ts';
import { every, LOOK_EVERY_MS } from './every.ts';
import { imagesOf, planOf } from './federation-spec.ts';
import { followRegistry } from './registry-follower.ts';
import type { ServerEvent } from './server-events.ts';
import type { ServerLayout } from './server-folder.ts';

export interface SiloNetworkOptions {
  readonly layout: ServerLayout;
  readonly spec: Spec;
  /** Addresses of the NATS server. */
  readonly servers: readonly string[];
  readonly committed: CommittedRounds;
  readonly version: string;
  readonly timing: Timing;
  readonly emit: (event: ServerEvent) => void;
  readonly signal: AbortSignal;
  /** Takes what has to be closed, the last first; also where opening fails half-way. */
  readonly atEnd: (close: () => Promise<unknown>) => void;
}

/** Opens all of it, and returns the hub. Throws what `connectNats` throws. */
export async function openSiloNetwork(options: SiloNetworkOptions): Promise<SiloHub> {
  const { layout, spec, servers, committed, version, timing, emit, signal, atEnd } = options;
  const identity = await loadIdentity(layout.identity);
  const nc = await connectNats(
    { servers, ca: await readFile(layout.authority, 'utf8') },
    {
      identity,
      inboxPrefix: '_INBOX',
      name: 'server',
      signal,
      onNotice: (notice) => emit({ kind: 'connection', notice }),
    },
  );
  atEnd(() => nc.close());
  const names = spec.silos.map(({ name }) => name);
  await provision(nc, names, { signal, timing });

  const { shape, classes } = imagesOf(spec);
  const trials = openDecoderTrials({
    shape,
    classes: spec.task === 'classify' ? classes : null,
    key: secretKey('trial'), // whoever knew it could make a decoder that behaves on trial only
  });
  atEnd(() => trials.close());

  const registry = await followRegistry(layout);
  atEnd(() => registry.idle());
  const notice = (text: string) => emit({ kind: 'notice', text });
  const requireReload = (what: string, told: Told | null) => {
    if (told === 'not-running-here') notice(`${what} ${reloadAdvice(layout)}`);
  };
  const forget = async (silo: string) => {
    try {
      requireReload(`${silo} has left, and its key is withdrawn.`, await registry.forget(silo));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      notice(`${silo} has left, but its key could not be withdrawn: ${why} Do it with align-fl server revoke.`);
    }
  };
  const hub = await openSiloHub({
    nc,
    identity,
    silos: registry.keys,
    gone: registry.gone,
    formerKeys: registry.formerKeys,
    version,
    run: spec.name,
    federation: spec.name,
    plan: planOf(spec),
    committedSoFar: (silo) => committed.of(silo),
    incomingDir: layout.incoming,
    inspect: (file, header) => trials.inspect(file, header, { signal }),
    emit(event) {
      emit({ kind: 'network', event });
      if (event.kind === 'silo-left') void forget(event.silo);
    },
    signal,
    timing,
  });
  atEnd(() => hub.close());
  atEnd(every(LOOK_EVERY_MS, () => registry.tell(hub)));

  const desk = openEnrolmentDesk(nc, {
    layout,
    spec,
    identity,
    async onJoined(silo) {
      await registry.tell(hub);
      emit({ kind: 'silo-joined', silo });
    },
    onAnswered: (silo, told) => requireReload(`${silo} has a key of its own.`, told),
    onRefused: (silo, why) => emit({ kind: 'join-refused', silo, why }),
  });
  atEnd(() => desk.close());
  return hub;
}
