// A release of which parts are missing, and whose silo cannot give them again: nobody asks for it any more.

import { COMMITTED_FAILURE, LOST_CODE, revivedFailure } from './failure-words.ts';
import type { HubRecords } from './hub-records.ts';

/**
 * Gives up what the silo says is lost, once it was asked by this process: what it told an earlier one may not be so any more, as
 * its owner may have put the folder back.
 */
export function giveUpLost(records: HubRecords, silo: string, round: number): void {
  const { rounds, failed } = records.of(silo);
  if (failed === null || failed.round !== round || !GONE.has(failed.code)) return;
  for (const candidate of rounds.get(round) ?? []) {
    const { state, isMissing, asked } = candidate;
    if (state !== 'announced' || !isMissing || asked === null || failed.task < asked) continue;
    candidate.state = 'lost';
    candidate.error = revivedFailure(silo, round, failed);
  }
}

// --- internal ---

/** With which a silo says that it has a release no more: it was told to forget it as committed, or lost its folder. */
const GONE: ReadonlySet<string> = new Set([COMMITTED_FAILURE.code, LOST_CODE]);
