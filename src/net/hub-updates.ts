// What becomes of each message that a silo published: believed only where it is signed, of this run, and was asked for.

import { MessageError } from '../errors.ts';
import { fail, openMessage } from './envelope.ts';
import type { Arrivals } from './hub-arrivals.ts';
import { type HubRecords, nextCandidate } from './hub-records.ts';
import type { HubEvent } from './net-events.ts';
import { siloOfSubject } from './subjects.ts';
import type { Update } from './updates-reader.ts';

export interface UpdateRules {
  readonly run: string;
  /** SHA-256 of the plan. */
  readonly plan: string;
  readonly keyOf: (silo: string) => string | undefined;
  readonly nonceOf: (silo: string, round: number) => string;
  readonly records: HubRecords;
  readonly arrivals: Arrivals;
  readonly emit: (event: HubEvent) => void;
}

/** Never throws for what came: it is taken, passed over as of another run, or dropped and told of. */
export function takeUpdate(rules: UpdateRules, update: Update): void {
  const { emit } = rules;
  try {
    believe(rules, update);
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    const subject = update.subject.slice(0, 100);
    emit({ kind: 'message-dropped', subject, reason: String(error.facts['reason']), message: error.message });
  }
}

// --- internal ---

function believe(
  { run, plan, keyOf, nonceOf, records, arrivals, emit }: UpdateRules,
  { subject, data, isNew }: Update,
): void {
  const silo = siloOfSubject(subject);
  const from = silo === null ? undefined : keyOf(silo);
  if (silo === null || from === undefined) return fail('sender', subject, 'is of no silo that is known here');
  const record = records.of(silo);
  if (record.isRevoked) return fail('sender', subject, 'is of a silo that was revoked');
  const { kind, body } = openMessage(data, { subject, from, kinds: ['release', 'failed', 'left'] });
  if (body.silo !== silo) return fail('sender', subject, `says that it is of ${body.silo}`);
  if (body.run !== run || (kind !== 'left' && body.plan !== plan)) return; // of an earlier run at this broker
  switch (kind) {
    case 'release': {
      if (body.nonce !== nonceOf(silo, body.round)) {
        return fail('not-asked', subject, `has a nonce that does not belong to round ${body.round} of ${silo}`);
      }
      record.left = null; // it came back, if it was gone
      const candidate = records.add(body);
      if (candidate === null) return;
      emit({ kind: 'release-announced', silo, round: body.round, sha256: body.decoder.sha256 });
      const isNext = nextCandidate(record.rounds.get(body.round) ?? []) === candidate;
      if (isNext && body.round > record.committedRound) arrivals.enqueue(candidate);
      break;
    }
    case 'failed':
      record.failed = body;
      record.left = null;
      emit({ kind: 'silo-failed', silo, round: body.round, code: body.code, message: body.message, isNew });
      break;
    case 'left':
      record.left = body.instance;
      record.mayBeBack = !isNew;
      emit({ kind: 'silo-left', silo });
      break;
  }
  records.changed(silo);
}
