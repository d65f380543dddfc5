import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StateError } from '../errors.ts';
import { NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { openJournal, type Origin, type RoundRecord, saveJournal, withRound } from './journal.ts';

const NOW = new Date('2026-01-02T03:04:05Z');
const ORIGIN: Origin = {
  version: '1',
  executor: 'onnxruntime',
  device: 'cpu',
  partition: 'aa',
  testImages: 'bb',
  releases: 'none',
};
const SPREAD = { mean: 0.5, sd: null };
const record = (round: number): RoundRecord => ({
  round,
  metrics: {
    classification: null,
    probePaperSplit: null,
    probeFullTest: { accuracy: SPREAD, f1Weighted: SPREAD, splits: 1, unconverged: 0, recallPerClass: [0.5, null] },
    reconstructionMse: 0.25,
    generation: null,
  },
  seconds: { silos: 1, server: 2, evaluation: 3, total: 6 },
  uploads: [
    { silo: 'north', bytes: 100, sha256: 'ab', privacy: NO_PRIVACY, offers: null, localLipschitz: null },
    { silo: 'east', bytes: 100, sha256: null, privacy: NO_PRIVACY, offers: null, localLipschitz: null },
  ],
});

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'align-fl-journal-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a journal begins empty, at the time it is given', async () => {
  expect(await openJournal(join(folder, 'none.json'), ORIGIN, NOW)).toEqual({
    format: 'align-fl/journal@2',
    origin: ORIGIN,
    startedAt: NOW.toISOString(),
    strategies: {},
    controls: null,
  });
});

test('rounds are added to their strategy, the journal before them stays as it was, and all of it comes back from disk', async () => {
  const path = join(folder, 'journal.json');
  const empty = await openJournal(path, ORIGIN, NOW);
  const first = withRound(empty, 'align', record(1));
  const all = withRound(withRound(first, 'align', record(2)), 'fedavg', record(1));
  expect([empty.strategies, first.strategies]).toEqual([{}, { align: [record(1)] }]);
  expect(all.strategies).toEqual({ align: [record(1), record(2)], fedavg: [record(1)] });
  await saveJournal(path, all);
  expect(await openJournal(path, ORIGIN, new Date())).toEqual(all);
});

test('a damaged journal, or one of another version, is refused by name', async () => {
  const path = join(folder, 'damaged.json');
  await saveJournal(path, withRound(await openJournal(join(folder, 'none.json'), ORIGIN, NOW), 'align', record(1)));
  const text = readFileSync(path, 'utf8');
  for (const bad of [
    text.slice(0, -9),
    text.replace('journal@2', 'journal@3'),
    text.replace('"round": 1', '"round": 0'),
    '[]',
  ]) {
    writeFileSync(path, bad);
    const error: unknown = await openJournal(path, ORIGIN, NOW).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StateError);
    expect((error as StateError).message).toContain(path);
  }
});

test('a run that would go on with other data or another executor is refused, naming what changed', async () => {
  const path = join(folder, 'moved.json');
  await openJournal(path, ORIGIN, NOW);
  const other = { ...ORIGIN, executor: 'wasm', partition: 'cc' };
  const error: unknown = await openJournal(path, other, NOW).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(StateError);
  expect((error as StateError).facts).toMatchObject({ changed: ['executor', 'partition'] });
  expect(await openJournal(path, ORIGIN, NOW)).toMatchObject({ origin: ORIGIN });
});
