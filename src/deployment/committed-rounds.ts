// Which releases are safe in the server's journal: what silos are told, so that they need not keep theirs.

import { readJournal, type RoundRecord } from '../experiments/journal.ts';
import { runLayout } from '../experiments/run-layout.ts';
import type { ReleaseId } from '../net/net-events.ts';
import { isThere } from '../storage/presence.ts';
import type { ServerLayout } from './server-folder.ts';

/** What is committed so far; grows with every round. */
export interface CommittedRounds {
  of(silo: string): readonly ReleaseId[];
  /** Takes a round that is in the journal, and returns what it committed. Taking it again changes nothing. */
  add(round: Pick<RoundRecord, 'round' | 'uploads'>): readonly ReleaseId[];
}

export function committedRounds(done: readonly RoundRecord[]): CommittedRounds {
  const committed = done.flatMap(committedIn);
  return {
    of: (silo) => committed.filter((release) => release.silo === silo),
    add(record) {
      const now = committedIn(record);
      for (const one of now) {
        if (!committed.some(({ silo, round }) => silo === one.silo && round === one.round)) committed.push(one);
      }
      return now;
    },
  };
}

/** Rounds of the run that are complete, none before it began. Throws StateError where the journal is damaged. */
export async function roundsDone({ run }: Pick<ServerLayout, 'run'>): Promise<readonly RoundRecord[]> {
  const { journal } = runLayout(run);
  return isThere(journal) ? ((await readJournal(journal)).strategies['align'] ?? []) : [];
}

/** What a round committed, as silos are told: the rounds that releases answered, and their hashes. */
export function committedIn({ round, uploads }: Pick<RoundRecord, 'round' | 'uploads'>): readonly ReleaseId[] {
  return uploads.flatMap(({ silo, answers, sha256 }) =>
    sha256 === null ? [] : [{ silo, round: answers ?? round, sha256 }],
  );
}
