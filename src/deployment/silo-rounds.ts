// How far a silo is in a plan, from its own files, without its images.

import { readDepartures } from '../net/departures.ts';
import type { SealedRelease } from '../silo/sealed-releases.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { isThere } from '../storage/presence.ts';
import { loadRounds } from '../training/round-training.ts';
import { type SiloLayout } from './silo-home.ts';

/**
 * The last round that was completed under a plan, or null for none: by the state of its training, and by what left. Whoever
 * brings a decoder along has no such state. Throws StateError where a file is damaged.
 */
export async function roundDone(layout: SiloLayout, plan: string): Promise<number | null> {
  const file = stateFileOf({ stateDir: layout.state(plan) });
  const { from } = await loadRounds({ file, round: Number.POSITIVE_INFINITY, gaps: 'allowed' }); // before any later one
  const trained = from?.round ?? 0;
  const left = (await releasesThatLeft(layout, plan)).map(({ round }) => round);
  const done = Math.max(trained, ...left);
  return done === 0 ? null : done;
}

/** Decoders that left under a plan, by the log of departures. Throws StateError where that is damaged. */
export async function releasesThatLeft(layout: SiloLayout, plan: string): Promise<readonly SealedRelease[]> {
  if (!isThere(layout.departures)) return [];
  const { departures } = await readDepartures(layout.departures);
  return departures.flatMap((one) =>
    one.plan === plan && one.sha256 !== null ? [{ round: one.round, sha256: one.sha256 }] : [],
  );
}
