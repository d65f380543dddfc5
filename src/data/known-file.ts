// One file of a known set, read and judged by the hash of its contents.

import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { inflateIdx } from './idx.ts';
import { idxFileName, readIdxFiles, type StoredFile } from './idx-files.ts';
import type { KnownFile, KnownSet } from './known-sets.ts';

/** What `readKnownFile` found. */
export type Reading =
  | { readonly state: 'verified'; readonly contents: StoredFile }
  /** `belongsTo`: the known set whose file this is instead; null where it is nobody's. */
  | { readonly state: 'damaged'; readonly path: string; readonly problem: string; readonly belongsTo: string | null }
  | { readonly state: 'missing'; readonly path: string };

/**
 * The file in `dir`, uncompressed, under whichever name a whole copy has. `knownSets` help to say whose file it
 * is instead. Throws DataError only where the disk refuses.
 */
export async function readKnownFile(dir: string, file: KnownFile, knownSets: readonly KnownSet[]): Promise<Reading> {
  let damaged: Reading | null = null;
  for await (const stored of readIdxFiles(dir, file.role)) {
    const reading = judge(stored, file, knownSets);
    if (reading.state === 'verified') return reading;
    damaged ??= reading;
  }
  return damaged ?? { state: 'missing', path: join(dir, `${idxFileName(file.role)}.gz`) };
}

/** All four files of `set` in `dir`, in the set's order. */
export async function readKnownFiles(
  dir: string,
  set: KnownSet,
  knownSets: readonly KnownSet[],
): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (const file of set.files) readings.push(await readKnownFile(dir, file, knownSets));
  return readings;
}

// --- internal ---

function judge({ path, bytes }: StoredFile, file: KnownFile, knownSets: readonly KnownSet[]): Reading {
  let content: Uint8Array;
  try {
    content = inflateIdx(bytes, path);
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    return { state: 'damaged', path, problem: cause.message, belongsTo: null };
  }
  const hash = contentHash(content);
  if (hash === file.sha256) return { state: 'verified', contents: { path, bytes: content } };
  const owner = knownSets.find(({ files }) => files.some(({ sha256 }) => sha256 === hash))?.name ?? null;
  const belongs = owner === null ? '' : ` This is a file of ${owner}.`;
  const problem = `${path}: expected SHA-256 ${file.sha256} (without gzip), found ${hash}.${belongs}`;
  return { state: 'damaged', path, problem, belongsTo: owner };
}
