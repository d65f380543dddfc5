// Which releases a server has for good: those of its caller's journal, and those that this process was told to commit.
//
// The two are kept apart as the journal may have been read when the server started, and know nothing of what came since.

import type { ReleaseId } from './net-events.ts';

/** A release of a silo that is known already, and the round that it answers. */
export type OwnRelease = Omit<ReleaseId, 'silo'>;

export interface CommittedReleases {
  /** The release of a silo's newest round in the journal; null where there is none. */
  newestOf(silo: string): OwnRelease | null;
  /** Those of the journal, then those of this process. */
  of(silo: string): readonly OwnRelease[];
  /** Remembers what this process committed, in place of another of that round. */
  note(release: ReleaseId): void;
}

/** `journal`: what the caller has durably of a silo in this plan, whenever it is asked. */
export function openCommitted(journal: (silo: string) => readonly OwnRelease[]): CommittedReleases {
  const here = new Map<string, readonly OwnRelease[]>();
  return {
    newestOf: (silo) =>
      journal(silo).reduce<OwnRelease | null>((best, one) => (best && best.round > one.round ? best : one), null),
    of: (silo) => [...journal(silo), ...(here.get(silo) ?? [])],
    note({ silo, round, sha256 }) {
      const others = (here.get(silo) ?? []).filter((one) => one.round !== round).slice(-MOST_PENDING);
      here.set(silo, [...others, { round, sha256 }]);
    },
  };
}

// --- internal ---

/** A silo says of no more releases that it waits for word of them. */
const MOST_PENDING = 256;
