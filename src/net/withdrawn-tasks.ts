// Tasks that a run has outlived: when it is over they are taken back, so that a silo that was away trains nothing for it any more
// and finds the end behind what it was told before.

import { jetstreamManager } from '@nats-io/jetstream';
import { insistOn, type Link } from './bucket.ts';
import { canOpen } from './envelope.ts';
import { TASKS, taskSubject } from './subjects.ts';

/**
 * Removes from the broker all `train` that the silo has not acknowledged; `server` is the public key that signed them. What else
 * it was told stays.
 */
export async function withdrawTasks(link: Link, silo: string, server: string): Promise<void> {
  const jsm = await jetstreamManager(link.nc, { timeout: link.timing.tryMs, checkAPI: false });
  const subject = taskSubject(silo);
  const what = `The tasks of ${silo}`;
  const { ack_floor: floor } = await insistOn(link, what, () => jsm.consumers.info(TASKS, silo));
  for (let seq = floor.stream_seq + 1; ; seq++) {
    const next = { seq, next_by_subj: subject };
    const message = await insistOn(link, what, () => jsm.streams.getMessage(TASKS, next));
    if (message === null) return;
    ({ seq } = message);
    if (canOpen(message.data, { subject, from: server, kinds: ['train'] })) {
      await insistOn(link, what, () => jsm.streams.deleteMessage(TASKS, message.seq, false));
    }
  }
}
