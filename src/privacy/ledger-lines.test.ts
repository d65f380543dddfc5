import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { ledgerLine, lineHash, NO_LINE, parseLedgerText } from './ledger-lines.ts';

const DATE = '2026-01-02T03:04:05.000Z';
const ENTRIES: readonly LedgerEntry[] = [
  {
    type: 'header',
    format: 'align-fl/ledger@1',
    silo: 'hôpital',
    dataFingerprint: 'ab'.repeat(32),
    neighbours: 'zero-out-one',
    unit: 'record',
    date: DATE,
  },
  { type: 'budget', epsilon: Number.POSITIVE_INFINITY, delta: 1e-5, date: DATE },
  reserve('c1', 940),
  { type: 'sealed', id: 'c1', sha256: 'cd'.repeat(32), date: DATE },
  reserve('c2', 940),
  { type: 'failed', id: 'c2', date: DATE },
];

function reserve(id: string, count: number): LedgerEntry {
  const event = { type: 'selfComposed', event: { type: 'gaussian', noiseMultiplier: 0.8 }, count } as const;
  return { type: 'reserve', id, run: 'Infinity', purpose: 'align', round: 1, event, date: DATE };
}

function linesOf(entries: readonly LedgerEntry[]): string[] {
  let previous = NO_LINE;
  return entries.map((entry) => {
    const line = ledgerLine(entry, previous);
    previous = lineHash(line);
    return line;
  });
}

const LINES = linesOf(ENTRIES);
const parse = (text: string) => parseLedgerText(new TextEncoder().encode(text), 'ledger.jsonl');

/** Asserts that `lines` are refused, in line `line`. */
function expectDamage(lines: readonly string[], line: number) {
  expect(() => parse(lines.join(''))).toThrow(StateError);
  expect(() => parse(lines.join(''))).toThrow(`damaged in line ${line}`);
}

describe('a ledger as text', () => {
  it('comes back as it was written, infinity and accents too', () => {
    const text = LINES.join('');
    expect(parse(text)).toEqual({
      entries: ENTRIES,
      sizeBytes: new TextEncoder().encode(text).length,
      lastHash: lineHash(LINES.at(-1) as string),
    });
  });

  it('is JSON lines of which each carries the SHA-256 of the line before, as sha256sum gives it', () => {
    for (const [i, line] of LINES.entries()) {
      const before = LINES[i - 1]?.trimEnd();
      const hash = before === undefined ? NO_LINE : createHash('sha256').update(before).digest('hex');
      expect(JSON.parse(line)).toMatchObject({ previous: hash, type: ENTRIES[i]?.type });
    }
  });

  it('without the end of its last line is the ledger without that line, wherever it is torn', () => {
    const text = LINES.join('');
    const last = LINES.at(-1) as string;
    for (let cut = text.length - last.length; cut < text.length; cut++) {
      expect(parse(text.slice(0, cut)).entries).toEqual(ENTRIES.slice(0, -1));
    }
  });

  it('is damaged where any byte of a whole line changed, and says in which line', () => {
    for (const [i, line] of LINES.entries()) {
      for (let at = 0; at < line.length - 1; at += 7) {
        const changed = `${line.slice(0, at)}${line[at] === '1' ? '7' : '1'}${line.slice(at + 1)}`;
        expectDamage(LINES.with(i, changed), i + 1);
      }
    }
  });

  it('is damaged where a line is missing, moved, repeated or empty', () => {
    expectDamage(LINES.toSpliced(2, 1), 3);
    expectDamage(LINES.toSpliced(0, 1), 1);
    expectDamage([...LINES.slice(0, 2), LINES[4] as string, LINES[3] as string, LINES[2] as string], 3);
    expectDamage([...LINES, LINES[4] as string], 7);
    expectDamage(LINES.toSpliced(1, 0, '\n'), 2);
  });

  it('is damaged where somebody rewrites one line with a check that fits: the next one tells', () => {
    const forged = ledgerLine(reserve('c1', 1), lineHash(LINES[1] as string));
    expectDamage(LINES.with(2, forged), 4);
  });

  it('is refused where lines are whole but say what no ledger says', () => {
    const strange = [{ ...ENTRIES[0], format: 'align-fl/ledger@2' }, { ...ENTRIES[2], round: -1 }, { type: 'refund' }];
    expectDamage([ledgerLine(strange[0] as LedgerEntry, NO_LINE)], 1);
    for (const entry of strange.slice(1)) {
      expectDamage([...LINES, ledgerLine(entry as LedgerEntry, lineHash(LINES.at(-1) as string))], 7);
    }
    expectDamage([...LINES, ledgerLine(ENTRIES[0] as LedgerEntry, lineHash(LINES.at(-1) as string))], 7);
  });
});
