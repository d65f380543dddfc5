// Who is who in a federation, as its server knows it: public keys only, and what became of each silo. `silos.json`.

import { z } from 'zod';
import { SpecError, StateError } from '../errors.ts';
import type { Gone } from '../net/hub-records.ts';
import { isPublicKey } from '../net/identity.ts';
import { SILO_NAME } from '../net/subjects.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';

const key = z.string().max(100).refine(isPublicKey);

const entrySchema = z.strictObject({
  name: z.string().regex(SILO_NAME),
  /** Public key of the silo; null until its machine has made one, and after it left or was revoked. */
  key: key.nullable(),
  /** Public key of the invite that waits to be used; null where none does. */
  invite: key.nullable(),
  /** Public key of the invite that was just used: it may hear its answer, and is worth nothing else. */
  usedInvite: key.nullable(),
  /** Keys that were replaced or revoked, or of a silo that left: they are never taken again. */
  formerKeys: z.array(key).max(1000),
  /** How it was last shut out, or left; null where it has a key, or nothing of the kind ever happened. */
  gone: z.enum(['left', 'revoked']).nullable(),
});

const registrySchema = z.strictObject({
  format: z.literal('align-fl/silos@1'),
  silos: z.array(entrySchema).min(1).max(1000),
});

/** All silos of a federation, in the order of its spec. */
export type SiloRegistry = z.infer<typeof registrySchema>;
export type RegisteredSilo = z.infer<typeof entrySchema>;

/** Silos that nobody invited yet. */
export function newRegistry(names: readonly string[]): SiloRegistry {
  const silos = names.map((name) => ({ name, key: null, invite: null, usedInvite: null, formerKeys: [], gone: null }));
  return { format: 'align-fl/silos@1', silos };
}

/** The silo called `name`. Throws SpecError where there is none. */
export function registered(registry: SiloRegistry, name: string): RegisteredSilo {
  const found = registry.silos.find((silo) => silo.name === name);
  if (found) return found;
  throw new SpecError(
    `There is no silo '${name.slice(0, 40)}' in this federation. It has: ${registry.silos.map((silo) => silo.name).join(', ')}.`,
    { path: 'silo', silo: name.slice(0, 40) },
  );
}

/** After an invite was written: an older one is worth nothing any more. A key that is in use stays until this one is used. */
export function withInvite(registry: SiloRegistry, name: string, invite: string): SiloRegistry {
  return changed(registry, name, () => ({ invite, usedInvite: null }));
}

/** After an invite was used: the new key counts, the old one and the invite do not. */
export function withKey(registry: SiloRegistry, name: string, publicKey: string): SiloRegistry {
  return changed(registry, name, (silo) => ({
    key: publicKey,
    invite: null,
    usedInvite: silo.invite,
    formerKeys: former(silo),
    gone: null,
  }));
}

/** After the answer to the invite was given, or when nobody waits for one any more. */
export function withoutUsedInvite(registry: SiloRegistry, name: string): SiloRegistry {
  return changed(registry, name, () => ({ usedInvite: null }));
}

/** After a silo left or was revoked. An open invite survives its leaving: somebody may have written it for its return. */
export function withoutKey(registry: SiloRegistry, name: string, gone: Gone): SiloRegistry {
  return changed(registry, name, (silo) => ({
    key: null,
    invite: gone === 'left' ? silo.invite : null,
    usedInvite: null,
    formerKeys: former(silo),
    gone,
  }));
}

/** Whether a key is, or was, somebody's. */
export function isTaken({ silos }: SiloRegistry, publicKey: string): boolean {
  return silos.some((silo) => [silo.key, silo.invite, silo.usedInvite, ...silo.formerKeys].includes(publicKey));
}

/** `invited`: an invite waits to be used; `in`: its key is known; else how it is gone. */
export type SiloAccess = 'not invited' | 'invited' | 'in' | Gone;

export function accessOf({ key: current, invite, gone }: RegisteredSilo): SiloAccess {
  if (current !== null) return 'in';
  if (invite !== null) return 'invited';
  return gone ?? 'not invited';
}

/** Throws StateError where the file is missing or damaged. */
export async function readRegistry(path: string): Promise<SiloRegistry> {
  const parsed = registrySchema.safeParse(await readJson(path, { maxBytes: MAX_BYTES }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${path} is damaged. Restore it from a copy: without it nobody knows whose key is whose.`, {
    path,
  });
}

/** Replaces the file in one step. */
export async function saveRegistry(path: string, registry: SiloRegistry): Promise<void> {
  await writeJsonAtomic(path, registry);
}

// --- internal ---

const MAX_BYTES = 20_000_000;

function former({ key: last, formerKeys }: RegisteredSilo): string[] {
  return last === null ? formerKeys : [...formerKeys, last];
}

function changed(
  registry: SiloRegistry,
  name: string,
  change: (silo: RegisteredSilo) => Partial<RegisteredSilo>,
): SiloRegistry {
  registered(registry, name);
  return {
    ...registry,
    silos: registry.silos.map((silo) => (silo.name === name ? { ...silo, ...change(silo) } : silo)),
  };
}
