// Who may talk to the NATS server: its configuration follows the registry, and a running server is told at once.

import { findNatsServer, reloadNats } from '../net/nats-process.ts';
import { natsConfig } from '../net/nats-config.ts';
import { loadIdentity } from '../net/identity.ts';
import { withFolderLock } from '../storage/folder-lock.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { readRegistry, saveRegistry, type SiloRegistry } from './silo-registry.ts';
import { readSettings, type ServerLayout } from './server-folder.ts';

/** What became of a change: told to the NATS server that runs here, or to be told by a person where it runs. */
export type Told = 'reloaded' | 'not-running-here';

/**
 * Changes who may talk, in `silos.json` and then in nats-server.conf, one process at a time. Both are on disk when the promise
 * resolves. Done again after an interruption it comes to the same.
 */
export async function changeRegistry(
  layout: ServerLayout,
  change: (registry: SiloRegistry) => SiloRegistry,
): Promise<Told> {
  return withFolderLock(layout.root, { kind: REGISTRY_LOCK, waitMs: 10_000 }, async () => {
    await saveRegistry(layout.registry, change(await readRegistry(layout.registry)));
    await writeNatsConfig(layout);
    return (await reloadNats(layout.nats.pid)) ? 'reloaded' : 'not-running-here';
  });
}

/** Writes nats-server.conf as registry and settings have it. */
export async function writeNatsConfig(layout: ServerLayout): Promise<void> {
  const { port } = await readSettings(layout);
  const { silos } = await readRegistry(layout.registry);
  const identity = await loadIdentity(layout.identity);
  const found = await findNatsServer();
  const text = natsConfig({
    host: '0.0.0.0',
    port,
    storeDir: layout.nats.store,
    pidFile: layout.nats.pid,
    tls: { certificate: layout.nats.certificate, key: layout.nats.key },
    server: identity.publicKey,
    silos: silos.map(({ name, key, invite }) => ({ name, key, enrolKey: invite })),
    version: found?.version ?? null,
  });
  await writeFileAtomic(layout.nats.config, text);
}

// --- internal ---

const REGISTRY_LOCK = {
  name: 'registry-lock',
  held: 'Somebody else is changing who takes part in this federation',
  advice: 'try again in a moment',
};
