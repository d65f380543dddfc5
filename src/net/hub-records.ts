// What a server knows of each silo in the present plan: releases that were announced and are not settled, failures, leaving.
//
// Only headers, and only of rounds that are not behind a committed one: memory does not grow with the length of a run.

import type { AlignError } from '../errors.ts';
import type { Body, ReleaseHeader } from './messages.ts';

/** A release that a silo says it has uploaded. */
export interface Candidate {
  readonly header: ReleaseHeader;
  /** `ready`: its file is here and passed inspection. `lost`: its silo says that nobody has it any more. */
  state: 'announced' | 'ready' | 'refused' | 'lost';
  /** Why it was refused or is lost; or, while announced, what went wrong here. */
  error: AlignError | null;
  /** In the queue of arrivals, or to be there again soon. */
  isQueued: boolean;
  /** Whether parts of it were not in its bucket at the last look. */
  isMissing: boolean;
  /** Number of the first task by which this process asked its silo for missing parts; null before. */
  asked: number | null;
}

/** Why nothing is asked of a silo any more. */
export type Gone = 'left' | 'revoked';

export interface SiloRecord {
  /** In the order of arrival; the first that is neither refused nor lost counts. */
  readonly rounds: Map<number, Candidate[]>;
  failed: Body<'failed'> | null;
  /** Why nothing of it counts any more, until it has a new key; null where it may be heard. */
  gone: Gone | null;
  /** The newest round that the server has committed of it; 0 before. */
  committedRound: number;
}

export interface HubRecords {
  of(silo: string): SiloRecord;
  /** Whoever waits for something of this silo looks again. */
  changed(silo: string): void;
  /** Calls `look` at each change of the silo until the returned function is called. */
  onChange(silo: string, look: () => void): () => void;
  /** Null where it is not kept: too many of one round, known already (and not lost), or behind what is committed. */
  add(header: ReleaseHeader): Candidate | null;
  /** Forgets what is behind the newest committed round, which is returned. */
  commit(silo: string, round: number): number;
}

/**
 * Which release of a round is to be fetched next: none while one is ready, or one before it may turn out so. One whose parts
 * are missing does not hold up those after it.
 */
export function nextCandidate(ofRound: readonly Candidate[]): Candidate | null {
  if (ofRound.some(({ state }) => state === 'ready')) return null;
  const open = ofRound.filter(({ state }) => state === 'announced');
  return open.find(({ isMissing }) => !isMissing) ?? open[0] ?? null;
}

/** Whether it may still be the answer to its round: neither settled, nor forgotten, nor behind another that is ready. */
export function isWanted(records: HubRecords, candidate: Candidate): boolean {
  const { silo, round } = candidate.header;
  const ofRound = records.of(silo).rounds.get(round) ?? [];
  return (
    candidate.state === 'announced' && ofRound.includes(candidate) && !ofRound.some(({ state }) => state === 'ready')
  );
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
      gone: null,
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
      const at = same.findIndex((one) => one.header.decoder.sha256 === header.decoder.sha256);
      if (at < 0 ? same.length >= MOST_OF_A_ROUND : same[at]?.state !== 'lost') return null;
      const candidate: Candidate = {
        header,
        state: 'announced',
        error: null,
        isQueued: false,
        isMissing: false,
        asked: null,
      };
      rounds.set(header.round, at < 0 ? [...same, candidate] : same.with(at, candidate)); // what was lost was found
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
