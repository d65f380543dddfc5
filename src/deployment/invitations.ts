// Letting silos in and shutting them out.

import { readFile } from 'node:fs/promises';
import { StateError } from '../errors.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { createIdentity, loadIdentity } from '../net/identity.ts';
import { writeInvite } from '../net/invite.ts';
import { changeRegistry, type Told } from './authority.ts';
import { addressesOf, readSettings, type ServerLayout } from './server-folder.ts';
import { readRegistry, registered, withInvite, withoutKey } from './silo-registry.ts';

export interface WrittenInvite {
  /** Secret: whoever has it can join in the silo's name. */
  readonly line: string;
  readonly told: Told;
  /** Whether an older invite, which nobody had used, is worth nothing now. */
  readonly withdrew: boolean;
}

/**
 * An invite for a silo, as one secret line; an older one that was not used is worth nothing any more. Throws SpecError for an
 * unknown silo, StateError for one that has a key already, unless `again`: that key counts until the invite is used.
 */
export async function inviteSilo(
  layout: ServerLayout,
  silo: string,
  { again }: { readonly again: boolean },
): Promise<WrittenInvite> {
  const settings = await readSettings(layout);
  const { key } = registered(await readRegistry(layout.registry), silo);
  if (key !== null && !again) {
    throw new StateError(
      `Silo ${silo} has joined already. Should its machine or its key be lost, invite it anew with --again: its old key is worth ` +
        'nothing once the new invite is used.',
      { silo },
    );
  }
  const { identity, seed } = createIdentity();
  const spec = await loadSpec(layout.spec);
  const server = await loadIdentity(layout.identity);
  const line = writeInvite({
    federation: spec.name,
    silo,
    address: { servers: addressesOf(settings), ca: await readFile(layout.authority, 'utf8') },
    server: server.publicKey,
    enrolSeed: seed,
  });
  const { before, told } = await changeRegistry(layout, (registry) => withInvite(registry, silo, identity.publicKey));
  return { line, told, withdrew: registered(before, silo).invite !== null };
}

/** Makes a silo's key and invite worth nothing, where it has any. Others notice nothing. Throws SpecError for an unknown silo. */
export async function revokeSilo(
  layout: ServerLayout,
  silo: string,
): Promise<{ readonly told: Told; readonly hadKey: boolean }> {
  await readSettings(layout);
  const { before, told } = await changeRegistry(layout, (registry) => withoutKey(registry, silo, 'revoked'));
  return { told, hadKey: registered(before, silo).key !== null };
}
