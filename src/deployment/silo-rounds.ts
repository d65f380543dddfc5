// How far a silo is in a plan, from its own files, without its images.

import { readDepartures } from '../net/departures.ts';
import type { SealedRelease } from '../silo/sealed-releases.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { isThere } from '../storage/presence.ts';
import { loadState } from '../training/state-file.ts';
import { type SiloLayout } from './silo-home.ts';

/**
 * The last round that was completed under a plan, or null for none: by the state of its training, and by what left. Whoever
 * brings a decoder along has no such state. Throws StateError where a file is damaged.
 */
export async function roundDone(layout: SiloLayout, plan: string): Promise<number | null> {
  const stored = await loadState(stateFileOf({ stateDir: layout.state(plan) }));
  const trained = stored === null ? 0 : stored.finished ? stored.round : stored.round - 1;
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
