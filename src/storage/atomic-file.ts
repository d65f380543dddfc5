// Files that are either the old or the new version, never half of one, whenever the process is killed;
// and reading back with a limit on size.

import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AlignError, StateError } from '../errors.ts';

/**
 * Replaces `path` in one step: writes a neighbour, syncs it, renames it over `path`, syncs the folder.
 * Creates missing folders. When the promise resolves, the content survives a power failure.
 * `mode` are the rights of a new file where they should not be the usual ones: 0o600 for a secret.
 * Throws StateError (with the cause) where the disk refuses; the old file is then untouched.
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const fill = (file: FileHandle) => file.writeFile(content);
  await writeWhole(path, { fill, mode: options.mode ?? USUAL_MODE, place: rename });
}

/**
 * `writeFileAtomic` of a file that must not be there yet: of several writers at the same time one succeeds, and what was there
 * before stays. Throws StateError, with `facts.exists`, where something is there.
 */
export async function writeNewFile(
  path: string,
  content: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const fill = (file: FileHandle) => file.writeFile(content);
  await writeWhole(path, { fill, mode: options.mode ?? USUAL_MODE, place: linkOnce });
}

/**
 * `writeFileAtomic` of what `fill` writes piece by piece, for contents that need not be in memory as a whole. Where `fill`
 * throws, the old file is untouched; its own errors come out as they are.
 */
export async function fillFileAtomic(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  await writeWhole(path, { fill, mode: USUAL_MODE, place: rename });
}

/** `writeFileAtomic` of `value` as JSON with two spaces of indent and a final newline. */
export async function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** The bytes of a plain file of at most `maxBytes`. Throws StateError: absent, no plain file, too large, unreadable. */
export async function readFileBounded(
  path: string,
  limits: { readonly maxBytes: number },
): Promise<Uint8Array<ArrayBuffer>> {
  let size: number;
  try {
    const found = await stat(path); // before opening: opening a pipe would wait for ever
    if (!found.isFile()) throw new StateError(`Expected a file at ${path}, found something else.`, { path });
    size = found.size;
    if (size <= limits.maxBytes) {
      const handle = await open(path, 'r');
      try {
        const bytes = new Uint8Array(size);
        let filled = 0;
        while (filled < size) {
          const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
          if (bytesRead === 0) break; // shortened meanwhile
          filled += bytesRead;
        }
        return filled === size ? bytes : bytes.slice(0, filled);
      } finally {
        await handle.close();
      }
    }
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    throw new StateError(`Could not read ${path}: ${reason(cause)}.`, { path, reason: reason(cause) }, { cause });
  }
  throw new StateError(`${path} has ${size} bytes; at most ${limits.maxBytes} are read.`, {
    path,
    sizeBytes: size,
    maxBytes: limits.maxBytes,
  });
}

/** The value of a JSON file of at most `maxBytes`, still to be parsed by the caller. Throws StateError. */
export async function readJson(path: string, limits: { readonly maxBytes: number }): Promise<unknown> {
  const bytes = await readFileBounded(path, limits);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new StateError(
      `${path} is not valid JSON: ${reason(cause)}. Restore it from a copy or delete it.`,
      { path },
      { cause },
    );
  }
}

/**
 * Removes what writers that were killed half-way left below `folder`, and returns how many files that were.
 * Call it only while nobody else writes there.
 */
export async function removeUnfinishedWrites(folder: string): Promise<number> {
  let removed = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removed += await removeUnfinishedWrites(path);
    else if (isUnfinishedWrite(entry.name)) {
      await rm(path, { force: true });
      removed += 1;
    }
  }
  return removed;
}

/** Whether a file of this name is what a killed `writeFileAtomic` leaves behind. */
export function isUnfinishedWrite(name: string): boolean {
  return UNFINISHED.test(name);
}

// --- internal ---

const PART_SUFFIX = '.part';
const USUAL_MODE = 0o666; // less what the process's umask takes away

interface WholeFile {
  readonly fill: (file: FileHandle) => Promise<void>;
  readonly mode: number;
  /** Gives the written neighbour its name. */
  readonly place: (part: string, target: string) => Promise<void>;
}

async function writeWhole(path: string, { fill, mode, place }: WholeFile): Promise<void> {
  const target = resolve(path);
  const folder = dirname(target);
  const part = join(folder, `.${basename(target)}.${randomUUID()}${PART_SUFFIX}`);
  try {
    await makeFolder(folder);
    try {
      const handle = await open(part, 'wx', mode);
      try {
        await fill(handle);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await place(part, target);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    await syncFolder(folder);
  } catch (cause) {
    if (cause instanceof AlignError) throw cause;
    throw new StateError(
      `Could not write ${target}: ${reason(cause)}. Check the disk's space and rights.`,
      { path: target },
      { cause },
    );
  }
}

/** A rename that does not replace: the second name of a file is refused where the name is taken. */
async function linkOnce(part: string, target: string): Promise<void> {
  try {
    await link(part, target);
  } catch (cause) {
    if (errorCode(cause) !== 'EEXIST') throw cause;
    const message = `${target} exists already and is not replaced. Name another place, or move it away if you are sure.`;
    throw new StateError(message, { path: target, exists: true }, { cause });
  }
  await rm(part);
}

const UNFINISHED = /^\..+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return; // it was there
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Makes a rename or a new entry in `folder` durable; a no-op where folders cannot be synced. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!CANNOT_SYNC.has(errorCode(error))) throw error;
  } finally {
    await handle.close();
  }
}

const CANNOT_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR']);

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function reason(cause: unknown): string {
  return errorCode(cause) || (cause instanceof Error ? cause.message : String(cause));
}
