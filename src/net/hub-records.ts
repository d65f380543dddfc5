// What a server knows of each silo in the present plan: releases that were announced and are not settled, failures, leaving.
//
// Only headers, and only of rounds that are not behind a committed one: memory does not grow with the length of a run.

import type { AlignError } from '../errors.ts';
import type { Body, ReleaseHeader } from './messages.ts';

/** A release that a silo says it has uploaded. */
export interface Candidate {
  readonly header: ReleaseHeader;
  /** `ready`: its file is here and passed inspection. */
  state: 'announced' | 'ready' | 'refused';
  /** Why it was refused; or, while announced, what went wrong here. */
  error: AlignError | null;
  /** In the queue of arrivals, or to be there again soon. */
  isQueued: boolean;
  /** Whether parts of it were not in its bucket at the last look. */
  isMissing: boolean;
}

export interface SiloRecord {
  /** In the order of arrival; the first that is not refused counts. */
  readonly rounds: Map<number, Candidate[]>;
  failed: Body<'failed'> | null;
  /** The instance that left. */
  left: string | null;
  /** Whether it left before this server began, and may be back without having had to say so: it is listened for first. */
  mayBeBack: boolean;
  isRevoked: boolean;
  /** The newest round that the server has committed of it; 0 before. */
  committedRound: number;
}

export interface HubRecords {
  of(silo: string): SiloRecord;
  /** Whoever waits for something of this silo looks again. */
  changed(silo: string): void;
  /** Calls `look` at each change of the silo until the returned function is called. */
  onChange(silo: string, look: () => void): () => void;
  /** Null where it is not kept: too many of one round, known already, or behind what is committed. */
  add(header: ReleaseHeader): Candidate | null;
  /** Forgets what is behind the newest committed round, which is returned. */
  commit(silo: string, round: number): number;
}

/** Which release of a round is to be fetched next: none while one is ready, or one before it may turn out so. */
export function nextCandidate(ofRound: readonly Candidate[]): Candidate | null {
  const first = ofRound.find(({ state }) => state !== 'refused');
  return first?.state === 'announced' && !ofRound.some(({ state }) => state === 'ready') ? first : null;
}

/** Different releases of one round, at most. One is right; more are a silo that was restored, or worse. */
const MOST_OF_A_ROUND = 4;

export function openHubRecords(): HubRecords {
  const records = new Map<string, SiloRecord>();
  const watchers = new Map<string, Set<() => void>>();
  const of = (silo: string): SiloRecord => {
    const known = records.get(silo);
    if (known) return known;
    const made: SiloRecord = {
      rounds: new Map(),
      failed: null,
      left: null,
      mayBeBack: false,
      isRevoked: false,
      committedRound: 0,
    };
    records.set(silo, made);
    return made;
  };
  return {
    of,
    changed(silo) {
      for (const look of [...(watchers.get(silo) ?? [])]) look();
    },
    onChange(silo, look) {
      const set = watchers.get(silo) ?? new Set();
      watchers.set(silo, set.add(look));
      return () => set.delete(look);
    },
    add(header) {
      const { rounds, committedRound } = of(header.silo);
      if (header.round < committedRound) return null;
      const same = rounds.get(header.round) ?? [];
      if (same.length >= MOST_OF_A_ROUND) return null;
      if (same.some((one) => one.header.decoder.sha256 === header.decoder.sha256)) return null;
      const candidate: Candidate = { header, state: 'announced', error: null, isQueued: false, isMissing: false };
      rounds.set(header.round, [...same, candidate]);
      return candidate;
    },
    commit(silo, round) {
      const record = of(silo);
      record.committedRound = Math.max(record.committedRound, round);
      for (const one of [...record.rounds.keys()]) if (one < record.committedRound) record.rounds.delete(one);
      return record.committedRound;
    },
  };
}
