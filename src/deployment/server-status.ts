// Where a federation stands, from the files of its server: what any process may look at while the server is at work.

import { z } from 'zod';
import { loadSpec } from '../experiments/load-spec.ts';
import { runLayout } from '../experiments/run-layout.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import { committedRounds, roundsDone } from './committed-rounds.ts';
import { readSettings, type ServerLayout } from './server-folder.ts';
import { accessOf, readRegistry, type SiloAccess } from './silo-registry.ts';

const heardSchema = z.strictObject({
  format: z.literal('align-fl/status@1'),
  silos: z.array(
    z.strictObject({
      name: z.string(),
      state: z.string(),
      round: z.int().nullable(),
      percent: z.int().nullable(),
      /** By the server's clock. */
      heardAt: z.iso.datetime(),
    }),
  ),
});

/** `status.json`: what silos said last. */
export type HeardSilos = z.infer<typeof heardSchema>;

/** A federation as its server's files tell. */
export interface ServerStatus {
  readonly name: string;
  readonly state: 'not begun' | 'under way' | 'complete';
  readonly rounds: number;
  readonly roundsDone: number;
  readonly silos: readonly {
    readonly name: string;
    readonly access: SiloAccess;
    readonly state: string | null;
    readonly round: number | null;
    /** Of the round's work. */
    readonly percent: number | null;
    readonly heardSecondsAgo: number | null;
    /** Rounds of which its release was committed. */
    readonly committed: readonly number[];
  }[];
}

/** Throws StateError where the folder is none of a server, or damaged. */
export async function serverStatus(layout: ServerLayout, now: Date): Promise<ServerStatus> {
  await readSettings(layout);
  const { name, rounds } = await loadSpec(layout.spec);
  const run = runLayout(layout.run);
  const done = await roundsDone(layout);
  const committed = committedRounds(done);
  const heard = isThere(layout.status) ? await readHeard(layout.status) : { silos: [] };
  const { silos } = await readRegistry(layout.registry);
  return {
    name,
    state: isThere(run.summary) ? 'complete' : isThere(run.journal) ? 'under way' : 'not begun',
    rounds,
    roundsDone: done.length,
    silos: silos.map((silo) => {
      const last = heard.silos.find((one) => one.name === silo.name);
      return {
        name: silo.name,
        access: accessOf(silo),
        state: last?.state ?? null,
        round: last?.round ?? null,
        percent: last?.percent ?? null,
        heardSecondsAgo: last ? Math.max(0, (now.getTime() - Date.parse(last.heardAt)) / 1000) : null,
        committed: [...new Set(committed.of(silo.name).map(({ round }) => round))],
      };
    }),
  };
}

/** Replaces `status.json`. */
export async function saveHeard(layout: ServerLayout, silos: HeardSilos['silos']): Promise<void> {
  await writeJsonAtomic(layout.status, { format: 'align-fl/status@1', silos } satisfies HeardSilos);
}

// --- internal ---

/** Nothing where the file is damaged: it is written anew within seconds. */
async function readHeard(path: string): Promise<Pick<HeardSilos, 'silos'>> {
  const parsed = heardSchema.safeParse(await readJson(path, { maxBytes: 1_000_000 }));
  return parsed.success ? parsed.data : { silos: [] };
}
