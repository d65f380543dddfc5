// `network.jsonl`: what happened between a server and its silos, a line an event, for whoever looks into it afterwards.

import { renameSync, statSync } from 'node:fs';
import { plainLine } from '../exchange/plain-text.ts';
import { type EventLog, openEventLog } from '../experiments/event-log.ts';
import { isThere } from '../storage/presence.ts';
import type { ServerEvent } from './server-events.ts';
import type { ServerLayout } from './server-folder.ts';

export interface NetworkLog {
  /** Writes a line, unless it is a silo's sign of life or an event of the run, which is kept in its folder. Never throws. */
  take(event: ServerEvent): void;
  close(): void;
}

export interface NetworkLogOptions {
  /** Of align-fl: the first line of each server. */
  readonly version: string;
  readonly now: () => Date;
  /** Hears once where it cannot be written; the server goes on without. */
  readonly onFailure: (error: Error) => void;
  /** Size from which a new file is begun; the one before it is kept, those before that are not. */
  readonly maxBytes?: number;
}

/** Goes on with the log that is there. */
export function openNetworkLog(
  { networkLog: path, olderNetworkLog: older }: Pick<ServerLayout, 'networkLog' | 'olderNetworkLog'>,
  { version, now, onFailure, maxBytes = 4 * 2 ** 20 }: NetworkLogOptions,
): NetworkLog {
  let log: EventLog | null = null;
  let isBroken = false;
  const write = (entry: object) => {
    if (isBroken) return;
    try {
      log ??= openEventLog(path);
      log.append({ at: now().toISOString(), ...entry });
      if (statSync(path).size < maxBytes) return;
      log.close();
      log = null;
      renameSync(path, older);
    } catch (error) {
      isBroken = true;
      onFailure(error instanceof Error ? error : new Error(String(error)));
    }
  };
  write({ kind: 'server-began', version });
  return {
    take(event) {
      const entry = entryOf(event);
      if (entry !== null) write(entry);
    },
    close() {
      write({ kind: 'server-ended' });
      try {
        log?.close();
      } catch {
        // its lines are written; that they might not survive a power failure helps nobody here
      }
    },
  };
}

/** Where the log is; null before the first. */
export function networkLogIn({ networkLog, olderNetworkLog }: ServerLayout): string | null {
  return isThere(networkLog) ? networkLog : isThere(olderNetworkLog) ? olderNetworkLog : null;
}

// --- internal ---

function entryOf(event: ServerEvent): object | null {
  switch (event.kind) {
    case 'network':
      return event.event.kind === 'silo-status' ? null : clipped(event.event);
    case 'connection':
      return { kind: 'connection', ...clipped(event.notice) };
    case 'silo-joined':
    case 'join-refused':
      return clipped(event);
    default:
      return null;
  }
}

/** A stranger's messages may be long, what is wrong with them longer, and both are read at terminals. */
function clipped(event: object): object {
  const entries = Object.entries(event).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'string' ? plainLine(value.slice(0, LONGEST_TEXT)) : value,
  ]);
  return Object.fromEntries(entries) as object;
}

const LONGEST_TEXT = 1000;
