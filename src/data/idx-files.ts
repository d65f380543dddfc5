// The four files of a data set in MNIST's layout: what they are called, and how one is found and read.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { IDX_LIMITS } from './idx.ts';

/** What a file holds. `t10k` is MNIST's name for the test part, whatever its size. */
export type IdxRole = 'train-images' | 'train-labels' | 't10k-images' | 't10k-labels';

/** All four, in the order in which they are read and listed. */
export const IDX_ROLES: readonly IdxRole[] = ['train-images', 'train-labels', 't10k-images', 't10k-labels'];

/** The usual name, without `.gz`: `train-images-idx3-ubyte`. */
export function idxFileName(role: IdxRole): string {
  return `${role}-${kindOf(role)}`;
}

/** The names under which a file is looked for, best first: plain or gzip, with a hyphen or (some archives) a dot. */
export function idxFileNames(role: IdxRole): readonly string[] {
  const kinds = role.endsWith('images') ? [kindOf(role), COLOUR_KIND] : [kindOf(role)];
  return kinds.flatMap((kind) =>
    ['-', '.'].flatMap((between) => ['', '.gz'].map((end) => `${role}${between}${kind}${end}`)),
  );
}

/** A file as it lies on disk, perhaps still compressed. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads the files of `role` that `dir` has, one after the other, best name first; none where `dir` is no folder.
 * Throws DataError for a file that is greater than any sensible data set, or that can't be read.
 */
export async function* readIdxFiles(dir: string, role: IdxRole): AsyncGenerator<StoredFile> {
  for (const name of idxFileNames(role)) {
    const path = join(dir, name);
    const bytes = await readBounded(path, IDX_LIMITS.maxSizeBytes);
    if (bytes !== null) yield { path, bytes };
  }
}

// --- internal ---

/** How files of four dimensions are called. */
const COLOUR_KIND = 'idx4-ubyte';

function kindOf(role: IdxRole): string {
  return role.endsWith('images') ? 'idx3-ubyte' : 'idx1-ubyte';
}

/** The whole file; null where there is none. */
async function readBounded(path: string, maxBytes: number): Promise<Uint8Array | null> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return null;
    if (found.size <= maxBytes) return await readFileBounded(path, { maxBytes });
    throw new DataError(
      `${path}: expected at most ${maxBytes} bytes, found ${found.size}. Check that it is an IDX file.`,
      { file: path, sizeBytes: found.size, maxBytes },
    );
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new DataError(
      `${path}: could not be read (${code}). Check its permissions.`,
      { file: path, code },
      { cause },
    );
  }
}
