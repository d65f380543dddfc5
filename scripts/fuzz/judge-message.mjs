// What one message must do: it is opened, and then valid and signed, or dropped by a MessageError, soon.

import { performance } from 'node:perf_hooks';
import { isDeepStrictEqual } from 'node:util';
import { SUBJECT } from './message-mutations.mjs';

/**
 * From src/ in tests and from dist/ elsewhere.
 * @typedef {object} MessageJudges
 * @property {typeof import('../../src/net/envelope.ts').openMessage} openMessage
 * @property {typeof import('../../src/net/envelope.ts').sealMessage} sealMessage
 * @property {typeof import('../../src/net/messages.ts').MESSAGES} MESSAGES
 * @property {typeof import('../../src/errors.ts').MessageError} MessageError
 */

const WITHIN_MS = 2000;
const MOST_WORDS = 2500;

/**
 * @param {MessageJudges} judges
 * @param {import('../../src/net/envelope.ts').Signer} sender
 * @param {import('./message-mutations.mjs').MessageCase} one
 * @returns {{ outcome: string, ms: number, fault: string | null }}
 */
export function judgeMessage(
  { openMessage, sealMessage, MESSAGES, MessageError },
  sender,
  { bytes, kind, layer, body },
) {
  const kinds = /** @type {(keyof typeof MESSAGES)[]} */ (Object.keys(MESSAGES));
  const maxBytes = kind === 'welcome' ? 512 * 1024 : 64 * 1024;
  const before = performance.now();
  /** @type {{ outcome: string, ms: number, fault: string | null }} */
  const verdict = { outcome: 'opened', ms: 0, fault: null };
  try {
    const message = openMessage(bytes, { subject: SUBJECT, from: sender.publicKey, kinds, maxBytes });
    // What was opened can be sealed: its body is what its kind allows.
    sealMessage(sender, { subject: SUBJECT, kind: message.kind, body: message.body, maxBytes: 2 * maxBytes });
    verdict.outcome = `opened, ${layer === 'nothing' ? 'unchanged' : `${layer} changed`}`;
    const isAsSent = message.kind === kind && isDeepStrictEqual(message.body, body);
    if (layer !== 'body' && !isAsSent) verdict.fault = 'another message than was signed';
    if (Object.getPrototypeOf(message.body) !== Object.prototype) verdict.fault = 'a body with another prototype';
  } catch (error) {
    if (!(error instanceof MessageError)) verdict.fault = error instanceof Error ? String(error.stack) : String(error);
    else {
      verdict.outcome = `dropped: ${String(error.facts['reason'])}`;
      if (error.message.length > MOST_WORDS) verdict.fault = `a message of ${error.message.length} characters`;
      if (layer === 'nothing') verdict.fault = `a valid message was dropped: ${error.message}`;
    }
  }
  verdict.ms = performance.now() - before;
  if (verdict.ms > WITHIN_MS) verdict.fault ??= `it took ${verdict.ms} ms`;
  return verdict;
}
