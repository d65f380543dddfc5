// Folders that are whole or not there: filled beside their place, and moved into it when nothing is missing.

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AlignError, StateError } from '../errors.ts';
import { isThere } from './presence.ts';

/** Writes a file below the folder that is being filled; `path` is relative, with slashes. */
export type PutFile = (path: string, content: Uint8Array | string) => Promise<void>;

/**
 * Makes `folder` with all that `fill` puts into it, and returns what `fill` does. Until `fill` is done it lies under a hidden name beside; if `fill` throws,
 * that is removed. What was at `folder` is replaced in whole: ask first. Throws StateError where the disk refuses; what was
 * there then is there again. A killed process leaves the hidden folder, `.<name>.<uuid>.unfinished`.
 */
export async function writeWholeFolder<T>(folder: string, fill: (put: PutFile) => Promise<T>): Promise<T> {
  const target = resolve(folder);
  const beside = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  const [part, old] = [`${beside}.unfinished`, `${beside}.replaced`];
  const made = new Set<string>();
  const put: PutFile = async (path, content) => {
    const file = join(part, path);
    const parent = dirname(file);
    if (!made.has(parent)) await mkdir(parent, { recursive: true });
    made.add(parent);
    await writeFile(file, content, { flag: 'wx' });
  };
  try {
    await mkdir(part, { recursive: true });
    const filled = await fill(put);
    const isReplacing = isThere(target);
    if (isReplacing) await rename(target, old);
    try {
      await rename(part, target);
    } catch (error) {
      if (isReplacing) await rename(old, target);
      throw error;
    }
    await rm(old, { recursive: true, force: true });
    return filled;
  } catch (cause) {
    await rm(part, { recursive: true, force: true }).catch(() => {}); // the cause tells more
    if (cause instanceof AlignError || !isOfDisk(cause)) throw cause;
    throw new StateError(
      `Could not write the folder ${target}: ${cause.code}. Check the disk's space and rights.`,
      { path: target, reason: cause.code },
      { cause },
    );
  }
}

/** What lies in a folder; nothing where there is none. Throws StateError for a file, or where the system does not tell. */
export async function namesInFolder(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if (isOfDisk(cause) && cause.code === 'ENOENT') return [];
    const reason = isOfDisk(cause) ? cause.code : String(cause);
    const what = reason === 'ENOTDIR' ? 'it is a file' : reason;
    throw new StateError(
      `Expected a folder at ${folder}: ${what}. Name another place.`,
      { path: folder, reason },
      { cause },
    );
  }
}

// --- internal ---

function isOfDisk(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
