// Publishing that ends only when the message is kept: the same message again, under the same id, until the broker says so.

import { jetstream } from '@nats-io/jetstream';
import { insistOn, type Link } from './bucket.ts';

export interface Publication {
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** The broker keeps one message of an id within a day. */
  readonly id: string;
  /** Names it in errors. */
  readonly what: string;
}

/** Returns the message's number in its stream, the first one's where it was there already. */
export async function publishDurably(link: Link, { subject, bytes, id, what }: Publication): Promise<number> {
  const js = jetstream(link.nc, { timeout: link.timing.tryMs });
  const { seq } = await insistOn(link, what, (timeout) => js.publish(subject, bytes, { msgID: id, timeout }));
  return seq;
}
