// How a silo with an invite gets in: it makes its key at home and sends the public half, signed by that key and by the invite's.
// So neither the nats-server nor a reader of the wire can enrol a key of its own. An invite works once.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { AbortedError, AccessError, LostPeerError } from '../errors.ts';
import { connectNats } from './connect.ts';
import { type Identity, isPublicKey, verifySignature } from './identity.ts';
import type { Invite } from './invite.ts';
import { enrolInbox, isAnswerable, siloInbox } from './nats-permissions.ts';
import { enrolSubject, SILO_NAME } from './subjects.ts';

/** Why a key was not enrolled. */
export type EnrolmentRefusal = 'NOT_INVITED' | 'USED' | 'SIGNATURE' | 'KEY_TAKEN' | 'FEDERATION';

/** What the server's registry says of a silo; null where it does not know it. */
export interface EnrolmentState {
  /** The enrolled public key. */
  readonly key: string | null;
  /** Public key of the open invite; null where there is none, or it was used. */
  readonly enrolKey: string | null;
}

export interface EnrolmentDesk {
  readonly federation: string;
  /** Signs the answers. */
  readonly identity: Identity;
  readonly find: (silo: string) => EnrolmentState | null | Promise<EnrolmentState | null>;
  /** Whether a public key is somebody's already: a silo's, an invite's, or one that was revoked. */
  readonly isKnownKey: (publicKey: string) => boolean | Promise<boolean>;
  /** Stores durably that `publicKey` is the silo's and that its invite is used. The nats-server is told later: see `onAnswered`. */
  readonly onEnrol: (silo: string, publicKey: string) => Promise<void>;
  /**
   * The answer is out: the nats-server may learn that the key is in and the invite's is not. Not before, as it forgets on whose
   * behalf it was asked what, where it reads a new configuration meanwhile.
   */
  readonly onAnswered: (silo: string) => Promise<void>;
  /** Told of every request that was turned down, and of failures of the two above. */
  readonly onRefused?: (silo: string, why: EnrolmentRefusal | Error) => void;
}

export interface EnrolOptions {
  readonly signal: AbortSignal;
  /** Awaited before the key is shown to anybody: from then on the server may know it. */
  readonly onAsk?: (() => Promise<void>) | undefined;
  readonly patienceMs?: number;
}

/**
 * The whole way of a silo in: enrols `identity`, which must be saved already, and waits until the nats-server lets it in. May be
 * repeated after whatever went wrong: an invite that this very key has used is fine.
 * Throws AccessError (`facts.reason` is `invite-used` where somebody else used it), and what `connectNats` throws.
 */
export async function enrol(
  invite: Invite,
  identity: Identity,
  { signal, onAsk, patienceMs = PATIENCE_MS }: EnrolOptions,
): Promise<void> {
  const { silo } = invite;
  const patient = AbortSignal.timeout(patienceMs);
  for (let isEnrolled = false; ; ) {
    let obstacle: Error | null = null;
    if (!isEnrolled) {
      obstacle = await obstacleOf(
        askOnce(invite, identity, { signal, onAsk, timeoutMs: Math.min(ANSWER_MS, patienceMs) }),
      );
      // The invite was used, perhaps by this key: the answer may have been lost.
      if (obstacle !== null && !isRefusedKey(obstacle) && !(obstacle instanceof LostPeerError)) throw obstacle;
      isEnrolled = obstacle === null;
    }
    const refused = await obstacleOf(visit(invite, identity, signal));
    if (refused === null) return;
    if (!isRefusedKey(refused)) throw refused;
    if (isRefusedKey(obstacle)) throw usedInvite(silo, refused);
    if (patient.aborted) throw obstacle ?? refused;
    await pause(AGAIN_AFTER_MS, undefined, { signal }).catch((cause: unknown) => {
      throw new AbortedError(
        'Stopped while enrolling. Run it again: an invite that this key has used is fine.',
        {},
        { cause },
      );
    });
  }
}

/**
 * Asks, over a connection of the invite's key, that `identity` be the silo's. Resolves when the server has signed that it is.
 * Throws AccessError where it is refused (`facts.refusal`), LostPeerError where nobody answers.
 */
export async function requestEnrolment(
  nc: NatsConnection,
  invite: Invite,
  identity: Identity,
  { signal, timeoutMs = ANSWER_MS }: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<void> {
  const { federation, silo, enrol: invited } = invite;
  const { publicKey } = identity;
  if (signal.aborted) throw new AbortedError('Stopped before enrolling.');
  const nonce = randomUUID();
  const claim = textOf(['request', federation, silo, publicKey, nonce]);
  const request: Request = {
    v: VERSION,
    federation,
    silo,
    publicKey,
    nonce,
    signature: base64(identity.sign(claim)),
    inviteSignature: base64(invited.sign(claim)),
  };
  let message: Msg;
  try {
    message = await nc.request(enrolSubject(silo), JSON.stringify(request), { timeout: timeoutMs });
  } catch (cause) {
    throw new LostPeerError(
      'The nats-server runs, but the server of the federation does not answer. Is "align-fl server start" running there? Try ' +
        'again then: enrolling twice with the same key is harmless.',
      { silo },
      { cause },
    );
  }
  const answer = opened(message.data, answerSchema);
  const signed = answer && textOf(['answer', federation, silo, publicKey, nonce, answer.refusal ?? 'enrolled']);
  if (
    answer === null ||
    signed === null ||
    !verifySignature(invite.server, signed, Buffer.from(answer.signature, 'base64'))
  ) {
    throw new AccessError(
      'The answer to the enrolment is not signed by the server that the invite names. Nothing was believed. Is the invite for ' +
        'this federation? If so, somebody between here and there answers in its place: tell who runs it.',
      { reason: 'answer', silo },
    );
  }
  if (answer.refusal !== null) {
    throw new AccessError(WORDS[answer.refusal], { reason: 'enrolment', refusal: answer.refusal, silo });
  }
}

/**
 * Answers enrolments at the server until `close`. Requests of one silo are taken one after the other: of two keys the first
 * gets in, and the second is told that the invite was used.
 */
export function answerEnrolments(nc: NatsConnection, desk: EnrolmentDesk): { close(): Promise<void> } {
  const queues = new Map<string, Promise<void>>();
  const subscription = nc.subscribe(enrolSubject('*'), {
    callback: (_error, message) => {
      const silo = message.subject.slice(enrolSubject('').length);
      if (!SILO_NAME.test(silo) || !isAnswerable(message.reply, enrolInbox(silo))) return;
      const before = queues.get(silo) ?? Promise.resolve();
      const now = before
        .then(() => answer(nc, desk, silo, message))
        .catch((error: unknown) => {
          desk.onRefused?.(silo, error instanceof Error ? error : new Error(String(error)));
        });
      queues.set(silo, now);
      void now.then(() => {
        if (queues.get(silo) === now) queues.delete(silo);
      });
    },
  });
  return {
    close: async () => {
      subscription.unsubscribe();
      await Promise.all(queues.values());
    },
  };
}

// --- internal ---

const VERSION = 'align-fl/enrol@1';
const MAX_BYTES = 4096;
const ANSWER_MS = 5_000;
const PATIENCE_MS = 30_000;
const AGAIN_AFTER_MS = 200;

async function askOnce(
  invite: Invite,
  identity: Identity,
  options: Pick<EnrolOptions, 'signal' | 'onAsk'> & { readonly timeoutMs: number },
): Promise<void> {
  const { silo, address, enrol: invited } = invite;
  const who = { identity: invited, inboxPrefix: enrolInbox(silo), name: `${silo}, enrolling`, signal: options.signal };
  const nc = await connectNats(address, who);
  try {
    await options.onAsk?.();
    await requestEnrolment(nc, invite, identity, options);
  } finally {
    await nc.close();
  }
}

/** Whether the key is let in already. */
async function visit({ silo, address }: Invite, identity: Identity, signal: AbortSignal): Promise<void> {
  const nc = await connectNats(address, { identity, inboxPrefix: siloInbox(silo), name: `${silo}, enrolled`, signal });
  await nc.close();
}

async function obstacleOf(work: Promise<void>): Promise<Error | null> {
  try {
    await work;
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function isRefusedKey(error: unknown): boolean {
  return error instanceof AccessError && error.facts['reason'] === 'unknown-key';
}

function usedInvite(silo: string, cause: unknown): AccessError {
  return new AccessError(
    `The invite of ${silo} was used already, or withdrawn. If it was not you who used it, tell who runs the federation at ` +
      'once. In any case ask for a new one.',
    { reason: 'invite-used', silo },
    { cause },
  );
}

const publicKey = z.string().max(100).refine(isPublicKey);
const signature = z.string().regex(/^[A-Za-z0-9+/]{86}==$/);
const requestSchema = z.strictObject({
  v: z.literal(VERSION),
  federation: z.string().min(1).max(200),
  silo: z.string().regex(SILO_NAME),
  publicKey,
  nonce: z.uuid(),
  signature,
  inviteSignature: signature,
});
type Request = z.infer<typeof requestSchema>;

const refusals = [
  'NOT_INVITED',
  'USED',
  'SIGNATURE',
  'KEY_TAKEN',
  'FEDERATION',
] as const satisfies readonly EnrolmentRefusal[];
const answerSchema = z.strictObject({ v: z.literal(VERSION), refusal: z.enum(refusals).nullable(), signature });

const WORDS: Readonly<Record<EnrolmentRefusal, string>> = {
  NOT_INVITED: 'The server has no open invite for this silo: it was withdrawn. Ask for a new one.',
  USED: 'The invite was used already, with another key. If that was not you, tell who runs the federation at once; ask for a new one.',
  SIGNATURE: 'The server found that the request was not signed by the invite and by the new key. Ask for a new invite.',
  KEY_TAKEN:
    'This key is known to the server as somebody else, or was revoked. Join with a new folder, which gets a new key.',
  FEDERATION: 'The invite is for another federation than the one that answered. Ask for a new one.',
};

async function answer(nc: NatsConnection, desk: EnrolmentDesk, silo: string, message: Msg): Promise<void> {
  const request = opened(message.data, requestSchema);
  if (request === null || request.silo !== silo) {
    desk.onRefused?.(silo, 'SIGNATURE'); // nothing to which an answer could be signed
    return;
  }
  const state = await desk.find(silo);
  const isRepeat = state?.key === request.publicKey;
  const refusal = await judge(desk, request, state);
  if (refusal === null && !isRepeat) await desk.onEnrol(silo, request.publicKey);
  const said = textOf(['answer', desk.federation, silo, request.publicKey, request.nonce, refusal ?? 'enrolled']);
  message.respond(JSON.stringify({ v: VERSION, refusal, signature: base64(desk.identity.sign(said)) }));
  await nc.flush();
  if (refusal === null) await desk.onAnswered(silo);
  else desk.onRefused?.(silo, refusal);
}

async function judge(
  desk: EnrolmentDesk,
  request: Request,
  state: EnrolmentState | null,
): Promise<EnrolmentRefusal | null> {
  const { federation, silo, publicKey: key, nonce } = request;
  if (federation !== desk.federation) return 'FEDERATION';
  if (state === null) return 'NOT_INVITED';
  const claim = textOf(['request', federation, silo, key, nonce]);
  if (!verifySignature(key, claim, Buffer.from(request.signature, 'base64'))) return 'SIGNATURE';
  if (state.key === key) return null;
  if (state.enrolKey === null) return state.key === null ? 'NOT_INVITED' : 'USED';
  if (!verifySignature(state.enrolKey, claim, Buffer.from(request.inviteSignature, 'base64'))) return 'SIGNATURE';
  return key === desk.identity.publicKey || (await desk.isKnownKey(key)) ? 'KEY_TAKEN' : null;
}

/** Bounded before it is parsed, strict after; null for whatever does not fit. */
function opened<T>(bytes: Uint8Array, schema: z.ZodType<T>): T | null {
  if (bytes.length > MAX_BYTES) return null;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** What is signed: no two lists of words give the same bytes. */
function textOf(words: readonly string[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([VERSION, ...words]));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
