// What a silo lets be seen while it works: a state, a round and whole percents, every few seconds. Never a loss or a count.

import type { NatsConnection } from '@nats-io/transport-node';
import { sealMessage, type Signer } from './envelope.ts';
import { type Body, isSiloEnd, type SiloEnd } from './messages.ts';
import { statusSubject } from './subjects.ts';

export interface StatusTeller {
  /** Tells a change at once. */
  set(state: Exclude<Body<'status'>['state'], SiloEnd>, round?: number | null): void;
  /** Kept for the next time that is told. `percent` is brought into 0 to 100 and cut to whole ones. */
  percent(percent: number): void;
  /** Says how it ends, and is silent from then on. The first of several calls counts. */
  end(how: SiloEnd): void;
}

export function openStatus(options: {
  readonly nc: NatsConnection;
  readonly identity: Signer;
  readonly silo: string;
  readonly instance: string;
  readonly everyMs: number;
}): StatusTeller {
  const { nc, identity, silo, instance, everyMs } = options;
  const subject = statusSubject(silo);
  let status: Body<'status'> = { silo, instance, state: 'idle', round: null, percent: null };
  const tell = () => {
    if (nc.isClosed() || nc.isDraining()) return;
    nc.publish(subject, sealMessage(identity, { subject, kind: 'status', body: status }));
  };
  const timer = setInterval(tell, everyMs);
  timer.unref();
  return {
    set(state, round = null) {
      if (isSiloEnd(status.state)) return;
      status = { ...status, state, round, percent: state === 'training' ? 0 : null };
      tell();
    },
    percent(percent) {
      if (status.state === 'training')
        status = { ...status, percent: Math.trunc(Math.min(100, Math.max(0, percent))) || 0 };
    },
    end(how) {
      if (isSiloEnd(status.state)) return;
      clearInterval(timer);
      status = { ...status, state: how, round: null, percent: null };
      tell();
    },
  };
}
