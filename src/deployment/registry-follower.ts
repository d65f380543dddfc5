// The registry of a server at work is its file, which other processes change: invite, revoke. Here is only what the hub knows of it.

import type { Gone } from '../net/hub-records.ts';
import type { SiloHub } from '../net/silo-hub.ts';
import { changeRegistry } from './authority.ts';
import type { ServerLayout } from './server-folder.ts';
import { accessOf, readRegistry, withoutKey } from './silo-registry.ts';

/** One change or look at a time, in the order of the calls. */
export interface RegistryFollower {
  /** Public keys by silo, for a hub to begin with. */
  readonly keys: ReadonlyMap<string, string>;
  /** Silos that are gone, for a hub to begin with. */
  readonly gone: ReadonlyMap<string, Gone>;
  /** Reads the registry, and tells the hub of every key that is another than it knows. */
  tell(hub: Pick<SiloHub, 'addSilo' | 'removeSilo'>): Promise<void>;
  /** Takes its key from a silo that has left by itself, which the hub knows. */
  forget(silo: string): Promise<void>;
  /** Resolves when nothing of it is under way. */
  idle(): Promise<void>;
}

/** Throws StateError where the registry is damaged. */
export async function followRegistry(layout: ServerLayout): Promise<RegistryFollower> {
  const { silos } = await readRegistry(layout.registry);
  const known = new Map(silos.map(({ name, key }) => [name, key])); // to the hub
  let running: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const turn = running.then(work);
    running = turn.catch(() => {}); // its own caller was told
    return turn;
  };
  return {
    keys: new Map(silos.flatMap(({ name, key }) => (key === null ? [] : [[name, key] as const]))),
    gone: new Map(
      silos.flatMap((silo) => (silo.gone !== null && accessOf(silo) === silo.gone ? [[silo.name, silo.gone]] : [])),
    ),
    tell: (hub) =>
      inTurn(async () => {
        for (const { name, key } of (await readRegistry(layout.registry)).silos) {
          if (known.get(name) === key) continue;
          known.set(name, key);
          if (key === null) hub.removeSilo(name);
          else hub.addSilo(name, key);
        }
      }),
    forget: (silo) =>
      inTurn(async () => {
        await changeRegistry(layout, (registry) => withoutKey(registry, silo, 'left'));
        known.set(silo, null);
      }),
    idle: () => running,
  };
}
