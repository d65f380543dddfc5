// Files that only grow: what was appended and acknowledged survives a power failure, and nothing before it is rewritten.

import { open } from 'node:fs/promises';
import { StateError } from '../errors.ts';

/**
 * Appends `text` to the existing file at `path` behind its first `after` bytes; when the promise resolves, it is on disk.
 * What lies behind `after` is removed first: the unfinished end of an append that nobody was told of. Only for one writer
 * at a time. Throws StateError where the file is shorter than `after` or the disk refuses; then the file holds its first
 * `after` bytes and, behind them, any beginning of `text`.
 */
export async function appendDurably(path: string, after: number, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  try {
    const handle = await open(path, 'r+');
    try {
      const { size } = await handle.stat();
      if (size < after) {
        throw new StateError(`${path} has become shorter: ${after} bytes were read, ${size} are left. Restore it.`, {
          path,
          sizeBytes: size,
        });
      }
      if (size > after) {
        await handle.truncate(after);
        await handle.sync(); // on disk before anything new is: a power failure must not mix the two
      }
      for (let written = 0; written < bytes.length; ) {
        written += (await handle.write(bytes, written, bytes.length - written, after + written)).bytesWritten;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const message = `Could not append to ${path}: ${reason}. Check the disk's space and rights.`;
    throw new StateError(message, { path, reason }, { cause });
  }
}
