// A silo's ledger on its own disk: `ledger.jsonl` in its folder. Only ever appended to, under a lock, synced each time.

import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StateError } from '../errors.ts';
import { appendDurably } from '../storage/append-file.ts';
import { readFileBounded, writeFileAtomic } from '../storage/atomic-file.ts';
import { type LockKind, withFolderLock } from '../storage/folder-lock.ts';
import { isThere } from '../storage/presence.ts';
import { type LedgerState, stateOf } from './ledger-charges.ts';
import { type LedgerEntry, ledgerEntrySchema } from './ledger-entry.ts';
import { damaged, type LedgerText, ledgerLine, lineHash, NO_LINE, parseLedgerText } from './ledger-lines.ts';

/** A ledger as it was read, and where to go on. */
export interface LedgerOnDisk {
  readonly state: LedgerState;
  readonly text: LedgerText;
}

/** Whether there is a ledger in `folder`. Throws StateError where the system does not tell. */
export function hasLedger(folder: string): boolean {
  return isThere(ledgerPath(folder));
}

/** Folders beside `folder` that hold ledgers of the same records. Throws StateError where one there cannot be read. */
export async function ledgersBeside(folder: string, dataFingerprint: string): Promise<readonly string[]> {
  const parent = dirname(folder);
  const names = isThere(parent) ? await readdir(parent) : [];
  const others = names.map((name) => join(parent, name)).filter((other) => other !== folder && hasLedger(other));
  const ledgers = await Promise.all(others.map(readLedgerFile));
  return others.filter((_, i) => ledgers[i]?.state.header.dataFingerprint === dataFingerprint);
}

/** Throws StateError where there is none, or where it is damaged: then nothing may be spent. */
export async function readLedgerFile(folder: string): Promise<LedgerOnDisk> {
  const path = ledgerPath(folder);
  const text = parseLedgerText(await readFileBounded(path, { maxBytes: MAX_LEDGER_BYTES }), path);
  const state = stateOf(text.entries);
  if ('problem' in state) throw damaged(path, state.line, state.problem);
  return { state, text };
}

/** A new ledger with these lines, on disk when the promise resolves. Only while holding the lock, and where none is. */
export async function createLedgerFile(folder: string, entries: readonly LedgerEntry[]): Promise<LedgerOnDisk> {
  const path = ledgerPath(folder);
  await writeFileAtomic(path, linesFor(entries, NO_LINE, path)); // all or none: a header without a budget says nothing
  return readLedgerFile(folder);
}

/** `ledger` with one more line, on disk when the promise resolves. Only while holding the lock since `ledger` was read. */
export async function appendToLedger(folder: string, ledger: LedgerOnDisk, entry: LedgerEntry): Promise<LedgerOnDisk> {
  const path = ledgerPath(folder);
  const line = linesFor([entry], ledger.text.lastHash, path);
  if (ledger.text.sizeBytes + line.length * 4 > MAX_LEDGER_BYTES) {
    throw new StateError(`The privacy ledger ${path} is full: ${MAX_LEDGER_BYTES} bytes are read at most.`, { path });
  }
  await appendDurably(path, ledger.text.sizeBytes, line);
  return readLedgerFile(folder);
}

/** Does `work` while no other process, and nobody else in this one, touches the ledger of `folder`. */
export async function withLedgerLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  return withFolderLock(folder, { kind: LEDGER_LOCK, waitMs: MAX_WAIT_MS }, work);
}

/** The file of the ledger in `folder`. */
export function ledgerPath(folder: string): string {
  return join(folder, 'ledger.jsonl');
}

// --- internal ---

const MAX_LEDGER_BYTES = 2 ** 26;
/** Whoever holds the lock does so for the time of one check and one append. */
const MAX_WAIT_MS = 30_000;

const LEDGER_LOCK: LockKind = {
  name: 'ledger-lock',
  held: 'Another process writes to this privacy ledger',
  advice: 'or stop it',
};

function linesFor(entries: readonly LedgerEntry[], previous: string, path: string): string {
  let text = '';
  let last = previous;
  for (const entry of entries) {
    const parsed = ledgerEntrySchema.safeParse(entry);
    if (!parsed.success) {
      const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
      throw new StateError(`What was to be written to ${path} is no line of a ledger: ${problems}.`, { path });
    }
    const line = ledgerLine(parsed.data, last);
    text += line;
    last = lineHash(line);
  }
  return text;
}
