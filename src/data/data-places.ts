// The folders in which known sets are looked for. All that decides comes in as an argument.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.ts';

/** A folder in which sets are looked for. The cache is ours to repair; the others are the user's. */
export interface DataPlace {
  readonly kind: 'option' | 'environment' | 'cache';
  readonly dir: string;
}

/** The user's wishes and surroundings, all from outside. */
export interface Surroundings {
  /** `--data`, where given. */
  readonly dataDir?: string | undefined;
  /** `ALIGN_FL_DATA`, `XDG_CACHE_HOME` are read from here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
}

/** The folders to look in, in order; the cache is always the last. */
export function dataPlaces({ dataDir, env, homeDir }: Surroundings): readonly DataPlace[] {
  const places: DataPlace[] = [];
  if (isGiven(dataDir)) places.push({ kind: 'option', dir: dataDir });
  if (isGiven(env.ALIGN_FL_DATA)) places.push({ kind: 'environment', dir: env.ALIGN_FL_DATA });
  return [...places, { kind: 'cache', dir: cacheFolder({ env, homeDir }, 'data') }];
}

/** The folder `name` within the user's cache of this program, where what can be made again is kept for all runs. */
export function cacheFolder({ env, homeDir }: Pick<Surroundings, 'env' | 'homeDir'>, name: string): string {
  const cacheHome = isGiven(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : join(homeDir, '.cache');
  return join(cacheHome, 'align-fl', name);
}

/**
 * The folder in `place` that would hold the set called `name`: `DIR/name`, or `DIR` itself where the user has no
 * folder of that name below it (the files may lie there directly).
 */
export async function folderOfSet(place: DataPlace, name: string): Promise<string> {
  const below = join(place.dir, name);
  return place.kind === 'cache' || (await isFolder(below)) ? below : place.dir;
}

/** Throws DataError where a place that the user named is no folder. */
export async function requireFolder({ kind, dir }: DataPlace): Promise<void> {
  if (await isFolder(dir)) return;
  const origin = kind === 'option' ? '--data' : 'ALIGN_FL_DATA';
  throw new DataError(`${origin} names ${dir}, which is no folder. Correct it, or leave it out.`, { dir, origin });
}

// --- internal ---

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

async function isFolder(dir: string): Promise<boolean> {
  return (await stat(dir).catch(() => null))?.isDirectory() === true;
}
