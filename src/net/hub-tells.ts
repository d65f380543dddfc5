// What a server says to a silo: signed, and kept by the broker in order until the silo has taken it.

import { nuid } from '@nats-io/transport-node';
import { contentHash } from '../storage/content-hash.ts';
import { publishDurably } from './durable-publish.ts';
import { sealMessage } from './envelope.ts';
import type { HubState } from './hub-state.ts';
import type { Body } from './messages.ts';
import type { ReleaseId } from './net-events.ts';
import { taskSubject } from './subjects.ts';

/** Asks a silo for a round. Returns the number of the task in its stream. */
export async function askFor(hub: Teller, silo: string, round: number): Promise<number> {
  const seq = await tell(hub, silo, 'train', { ...aboutRun(hub), round, nonce: nonceOf(hub, silo, round) });
  hub.emit({ kind: 'task-sent', silo, round });
  return seq;
}

/** Tells a silo that it may forget a release. */
export async function tellCommitted(hub: Teller, { silo, round, sha256 }: ReleaseId): Promise<void> {
  await tell(hub, silo, 'committed', { ...aboutRun(hub), round, sha256 });
  hub.emit({ kind: 'release-committed', silo, round, sha256 });
}

/** Tells a silo that a release will not be used, and why. */
export async function tellRefused(
  hub: Teller,
  { silo, round, sha256, code, reason }: ReleaseId & Pick<Body<'refused'>, 'code' | 'reason'>,
): Promise<void> {
  await tell(hub, silo, 'refused', { ...aboutRun(hub), round, sha256, code, reason });
}

/** Tells a silo that the run is over. */
export async function tellEnd(hub: Teller, silo: string): Promise<void> {
  await tell(hub, silo, 'end', aboutRun(hub));
}

/** What the release of a round must name: made from the server's signature, so that only who was asked can have it. */
export function nonceOf({ identity, plan }: Pick<Teller, 'identity' | 'plan'>, silo: string, round: number): string {
  const asked = ['align-fl/nonce@1', plan, round, silo].join('\n');
  return contentHash(identity.sign(new TextEncoder().encode(asked)));
}

// --- internal ---

type Teller = Pick<HubState, 'link' | 'identity' | 'run' | 'plan' | 'emit'>;

const aboutRun = ({ run, plan }: Teller) => ({ run, plan });

async function tell<K extends 'train' | 'committed' | 'refused' | 'end'>(
  { link, identity }: Teller,
  silo: string,
  kind: K,
  body: Body<K>,
): Promise<number> {
  const subject = taskSubject(silo);
  const bytes = sealMessage(identity, { subject, kind, body });
  return publishDurably(link, { subject, bytes, id: `${kind}/${nuid.next()}`, what: `'${kind}' for ${silo}` });
}
