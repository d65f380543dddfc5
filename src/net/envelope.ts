// Every message travels signed: JSON around a JSON text, with the sender's ed25519 signature over subject, kind and text.
//
// What is opened here comes from outside: bounded before it is parsed, parsed before it is believed, verified before its body
// is looked at. There is one way to fail: MessageError.

import { z } from 'zod';
import { type ErrorFacts, MessageError } from '../errors.ts';
import { type Identity, verifySignature } from './identity.ts';
import { type Body, type Kind, type Message, MESSAGES, PROTOCOL } from './messages.ts';
import { MAX_MESSAGE_BYTES } from './subjects.ts';

/** Who signs. */
export type Signer = Pick<Identity, 'publicKey' | 'sign'>;

/** Why a message was dropped, as `facts.reason` of a MessageError. */
export type MessageFault =
  | 'size'
  | 'not-json'
  | 'version'
  | 'envelope'
  | 'kind'
  | 'signature'
  | 'body'
  | 'sender'
  | 'not-asked';

/**
 * A message as it travels. The same message is the same bytes, so its hash can name it. Throws MessageError where `body` is not
 * what its kind allows, or too large: a bug, or a privacy statement of absurd size.
 */
export function sealMessage<K extends Kind>(
  signer: Signer,
  { subject, kind, body, maxBytes = MAX_MESSAGE_BYTES }: Sealing<K>,
): Uint8Array {
  const text = JSON.stringify(body);
  parseBody(subject, kind, text);
  const signature = Buffer.from(signer.sign(signedBytes(subject, kind, text))).toString('base64');
  const bytes = new TextEncoder().encode(JSON.stringify({ v: PROTOCOL, kind, body: text, signature }));
  if (bytes.length > maxBytes) fail('size', subject, `is ${bytes.length} bytes long; at most ${maxBytes} may leave`);
  return bytes;
}

export interface Sealing<K extends Kind> {
  readonly subject: string;
  readonly kind: K;
  readonly body: Body<K>;
  /** Default: 64 KiB. */
  readonly maxBytes?: number;
}

/** Opens what came on `subject`. Throws MessageError with `facts.reason`, and nothing else. */
export function openMessage<K extends Kind>(
  bytes: Uint8Array,
  { subject, from, kinds, maxBytes = MAX_MESSAGE_BYTES }: Opening<K>,
): Message<K> {
  if (bytes.length > maxBytes) fail('size', subject, `is ${bytes.length} bytes long; at most ${maxBytes} are read`);
  const outer = parseJson(subject, 'not-json', decodeText(subject, bytes));
  const v = typeof outer === 'object' && outer !== null && 'v' in outer ? outer.v : undefined;
  if (v !== PROTOCOL) {
    const shown = typeof v === 'string' ? JSON.stringify(v.slice(0, 40)) : 'none';
    fail(
      'version',
      subject,
      `is of protocol ${shown}; this side speaks ${PROTOCOL}. Use the same version on both sides`,
    );
  }
  const envelope = parsed(subject, 'envelope', envelopeSchema, outer);
  const kind = kinds.find((one) => one === envelope.kind);
  if (kind === undefined) {
    fail('kind', subject, `is of kind ${JSON.stringify(envelope.kind)}; expected was ${kinds.join(' or ')}`);
  }
  if (!verifySignature(from, signedBytes(subject, kind, envelope.body), Buffer.from(envelope.signature, 'base64'))) {
    fail('signature', subject, `is not signed by ${from.slice(0, 64)} for this subject and kind`);
  }
  return { kind, body: parseBody(subject, kind, envelope.body) } as Message<K>;
}

/** Whether `openMessage` would open it. */
export function canOpen<K extends Kind>(bytes: Uint8Array, opening: Opening<K>): boolean {
  try {
    openMessage(bytes, opening);
    return true;
  } catch {
    return false;
  }
}

export interface Opening<K extends Kind> {
  readonly subject: string;
  /** Public key of the only possible sender. */
  readonly from: string;
  /** What may come on this subject. */
  readonly kinds: readonly K[];
  /** Default: 64 KiB. */
  readonly maxBytes?: number;
}

/** Throws the MessageError of `reason`; `detail` goes on after "The message on fl.up.a". */
export function fail(reason: MessageFault, subject: string, detail: string, facts: ErrorFacts = {}): never {
  const shown = subject.slice(0, 100);
  throw new MessageError(`The message on ${shown} ${detail}. It was dropped.`, { reason, subject: shown, ...facts });
}

// --- internal ---

const envelopeSchema = z.strictObject({
  v: z.literal(PROTOCOL),
  kind: z.string().max(64),
  body: z.string().refine((text) => !/\p{Surrogate}/u.test(text), 'half a character'), // would be signed as another one
  signature: z.string().regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/), // the one way to write it
});

function signedBytes(subject: string, kind: string, body: string): Uint8Array {
  return new TextEncoder().encode(`${PROTOCOL}\n${subject}\n${kind}\n${body}`);
}

function decodeText(subject: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fail('not-json', subject, 'is no UTF-8 text');
  }
}

function parseJson(subject: string, reason: MessageFault, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return fail(reason, subject, 'is no JSON');
  }
}

function parseBody<K extends Kind>(subject: string, kind: K, text: string): Body<K> {
  return parsed(subject, 'body', MESSAGES[kind] as unknown as z.ZodType<Body<K>>, parseJson(subject, 'body', text));
}

function parsed<T>(subject: string, reason: MessageFault, schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const problems = error.issues.slice(0, MOST_PROBLEMS).map(({ path, message }) => `${path.join('.')}: ${message}`);
  const more = error.issues.length > MOST_PROBLEMS ? ` and ${error.issues.length - MOST_PROBLEMS} more` : '';
  return fail(reason, subject, `does not fit: ${JSON.stringify(problems.join('; ').slice(0, 1000))}${more}`);
}

const MOST_PROBLEMS = 8;
