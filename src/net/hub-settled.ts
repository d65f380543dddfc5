// What follows when a release that came in was looked at: it is told of, its silo learns of a refusal, and the next one of its
// round has its turn.

import { giveUpLost } from './hub-lost.ts';
import { type Candidate, nextCandidate } from './hub-records.ts';
import type { HubState } from './hub-state.ts';
import { tellRefused } from './hub-tells.ts';
import { plainWords } from './message-words.ts';

/** Of a candidate that changed: one that is ready, refused, or as far from it as before. */
export function settle(hub: HubState, candidate: Candidate): void {
  const { records, arrivals, background, emit } = hub;
  const { silo, round, decoder } = candidate.header;
  giveUpLost(records, silo, round);
  const { state, error, isMissing } = candidate;
  const release = { silo, round, sha256: decoder.sha256 };
  if (state === 'ready') emit({ kind: 'release-ready', ...release });
  if (state === 'refused' && error) {
    const { code, message, facts } = error;
    const why = { code, reason: plainWords(String(facts['reason'] ?? message)) };
    emit({ kind: 'release-refused', ...release, ...why });
    background.start(tellRefused(hub, { ...release, ...why }));
  }
  const isNextOnes = state === 'refused' || isMissing;
  const next = isNextOnes ? nextCandidate(records.of(silo).rounds.get(round) ?? []) : null;
  if (next) arrivals.enqueue(next); // does nothing where it is on its way
  records.changed(silo);
}
