// Files that only grow: what was appended and acknowledged survives a power failure, and nothing before it is rewritten.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { StateError } from '../errors.ts';

/**
 * Appends `text` to the existing file of lines at `path` behind its first `after` bytes; when the promise resolves, it is on
 * disk. An unfinished line behind `after` is removed first: the end of an append that nobody was told of. Only for one writer
 * at a time; should two meet nevertheless, neither overwrites what the other wrote. Throws StateError where the file is
 * shorter than `after`, where somebody else wrote whole lines behind it, or where the disk refuses; then the file holds what
 * it held, without an unfinished line, and, behind it, any beginning of `text`.
 */
export async function appendDurably(path: string, after: number, text: string): Promise<void> {
  try {
    await withFile(path, constants.O_RDWR, (file) => removeUnfinished(file, path, after));
    await withFile(path, constants.O_WRONLY | constants.O_APPEND, async (file) => {
      await file.writeFile(text);
      await file.sync();
    });
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const message = `Could not append to ${path}: ${reason}. Check the disk's space and rights.`;
    throw new StateError(message, { path, reason }, { cause });
  }
}

// --- internal ---

const NEWLINE = 10;

async function withFile(path: string, flags: number, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags);
  try {
    await work(file);
  } finally {
    await file.close();
  }
}

async function removeUnfinished(file: FileHandle, path: string, after: number): Promise<void> {
  const { size } = await file.stat();
  if (size === after) return;
  if (size < after) {
    throw new StateError(`${path} has become shorter: ${after} bytes were read, ${size} are left. Restore it.`, {
      path,
      sizeBytes: size,
    });
  }
  const tail = new Uint8Array(size - after);
  const { bytesRead } = await file.read(tail, 0, tail.length, after);
  if (tail.includes(NEWLINE) || bytesRead < tail.length) {
    throw new StateError(
      `Somebody else wrote to ${path} meanwhile: ${after} bytes were read, ${size} are there. Nothing was written. Make sure ` +
        'that one process at a time works with it, and try again.',
      { path, sizeBytes: size },
    );
  }
  await file.truncate(after);
  await file.sync(); // on disk before anything new is: a power failure must not mix the two
}
