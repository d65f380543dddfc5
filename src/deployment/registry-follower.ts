// The registry of a server at work is its file, which other processes change: invite, revoke. Here is only what the hub knows of it.

import type { Gone } from '../net/hub-records.ts';
import type { SiloHub } from '../net/silo-hub.ts';
import { changeRegistry, type Told } from './authority.ts';
import type { ServerLayout } from './server-folder.ts';
import { accessOf, readRegistry, registered, type SiloRegistry, withoutKey } from './silo-registry.ts';

/** One change or look at a time, in the order of the calls. */
export interface RegistryFollower {
  /** Public keys by silo, for a hub to begin with. */
  readonly keys: ReadonlyMap<string, string>;
  /** Silos that are gone, for a hub to begin with. */
  readonly gone: ReadonlyMap<string, Gone>;
  /** Keys that silos had before, for a hub to begin with. */
  readonly formerKeys: ReadonlyMap<string, readonly string[]>;
  /** Reads the registry, and tells the hub of every key that is another than it knows. */
  tell(hub: Pick<SiloHub, 'addSilo' | 'removeSilo'>): Promise<void>;
  /** Takes the key with which the silo has just said farewell; null where it has another by now, or none. */
  forget(silo: string): Promise<Told | null>;
  /** Resolves when nothing of it is under way. */
  idle(): Promise<void>;
}

/** Throws StateError where the registry is damaged. */
export async function followRegistry(layout: ServerLayout): Promise<RegistryFollower> {
  const { silos } = await readRegistry(layout.registry);
  const known = new Map(silos.map(({ name, key, gone }) => [name, { key, gone }])); // to the hub
  let running: Promise<void> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = running.then(work);
    running = turn.then(ignore, ignore); // its own caller was told
    return turn;
  };
  return {
    keys: new Map(silos.flatMap(({ name, key }) => (key === null ? [] : [[name, key] as const]))),
    formerKeys: new Map(silos.map(({ name, formerKeys }) => [name, formerKeys])),
    gone: new Map(
      silos.flatMap((silo) => (silo.gone !== null && accessOf(silo) === silo.gone ? [[silo.name, silo.gone]] : [])),
    ),
    tell: (hub) =>
      inTurn(async () => {
        for (const { name, key, gone } of (await readRegistry(layout.registry)).silos) {
          const last = known.get(name);
          known.set(name, { key, gone });
          if (key !== null && key !== last?.key) hub.addSilo(name, key);
          if (gone !== null && gone !== last?.gone) hub.removeSilo(name, gone);
        }
      }),
    forget(silo) {
      const key = known.get(silo)?.key; // with which the hub has heard it, now
      const isIts = (registry: SiloRegistry) => Boolean(key) && registered(registry, silo).key === key;
      return inTurn(async () => {
        const { before, told } = await changeRegistry(layout, (registry) =>
          isIts(registry) ? withoutKey(registry, silo, 'left') : registry,
        );
        return isIts(before) ? told : null;
      });
    },
    idle: () => running,
  };
}

// --- internal ---

const ignore = () => {};
