// A ledger's text: JSON lines, each with the SHA-256 of the line before (`previous`) and of itself (`check`), so that
// a line that was changed, lost or moved is seen. This finds damage; it does not stop an owner who forges the whole file.

import { contentHash } from '../storage/content-hash.ts';
import { StateError } from '../errors.ts';
import { type LedgerEntry, ledgerEntrySchema } from './ledger-entry.ts';

/** What stands in a ledger file. */
export interface LedgerText {
  readonly entries: readonly LedgerEntry[];
  /** Bytes of the whole lines. What lies behind is the unfinished end of an append that was never acknowledged. */
  readonly sizeBytes: number;
  /** SHA-256 of the last line, which the next one carries. */
  readonly lastHash: string;
}

/** Stands for the line before the first. */
export const NO_LINE = '0'.repeat(64);

/** One line, with its newline. `previous` is the hash of the line before it. */
export function ledgerLine(entry: LedgerEntry, previous: string): string {
  const body = JSON.stringify({ previous, ...entry }, (_, value: unknown) =>
    value === Number.POSITIVE_INFINITY ? INFINITY : value,
  );
  return `${body.slice(0, -1)},"check":"${contentHash(body)}"}\n`;
}

/** The hash that the line after `line` carries. */
export function lineHash(line: string): string {
  return contentHash(line.replace(/\n$/, ''));
}

/** Reads what `ledgerLine` wrote. `path` is for messages. Throws StateError where a whole line is not as it was written. */
export function parseLedgerText(bytes: Uint8Array, path: string): LedgerText {
  const sizeBytes = bytes.lastIndexOf(NEWLINE) + 1;
  const entries: LedgerEntry[] = [];
  let lastHash = NO_LINE;
  for (const line of linesOf(bytes.subarray(0, sizeBytes))) {
    const number = entries.length + 1;
    const entry = parseLine(line, lastHash);
    if (typeof entry === 'string') throw damaged(path, number, entry);
    if ((entry.type === 'header') !== (number === 1)) throw damaged(path, number, 'a header belongs in line 1 only');
    entries.push(entry);
    lastHash = lineHash(line);
  }
  return { entries, sizeBytes, lastHash };
}

/** The error for a ledger that cannot be trusted: with `problem` in line `line`. */
export function damaged(path: string, line: number, problem: string): StateError {
  return new StateError(
    `The privacy ledger ${path} is damaged in line ${line}: ${problem}. Nothing was spent and nothing left this silo. ` +
      'Put back a copy that knows of every release so far. Without one nobody can say what was spent on these records: ' +
      'keep the file, and take the whole budget as spent.',
    { path, line },
  );
}

// --- internal ---

const NEWLINE = 10;
const INFINITY = 'Infinity';
const CHECKED = /^(\{.*),"check":"([0-9a-f]{64})"\}$/s;

/** The entry of a line, or what is wrong with it. */
function parseLine(line: string, previous: string): LedgerEntry | string {
  const [, body, check] = CHECKED.exec(line) ?? [];
  if (body === undefined || contentHash(`${body}}`) !== check) return 'it is not as it was written';
  const { previous: carried, ...rest } = JSON.parse(`${body}}`) as { previous?: unknown; epsilon?: unknown };
  if (carried !== previous) return 'it does not follow from the line before it';
  const entry = rest.epsilon === INFINITY ? { ...rest, epsilon: Number.POSITIVE_INFINITY } : rest;
  const parsed = ledgerEntrySchema.safeParse(entry);
  return parsed.success ? parsed.data : 'it is of another version, or no line of a ledger';
}

function linesOf(bytes: Uint8Array): string[] {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes); // what is no UTF-8 fails the check
  return text.split('\n').slice(0, -1);
}
