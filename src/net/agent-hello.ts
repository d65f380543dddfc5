// How a silo introduces itself: until its server answers, and until that lets it in or says why not.

import { errors, type NatsConnection } from '@nats-io/transport-node';
import { AccessError, MessageError, PrivacyError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { insistOn, type Link } from './bucket.ts';
import { fail, openMessage, sealMessage, type Signer } from './envelope.ts';
import type { Body, Denied, Message, NamedRelease, Welcome } from './messages.ts';
import { firstMissing } from './named-releases.ts';
import type { AgentEvent } from './net-events.ts';
import { answerSubject, helloSubject, MAX_WELCOME_BYTES } from './subjects.ts';
import { pause } from './waiting.ts';

export interface HelloOptions {
  readonly link: Link;
  readonly identity: Signer;
  /** Public key of the server. */
  readonly server: string;
  readonly hello: Omit<Body<'hello'>, 'seals'>;
  /**
   * Releases that the silo's ledger has a seal of. Where the server has some that the silo's folder knows nothing of, and names
   * them, and there is a seal of each, just these are shown to it.
   */
  readonly seals: () => Promise<readonly NamedRelease[]>;
  readonly emit: (event: AgentEvent) => void;
}

/** That the server lets this silo take part. */
export interface Greeting {
  readonly welcome: Welcome;
  /** Whether it was let in for the seals of its ledger alone: its folder knows less than the server has. */
  readonly isByLedger: boolean;
}

/**
 * The server's welcome. Waits for a server that is away. Throws PrivacyError where the server has releases that neither this
 * silo's folder nor its ledger knows of, and AccessError where another process is this silo, the identity was revoked, or
 * versions differ: `facts.reason`.
 */
export async function sayHello({ link, identity, server, hello, seals, emit }: HelloOptions): Promise<Greeting> {
  const subject = helloSubject(hello.silo);
  const showing = (seals: readonly NamedRelease[]) =>
    sealMessage(identity, { subject, kind: 'hello', body: { ...hello, seals: [...seals] } });
  let bytes = showing([]);
  let shown = 0;
  const onRetry = (_: string, error: Error) => emit({ kind: 'server-away', message: error.message });
  const patient = AbortSignal.timeout(link.timing.otherInstanceMs);
  for (;;) {
    const { kind, body } = await insistOn({ ...link, onRetry }, 'The hello', (timeout) =>
      ask(link.nc, { silo: hello.silo, bytes, from: server, emit, timeout }),
    );
    if (kind === 'welcome') return { welcome: body, isByLedger: shown > 0 };
    let { message } = body;
    const { code, releases: named = [] } = body;
    // It may have heard of others meanwhile.
    if (code === 'LOST_STATE' && named.length > shown) {
      const unsealed = firstMissing(named, await seals());
      if (unsealed === null) {
        shown = named.length;
        emit({ kind: 'ledger-shown', seals: shown });
        bytes = showing(named);
        continue;
      }
      message += ` The privacy ledger that this silo has now has no seal of that of round ${unsealed.round}.`;
    }
    emit({ kind: 'denied', code, message });
    // An instance of ours that was killed counts as here for some seconds.
    if (code !== 'ALREADY_CONNECTED' || patient.aborted) throw deniedError(hello.silo, { code, message });
    await pause(Math.min(AGAIN_AFTER_MS, link.timing.otherInstanceMs / 4), link.signal);
  }
}

// --- internal ---

const AGAIN_AFTER_MS = 2_000;

interface Asking {
  readonly silo: string;
  readonly bytes: Uint8Array;
  readonly from: string;
  readonly emit: HelloOptions['emit'];
  /** In milliseconds. */
  readonly timeout: number;
}

async function ask(
  nc: NatsConnection,
  { silo, bytes, from, emit, timeout }: Asking,
): Promise<Message<'welcome' | 'denied'>> {
  const reply = await nc.request(helloSubject(silo), bytes, { timeout });
  const subject = answerSubject(silo, bytes);
  try {
    const opening = { subject, from, maxBytes: MAX_WELCOME_BYTES };
    const message = openMessage(reply.data, { ...opening, kinds: ['welcome', 'denied'] });
    if (message.kind === 'welcome' && contentHash(message.body.planText) !== message.body.plan) {
      fail('body', subject, 'has a plan with another SHA-256 than it says');
    }
    return message;
  } catch (error) {
    if (!(error instanceof MessageError) || error.facts['reason'] === 'version') throw error;
    emit({
      kind: 'message-dropped',
      subject,
      reason: String(error.facts['reason']),
      message: error.message,
    });
    throw new errors.TimeoutError(); // as if nothing had come: ask again
  }
}

function deniedError(silo: string, { code, message }: Denied): AccessError | PrivacyError {
  const facts = { silo, reason: code };
  return code === 'LOST_STATE' ? new PrivacyError(message, facts) : new AccessError(message, facts);
}
