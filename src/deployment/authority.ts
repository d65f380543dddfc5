// Who may talk to the NATS server: its configuration follows the registry, and a server that runs here is told at once.

import { LostPeerError } from '../errors.ts';
import { loadIdentity } from '../net/identity.ts';
import { natsConfig } from '../net/nats-config.ts';
import { findNatsServer, reloadNatsServer } from '../net/nats-process.ts';
import { MAX_BUCKET_BYTES } from '../net/subjects.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { withFolderLock } from '../storage/folder-lock.ts';
import { readSettings, type ServerLayout } from './server-folder.ts';
import { readRegistry, saveRegistry, type SiloRegistry } from './silo-registry.ts';

/** What became of a change: told to the NATS server that runs here, or to be told by a person where it runs. */
export type Told = 'reloaded' | 'not-running-here';

/** A change that is made. */
export interface RegistryChange {
  /** The registry that was changed. */
  readonly before: SiloRegistry;
  readonly told: Told;
}

/**
 * Changes who may talk, in `silos.json` and then in nats-server.conf, one process at a time. Both are on disk when the promise
 * resolves. Done again after an interruption it comes to the same. Throws StateError where the NATS server refuses.
 */
export async function changeRegistry(
  layout: ServerLayout,
  change: (registry: SiloRegistry) => SiloRegistry,
): Promise<RegistryChange> {
  return locked(layout, async () => {
    const before = await readRegistry(layout.registry);
    await saveRegistry(layout.registry, change(before));
    await writeConfig(layout);
    const { config, log, pid } = layout.nats;
    try {
      await reloadNatsServer({ config, log, pidFile: pid });
      return { before, told: 'reloaded' };
    } catch (error) {
      if (error instanceof LostPeerError) return { before, told: 'not-running-here' };
      throw error;
    }
  });
}

/** What is to be done where the NATS server was not told. */
export function reloadAdvice({ nats }: ServerLayout): string {
  return (
    'The NATS server reads this when it starts. If one runs elsewhere already, copy ' +
    `${nats.config} there and reload it: nats-server --signal reload`
  );
}

/** The same, but nobody is told yet: a server that reads its configuration again may lose an answer that is on its way. */
export async function noteInRegistry(
  layout: ServerLayout,
  change: (registry: SiloRegistry) => SiloRegistry,
): Promise<void> {
  await locked(layout, async () => saveRegistry(layout.registry, change(await readRegistry(layout.registry))));
}

/** Writes nats-server.conf as settings and registry have it, one process at a time. */
export async function writeNatsConfig(layout: ServerLayout): Promise<void> {
  await locked(layout, () => writeConfig(layout));
}

// --- internal ---

function locked<T>(layout: ServerLayout, work: () => Promise<T>): Promise<T> {
  return withFolderLock(layout.root, { kind: REGISTRY_LOCK, waitMs: 10_000 }, work);
}

async function writeConfig(layout: ServerLayout): Promise<void> {
  const { port, listen } = await readSettings(layout);
  const { silos } = await readRegistry(layout.registry);
  const { publicKey } = await loadIdentity(layout.identity);
  const { config, certificate, key, store } = layout.nats;
  const text = natsConfig({
    host: listen,
    port,
    storeDir: store,
    tls: { certFile: certificate, keyFile: key },
    server: publicKey,
    silos: silos.map((silo) => ({ name: silo.name, key: silo.key, enrolKey: silo.invite ?? silo.usedInvite })),
    maxStoreBytes: MESSAGES_BYTES + silos.length * MAX_BUCKET_BYTES,
    natsVersion: findNatsServer()?.version ?? USUAL_VERSION,
  });
  await writeFileAtomic(config, text);
}

/** Tasks and notices of all silos, beside their buckets. */
const MESSAGES_BYTES = 4 * 2 ** 30;

/** Where no nats-server is here, it runs elsewhere, and is hopefully not an old one. */
const USUAL_VERSION = '2.11.15';

const REGISTRY_LOCK = {
  name: 'registry-lock',
  held: 'Somebody else is changing who takes part in this federation',
  advice: 'try again in a moment',
};
