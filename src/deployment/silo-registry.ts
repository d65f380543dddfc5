// Who is who in a federation, as its server knows it: public keys only, and what became of each silo. `silos.json`.

import { z } from 'zod';
import { SpecError, StateError } from '../errors.ts';
import { SILO_NAME } from '../experiments/spec.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';

const key = z.string().regex(/^U[A-Z2-7]{55}$/);

const entrySchema = z.strictObject({
  name: z.string().regex(SILO_NAME),
  /** Public key of the silo; null until its machine has made one. */
  key: key.nullable(),
  /** Public key of the invite that waits to be used; null where none does. */
  invite: key.nullable(),
  /** `out`: it left, or was revoked; its name can be invited again. */
  state: z.enum(['in', 'out']),
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
  return {
    format: 'align-fl/silos@1',
    silos: names.map((name) => ({ name, key: null, invite: null, state: 'in' })),
  };
}

/** The silo called `name`. Throws SpecError where there is none. */
export function registered({ silos }: SiloRegistry, name: string): RegisteredSilo {
  const found = silos.find((silo) => silo.name === name);
  if (found) return found;
  throw new SpecError(
    `There is no silo '${name.slice(0, 40)}' in this federation. It has: ${silos.map((silo) => silo.name).join(', ')}.`,
    { path: 'silo', silo: name.slice(0, 40) },
  );
}

/** After an invite was written: an older one is worth nothing any more. A key that is in use stays until the invite is used. */
export function withInvite(registry: SiloRegistry, name: string, invite: string): SiloRegistry {
  return changed(registry, name, { invite, state: 'in' });
}

/** After an invite was used: the new key counts, the old one and the invite do not. */
export function withKey(registry: SiloRegistry, name: string, publicKey: string): SiloRegistry {
  return changed(registry, name, { key: publicKey, invite: null, state: 'in' });
}

/** After a silo left or was revoked. */
export function withoutSilo(registry: SiloRegistry, name: string): SiloRegistry {
  return changed(registry, name, { key: null, invite: null, state: 'out' });
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

const MAX_BYTES = 1_000_000;

function changed(registry: SiloRegistry, name: string, change: Partial<RegisteredSilo>): SiloRegistry {
  registered(registry, name);
  return { ...registry, silos: registry.silos.map((silo) => (silo.name === name ? { ...silo, ...change } : silo)) };
}
