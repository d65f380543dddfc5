// What becomes of each message that a silo published: believed only where it is signed, of this run, and was asked for.

import { MessageError } from '../errors.ts';
import { canOpen, fail, openMessage } from './envelope.ts';
import { giveUpLost } from './hub-lost.ts';
import { nextCandidate } from './hub-records.ts';
import { dismiss, type HubState } from './hub-state.ts';
import { nonceOf } from './hub-tells.ts';
import { siloOfSubject } from './subjects.ts';
import type { Update } from './updates-reader.ts';

/** Never throws for what came: it is taken, passed over as of another run or of a key that is gone, or dropped and told of. */
export function takeUpdate(hub: HubState, update: Update): void {
  try {
    believe(hub, update);
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    if (isOfAFormerKey(hub, update)) return;
    const subject = update.subject.slice(0, 100);
    hub.emit({ kind: 'message-dropped', subject, reason: String(error.facts['reason']), message: error.message });
  }
}

// --- internal ---

/** Whoever left, was revoked or got another key has left such messages in the stream, and their time is over. */
function isOfAFormerKey({ formerKeys }: HubState, { subject, data, isNew }: Update): boolean {
  if (isNew) return false;
  const keys = formerKeys.get(siloOfSubject(subject) ?? '') ?? [];
  return keys.some((from) => canOpen(data, { subject, from, kinds: OF_SILOS }));
}

const OF_SILOS = ['release', 'failed', 'left'] as const;

function believe(hub: HubState, { subject, data, isNew }: Update): void {
  const { run, plan, keys, records, arrivals, emit } = hub;
  const silo = siloOfSubject(subject);
  const from = silo === null ? undefined : keys.get(silo);
  if (silo === null || from === undefined) return fail('sender', subject, 'is of no silo that is known here');
  const record = records.of(silo);
  if (record.gone !== null) return fail('sender', subject, 'is of a silo that was revoked, or left');
  const { kind, body } = openMessage(data, { subject, from, kinds: OF_SILOS });
  if (body.silo !== silo) return fail('sender', subject, `says that it is of ${body.silo}`);
  if (body.run !== run || (kind !== 'left' && body.plan !== plan)) return; // of an earlier run at this broker
  switch (kind) {
    case 'release': {
      if (body.nonce !== nonceOf(hub, silo, body.round)) {
        return fail('not-asked', subject, `has a nonce that does not belong to round ${body.round} of ${silo}`);
      }
      if (record.failed?.round === body.round) record.failed = null; // before it had this
      const candidate = records.add(body);
      if (candidate === null) return;
      emit({ kind: 'release-announced', silo, round: body.round, sha256: body.decoder.sha256 });
      const isNext = nextCandidate(record.rounds.get(body.round) ?? []) === candidate;
      if (isNext && body.round > record.committedRound) arrivals.enqueue(candidate);
      break;
    }
    case 'failed':
      record.failed = body;
      giveUpLost(records, silo, body.round);
      emit({ kind: 'silo-failed', silo, round: body.round, code: body.code, message: body.message, isNew });
      break;
    case 'left':
      dismiss(hub, silo, 'left');
      emit({ kind: 'silo-left', silo });
      break;
  }
  records.changed(silo);
}
