// What a nats-server says in its log from a given moment on: the only place where it tells that it took a new configuration,
// or why it refused to start.

import { open, stat } from 'node:fs/promises';

/** Where the log ends now, in bytes; 0 where there is none yet. Hand it to `logSince` later. */
export async function endOfLog(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

/** The lines written since `offset`, at most the last 64 KiB; all of them where the log was begun anew meanwhile. */
export async function logSince(path: string, offset: number): Promise<readonly string[]> {
  const size = await endOfLog(path);
  if (size === 0) return [];
  const start = Math.max(size < offset ? 0 : offset, size - MAX_BYTES);
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(size - start);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    return new TextDecoder().decode(bytes.subarray(0, bytesRead)).split('\n');
  } finally {
    await file.close();
  }
}

/** The words of a line without process, time and level. */
export function wordsOf(line: string): string {
  return line.replace(/^\[\d+\] \S+ \S+ \[[A-Z]+\] /, '').trim();
}

/** The words of all errors among `lines`. */
export function errorsOf(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => /\[(?:ERR|FTL)\]/.test(line)).map(wordsOf);
}

// --- internal ---

const MAX_BYTES = 64 * 1024;
