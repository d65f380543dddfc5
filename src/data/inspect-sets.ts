// What is on this machine of the known sets, for those who want to know before they run.

import { type DataPlace, folderOfSet } from './data-places.ts';
import type { IdxRole } from './idx-files.ts';
import { type Reading, readKnownFiles } from './known-file.ts';
import { ALL_KNOWN_SETS, type KnownSet } from './known-sets.ts';

/** One file of a set in one place. */
export interface FileReport {
  readonly role: IdxRole;
  readonly path: string;
  readonly state: 'verified' | 'damaged' | 'missing';
  /** Why it is damaged; empty otherwise. */
  readonly problem: string;
}

/** One set in one place. */
export interface PlaceReport {
  readonly set: string;
  readonly place: DataPlace;
  /** The folder that was looked into. */
  readonly dir: string;
  /** Complete: all four files are there and verified. */
  readonly state: 'complete' | 'partial' | 'absent';
  readonly files: readonly FileReport[];
}

/**
 * What is present and whole, for every set and place, sets first. Changes nothing, downloads nothing, reads
 * everything. A place that does not exist is absent.
 */
export async function inspectKnownSets(
  places: readonly DataPlace[],
  sets: readonly KnownSet[] = ALL_KNOWN_SETS,
): Promise<readonly PlaceReport[]> {
  const reports: PlaceReport[] = [];
  for (const set of sets) {
    for (const place of places) reports.push(await inspectPlace(set, place, sets));
  }
  return reports;
}

// --- internal ---

async function inspectPlace(set: KnownSet, place: DataPlace, sets: readonly KnownSet[]): Promise<PlaceReport> {
  const dir = await folderOfSet(place, set.name);
  const readings = await readKnownFiles(dir, set, sets);
  const files = set.files.map((file, i): FileReport => {
    const reading = readings[i] as Reading;
    if (reading.state === 'verified') {
      return { role: file.role, path: reading.contents.path, state: 'verified', problem: '' };
    }
    // In a folder of loose files another set's are no damage: this one is just not there.
    const isOthers = reading.state === 'damaged' && reading.belongsTo !== null && dir === place.dir;
    if (reading.state === 'missing' || isOthers)
      return { role: file.role, path: reading.path, state: 'missing', problem: '' };
    return { role: file.role, path: reading.path, state: 'damaged', problem: reading.problem };
  });
  const isAll = (state: FileReport['state']): boolean => files.every((file) => file.state === state);
  const state = isAll('verified') ? 'complete' : isAll('missing') ? 'absent' : 'partial';
  return { set: set.name, place, dir, state, files };
}
