// Who somebody is on the network: an nkey, that is an ed25519 key pair. The public half is known to the other side; the
// secret half, the seed, stays in one file on one machine, and no object made here shows it when printed.

import { stat } from 'node:fs/promises';
import { createUser, encode, fromPublic, fromSeed, type KeyPair } from '@nats-io/nkeys';
import type { Authenticator } from '@nats-io/transport-node';
import { AccessError, AlignError, StateError } from '../errors.ts';
import { readFileBounded, writeNewFile } from '../storage/atomic-file.ts';
import { ed25519Signer, isEd25519Signature } from './ed25519.ts';

/** Somebody who can sign. */
export interface Identity {
  /** Begins with U; 56 letters and digits. */
  readonly publicKey: string;
  /** ed25519 signature of 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /**
   * Answers the challenge of a nats-server at connect. It throws AccessError (`challenge`) for one that is not 8 to 64 letters,
   * digits, - and _: whoever is at the other end chooses it, and could have anything else signed. What we sign elsewhere is never
   * so: messages have newlines in it, and enrolments begin with a bracket.
   */
  authenticator(): Authenticator;
}

/** A new identity and its seed, which is to be saved at once and shown to nobody. */
export function createIdentity(): { readonly identity: Identity; readonly seed: string } {
  const seed = new TextDecoder().decode(createUser().getSeed());
  return { identity: identityOf(seed), seed };
}

/** The identity of a seed. Throws StateError, which does not repeat it, where it is none. */
export function identityOf(seed: string): Identity {
  let pair: KeyPair;
  try {
    pair = fromSeed(new TextEncoder().encode(seed));
    if (!isPublicKey(pair.getPublicKey())) throw new Error('not a user');
  } catch {
    // Without the cause: nothing may carry what was taken for a seed.
    throw new StateError(
      'Expected the seed of an identity (58 letters and digits that begin with SU), found something else.',
    );
  }
  const publicKey = pair.getPublicKey();
  const sign = ed25519Signer(seed);
  return {
    publicKey,
    sign,
    authenticator: () => (nonce) => ({
      nkey: publicKey,
      sig: nonce === undefined ? '' : encode(sign(new TextEncoder().encode(requireChallenge(nonce)))),
    }),
  };
}

/**
 * The identity in the file at `path`. Throws StateError where there is none, where it is damaged, or where others than its owner
 * may read it: a key that others could have copied is worth nothing.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const bytes = await readFileBounded(path, { maxBytes: MAX_FILE_BYTES });
  const { mode } = await stat(path);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new StateError(
      `${path} holds a secret key, and others may read it (mode ${(mode & 0o777).toString(8)}). If nobody else has used this ` +
        `machine, close it with "chmod 600 ${path}"; otherwise take a new invite for a new key.`,
      { path, mode: (mode & 0o777).toString(8) },
    );
  }
  try {
    return identityOf(new TextDecoder().decode(bytes).trim());
  } catch (error) {
    const message = error instanceof AlignError ? error.message : 'unreadable';
    throw new StateError(`${path}: ${message} Restore it from a copy, or take a new invite.`, { path });
  }
}

/** Saves a seed for its owner's eyes alone (0600). Throws StateError where the file exists: an identity is never replaced. */
export async function saveIdentity(path: string, seed: string): Promise<void> {
  identityOf(seed);
  await writeNewFile(path, `${seed}\n`, { mode: 0o600 });
}

/** Whether `text` is a public key that `verifySignature` understands: right letters, right length, right checksum. */
export function isPublicKey(text: string): boolean {
  if (!PUBLIC_KEY.test(text)) return false;
  try {
    fromPublic(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the owner of `publicKey` signed `bytes`. False, never an error, for whatever is no key or no signature. */
export function verifySignature(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || !isPublicKey(publicKey)) return false;
  try {
    return isEd25519Signature(publicKey, bytes, signature);
  } catch {
    return false;
  }
}

// --- internal ---

const CHALLENGE = /^[\w-]{8,64}$/;

function requireChallenge(nonce: string): string {
  if (CHALLENGE.test(nonce)) return nonce;
  throw new AccessError(
    'Whoever answers as nats-server wants something signed that is no challenge of a nats-server. Nothing was signed. Find out ' +
      'who answers at that address.',
    { reason: 'challenge' },
  );
}

const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;
const SIGNATURE_BYTES = 64;
const MAX_FILE_BYTES = 1024;
