// `events.jsonl`: one JSON object a line, only ever appended to. A line that a kill cut off is removed before going on.

import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { StateError } from '../errors.ts';

/** An events file open for appending. Lines are in the order of the calls. */
export interface EventLog {
  /** Writes one line; it survives the death of this process, though not a power failure before `sync`. */
  append(event: object): void;
  /** Makes all lines so far survive a power failure. */
  sync(): void;
  /** Syncs and closes; later calls do nothing. */
  close(): void;
}

/** Opens `path` for appending, creating it if need be. `cutBytes` counts what was removed of a torn last line. */
export function openEventLog(path: string): EventLog & { readonly cutBytes: number } {
  const file = openSync(path, existsSync(path) ? 'r+' : 'wx+');
  const sizeBytes = fstatSync(file).size;
  const end = endOfLastWholeLine(file, sizeBytes);
  if (end < sizeBytes) ftruncateSync(file, end);
  let at = end;
  let open = true;
  return {
    cutBytes: sizeBytes - end,
    append(event) {
      if (!open) throw new StateError(`${path} is closed; open it again to append.`, { path });
      const line = Buffer.from(`${JSON.stringify(event)}\n`);
      for (let done = 0; done < line.length; ) done += writeSync(file, line, done, line.length - done, at + done);
      at += line.length;
    },
    sync() {
      if (open) fsyncSync(file);
    },
    close() {
      if (!open) return;
      fsyncSync(file);
      open = false;
      closeSync(file);
    },
  };
}

/**
 * The events of a file, first to last, still to be parsed. A torn last line is passed over: its writer may be at work.
 * Throws StateError for any other line that is no JSON object.
 */
export async function* readEvents(path: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
  let number = 0;
  let damaged = 0;
  for await (const line of lines) {
    if (damaged > 0) throw new StateError(`${path}: line ${damaged} is damaged.`, { path, line: damaged });
    number += 1;
    const event = parsed(line);
    if (event) yield event;
    else damaged = number; // wrong only if another line follows
  }
}

// --- internal ---

const CHUNK_BYTES = 65_536;

/** Offset behind the last line that is whole: ends with a newline and is JSON. Zeros after a power failure are not. */
function endOfLastWholeLine(file: number, sizeBytes: number): number {
  let end = sizeBytes;
  while (end > 0) {
    const newline = lastNewline(file, end);
    if (newline < end - 1) {
      end = newline + 1; // a line without an end, or none at all
      continue;
    }
    const start = lastNewline(file, end - 1) + 1;
    const line = Buffer.alloc(end - 1 - start);
    readSync(file, line, 0, line.length, start);
    if (parsed(line.toString('utf8'))) return end;
    end = start;
  }
  return 0;
}

/** Offset of the last newline before `end`, or -1. */
function lastNewline(file: number, end: number): number {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let to = end; to > 0; ) {
    const from = Math.max(0, to - CHUNK_BYTES);
    readSync(file, chunk, 0, to - from, from);
    const found = chunk.subarray(0, to - from).lastIndexOf(0x0a);
    if (found >= 0) return from + found;
    to = from;
  }
  return -1;
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
