// Which silos are there: hellos are answered here, and statuses heard. Nothing of it is kept, and nothing waits for it.

import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { MessageError } from '../errors.ts';
import { openMessage, sealMessage, type Signer } from './envelope.ts';
import { plainWords } from './message-words.ts';
import { type Body, type Denied, isSiloEnd, type Welcome } from './messages.ts';
import { isAnswerable, siloInbox } from './nats-permissions.ts';
import { answerSubject, helloSubject, MAX_WELCOME_BYTES, siloOfSubject, statusSubject } from './subjects.ts';
import type { Timing } from './timing.ts';

export interface PresenceOptions {
  readonly nc: NatsConnection;
  readonly identity: Signer;
  readonly timing: Timing;
  /** Public key of a silo; undefined where nobody of this name is known. */
  readonly keyOf: (silo: string) => string | undefined;
  /** Null: welcome. */
  readonly judge: (hello: Body<'hello'>) => Denied | null;
  readonly welcome: Welcome;
  readonly onHello: (hello: Body<'hello'>) => void;
  readonly on: (event: PresenceEvent) => void;
}

export type PresenceEvent =
  | { readonly kind: 'silo-here' | 'silo-away' | 'two-instances'; readonly silo: string; readonly instance: string }
  | { readonly kind: 'silo-denied'; readonly silo: string; readonly code: Denied['code']; readonly message: string }
  | { readonly kind: 'silo-status'; readonly silo: string; readonly status: Body<'status'> }
  | { readonly kind: 'message-dropped'; readonly subject: string; readonly reason: string; readonly message: string };

export interface Presence {
  isAnyoneHere(): boolean;
  forget(silo: string): void;
  close(): void;
}

export function openPresence(options: PresenceOptions): Presence {
  const { nc, identity, timing, keyOf, judge, welcome, onHello, on } = options;
  const present = new Map<string, Present>();

  const away = (silo: string) => {
    const one = present.get(silo);
    if (!one) return;
    clearTimeout(one.timer);
    present.delete(silo);
    on({ kind: 'silo-away', silo, instance: one.instance });
  };
  /** Whether this instance is the silo's only one. */
  const heard = (silo: string, instance: string): boolean => {
    const known = present.get(silo);
    if (known && known.instance !== instance) {
      known.rival = instance;
      return false;
    }
    // Only now is it sure that both live: one that was killed is never heard again.
    if (known && known.rival !== null) on({ kind: 'two-instances', silo, instance: known.rival });
    clearTimeout(known?.timer);
    const timer = setTimeout(() => away(silo), timing.heardWithinMs);
    timer.unref();
    present.set(silo, { instance, rival: null, timer });
    if (!known) on({ kind: 'silo-here', silo, instance });
    return true;
  };

  const answer = (silo: string, hello: Body<'hello'>): Denied | Welcome => {
    const denied = judge(hello);
    if (denied !== null) on({ kind: 'silo-denied', silo, code: denied.code, message: denied.message });
    return denied ?? (heard(silo, hello.instance) ? welcome : { code: 'ALREADY_CONNECTED', message: TWO_PROCESSES });
  };
  const reply = (message: Msg, content: Denied | Welcome) => {
    const subject = answerSubject(siloOfSubject(message.subject) ?? '', message.data);
    const bytes =
      'planText' in content
        ? sealMessage(identity, { subject, kind: 'welcome', body: content, maxBytes: MAX_WELCOME_BYTES })
        : sealMessage(identity, { subject, kind: 'denied', body: content });
    message.respond(bytes);
  };
  const onHelloMessage = (message: Msg) => {
    take(message, (silo, from) => {
      if (!isAnswerable(message.reply, siloInbox(silo))) return;
      try {
        const { body } = openMessage(message.data, { subject: message.subject, from, kinds: ['hello'] });
        requireOwnName(message, silo, body);
        const content = answer(silo, body);
        reply(message, content);
        if ('planText' in content) onHello(body);
      } catch (error) {
        if (error instanceof MessageError && error.facts['reason'] === 'version') {
          const denied: Denied = { code: 'VERSION', message: plainWords(error.message) };
          reply(message, denied);
          on({ kind: 'silo-denied', silo, ...denied });
        }
        throw error;
      }
    });
  };
  const onStatusMessage = (message: Msg) => {
    take(message, (silo, from) => {
      const { body } = openMessage(message.data, { subject: message.subject, from, kinds: ['status'] });
      requireOwnName(message, silo, body);
      if (!heard(silo, body.instance)) return;
      on({ kind: 'silo-status', silo, status: body });
      if (isSiloEnd(body.state)) away(silo);
    });
  };
  const take = (message: Msg, work: (silo: string, key: string) => void) => {
    try {
      const silo = siloOfSubject(message.subject);
      const key = silo === null ? undefined : keyOf(silo);
      if (silo === null || key === undefined) {
        throw new MessageError(`A message on ${message.subject.slice(0, 100)} is of no silo that is known here.`, {
          reason: 'sender',
        });
      }
      work(silo, key);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      const { message: words, facts } = error;
      on({
        kind: 'message-dropped',
        subject: message.subject.slice(0, 100),
        reason: String(facts['reason']),
        message: words,
      });
    }
  };

  const listening = [
    nc.subscribe(helloSubject('*'), { callback: (_, message) => onHelloMessage(message) }),
    nc.subscribe(statusSubject('*'), { callback: (_, message) => onStatusMessage(message) }),
  ];
  return {
    isAnyoneHere: () => present.size > 0,
    forget: away,
    close() {
      for (const subscription of listening) if (!subscription.isClosed()) subscription.unsubscribe();
      for (const { timer } of present.values()) clearTimeout(timer);
    },
  };
}

// --- internal ---

interface Present {
  readonly instance: string;
  /** Another process of the silo, heard since this one was. */
  rival: string | null;
  readonly timer: NodeJS.Timeout;
}

const TWO_PROCESSES =
  'Another process with the identity of this silo is connected, or was a few seconds ago. Stop it: two of them would spend ' +
  'the privacy budget twice.';

function requireOwnName(message: Msg, silo: string, body: { readonly silo: string }): void {
  if (body.silo === silo) return;
  throw new MessageError(`A message on ${message.subject} says that it is of ${body.silo}. It was dropped.`, {
    reason: 'sender',
  });
}
