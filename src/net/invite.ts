// An invite: one line of text with which a silo can enrol once. It holds a secret, the key of the enrolment, and is worth
// nothing after it was used; the silo's own key is not in it, and is made at the silo.

import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { AccessError, AlignError } from '../errors.ts';
import { PLAIN_TEXT } from '../exchange/plain-text.ts';
import type { ServerAddress } from './connect.ts';
import { type Identity, identityOf, isPublicKey } from './identity.ts';
import { SILO_NAME } from './subjects.ts';

/** What an invite says. */
export interface Invite {
  readonly federation: string;
  readonly silo: string;
  readonly address: ServerAddress;
  /** Public key of the federation's server: what is not signed by it is not obeyed. */
  readonly server: string;
  /** May do nothing but enrol. */
  readonly enrol: Identity;
}

/** The line of an invite. Keep it as you keep a password, until it was used. */
export function writeInvite(invite: Omit<Invite, 'enrol'> & { readonly enrolSeed: string }): string {
  const { federation, silo, address, server, enrolSeed } = invite;
  const content = { v: VERSION, federation, silo, servers: address.servers, ca: address.ca, server, enrol: enrolSeed };
  const parsed = contentSchema.safeParse(content);
  if (!parsed.success) throw damaged(`it would not be readable: ${problemsOf(parsed.error)}`);
  const text = Buffer.from(JSON.stringify(parsed.data)).toString('base64url');
  return `${PREFIX}${text}.${checksum(text)}`;
}

/**
 * Reads the line again; spaces and line breaks that a mail program put in do not matter. Throws AccessError, which repeats
 * nothing of it, where it was cut, changed, or is of another version.
 */
export function readInvite(line: string): Invite {
  if (line.length > MAX_LENGTH) throw damaged(`it has ${line.length} characters, and an invite at most ${MAX_LENGTH}`);
  const text = line.replaceAll(/\s/g, '');
  if (!text.startsWith(PREFIX)) throw damaged(`it does not begin with ${PREFIX}`);
  const [body = '', sum, ...rest] = text.slice(PREFIX.length).split('.');
  if (sum === undefined || rest.length > 0 || sum.length !== CHECKSUM_LENGTH) throw damaged('its end is missing');
  if (!/^[\w-]+$/.test(body) || !timingSafeEqual(Buffer.from(checksum(body)), Buffer.from(checksumLike(sum)))) {
    throw damaged('its checksum is not right');
  }
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
  } catch {
    throw damaged('it holds no JSON');
  }
  const version = typeof content === 'object' && content !== null && 'v' in content ? content.v : undefined;
  if (version !== VERSION) {
    const shown = JSON.stringify(version ?? null).slice(0, 20);
    throw new AccessError(
      `This invite is of version ${shown}; this program reads version ${VERSION}. Install the align-fl of the server's side.`,
      { reason: 'invite', version: typeof version === 'number' ? version : null },
    );
  }
  const parsed = contentSchema.safeParse(content);
  if (!parsed.success) throw damaged(problemsOf(parsed.error));
  const { federation, silo, servers, ca, server, enrol } = parsed.data;
  return { federation, silo, address: { servers, ca }, server, enrol: identityOf(enrol) };
}

// --- internal ---

const PREFIX = 'align-fl-invite:';
const VERSION = 1;
const MAX_LENGTH = 16 * 1024;
const CHECKSUM_LENGTH = 12;

const contentSchema = z.strictObject({
  v: z.literal(VERSION),
  federation: z.string().min(1).max(200).regex(PLAIN_TEXT, 'has control characters'),
  silo: z.string().regex(SILO_NAME, 'is no name of a silo'),
  servers: z
    .array(
      z
        .string()
        .max(300)
        .regex(/^tls:\/\/[^\s/@]+$/, 'is no address such as tls://host:port'),
    )
    .min(1)
    .max(8),
  ca: z
    .string()
    .max(8192)
    .regex(/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?$/, 'is no certificate'),
  server: z.string().max(100).refine(isPublicKey, 'is no public key'),
  enrol: z.string().max(100).refine(isSeed, 'is no key'),
});

function isSeed(text: string): boolean {
  try {
    identityOf(text);
    return true;
  } catch (error) {
    if (error instanceof AlignError) return false;
    throw error;
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(PREFIX).update(text).digest('hex').slice(0, CHECKSUM_LENGTH);
}

/** Of the right length in bytes, whatever characters it has. */
function checksumLike(text: string): string {
  return /^[0-9a-f]+$/.test(text) ? text : '-'.repeat(CHECKSUM_LENGTH);
}

function problemsOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ');
}

function damaged(why: string): AccessError {
  return new AccessError(
    `This is not a whole invite: ${why}. Copy the line again from beginning to end; if that does not help, ask for it again.`,
    { reason: 'invite' },
  );
}
