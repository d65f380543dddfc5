// Where a federation stands, from the files of its server: what any process may look at, whether the server is at work or not.

import { runLayout } from '../experiments/run-layout.ts';
import { isThere } from '../storage/presence.ts';
import { specInForce } from './agreed-plan.ts';
import { committedRounds, roundsDone } from './committed-rounds.ts';
import { networkLogIn } from './network-log.ts';
import { readSettings, type ServerLayout } from './server-folder.ts';
import { accessOf, readRegistry, type SiloAccess } from './silo-registry.ts';
import { heardOf, readStatus, type RoundPlayed, type SiloTrouble } from './status-file.ts';
import { isAtWork } from './work-lock.ts';

/** A federation as its server's files tell. */
export interface ServerStatus {
  readonly name: string;
  readonly state: 'not begun' | 'under way' | 'complete';
  /** Whether a server works in the folder now, on this machine. */
  readonly isAtWork: boolean;
  readonly rounds: number;
  readonly roundsDone: number;
  /** Answers that suffice when a round's time is over; null: a round waits for every silo. */
  readonly quorum: number | null;
  readonly deadlineMinutes: number | null;
  /** The round that is played, or in which the last server ended; null between rounds. */
  readonly playing: RoundPlayed | null;
  readonly silos: readonly StatusOfSilo[];
  /** File that tells what happened on the network; null where there is none yet. */
  readonly networkLog: string | null;
}

/** A silo as its server knows it. What it said last is kept when either side ends. */
export interface StatusOfSilo {
  readonly name: string;
  readonly access: SiloAccess;
  /** Whether a process of it is connected, as far as a server at work knows. */
  readonly isHere: boolean;
  readonly state: string | null;
  readonly round: number | null;
  /** Of the round's work. */
  readonly percent: number | null;
  /** ISO time, by the server's clock. */
  readonly heardAt: string | null;
  readonly heardSecondsAgo: number | null;
  /** Rounds of which its release was committed. */
  readonly committed: readonly number[];
  /** The last thing that went wrong, however much went well since. */
  readonly trouble: SiloTrouble | null;
}

/** Throws StateError where the folder is none of a server, or damaged. */
export async function serverStatus(layout: ServerLayout, now: Date): Promise<ServerStatus> {
  const { quorum, deadlineMinutes } = await readSettings(layout);
  const { name, rounds } = await specInForce(layout);
  const run = runLayout(layout.run);
  const working = await isAtWork(layout.root); // before what it writes is read
  const heard = await readStatus(layout);
  const done = await roundsDone(layout);
  const committed = committedRounds(done);
  const { silos } = await readRegistry(layout.registry);
  const isComplete = isThere(run.summary);
  const { playing } = heard;
  return {
    name,
    state: isComplete ? 'complete' : isThere(run.journal) ? 'under way' : 'not begun',
    isAtWork: working,
    rounds,
    roundsDone: done.length,
    quorum,
    deadlineMinutes,
    // A server that was killed may have had no time to say that the round was over.
    playing: playing !== null && !isComplete && playing.round > done.length ? playing : null,
    silos: silos.map((silo) => {
      const { isHere = false, said = null, trouble = null } = heardOf(heard, silo.name) ?? {};
      return {
        name: silo.name,
        access: accessOf(silo),
        isHere: isHere && working,
        state: said?.state ?? null,
        round: said?.round ?? null,
        percent: said?.percent ?? null,
        heardAt: said?.at ?? null,
        heardSecondsAgo: said ? secondsSince(said.at, now) : null,
        committed: [...new Set(committed.of(silo.name).map(({ round }) => round))],
        trouble,
      };
    }),
    networkLog: networkLogIn(layout),
  };
}

/** From an ISO time to `now`; 0 for one that is still to come, as clocks are set. */
export function secondsSince(at: string, now: Date): number {
  return Math.max(0, (now.getTime() - Date.parse(at)) / 1000);
}
