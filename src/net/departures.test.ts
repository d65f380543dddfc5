import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PLAN, releaseOf } from '../../test/federation-on-nats.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { openDepartures, readDepartures } from './departures.ts';
import { openOutbox } from './outbox.ts';

const ROOT = temporaryFolder();
const newFolder = () => mkdtempSync(join(ROOT, 'case-'));
const task = { run: 'trial', plan: PLAN, nonce: PLAN };
const now = () => new Date(0);

async function headerOf(round: number) {
  const { header } = await openOutbox(newFolder()).put(releaseOf('a', round), task);
  return header;
}

test('a log tells what left, in which state, and goes on where it was', async () => {
  const path = join(newFolder(), 'departures.jsonl');
  const first = await openDepartures(path, now);
  await first.note(await headerOf(1), 'leaving');
  await first.note(await headerOf(1), 'leaving'); // once
  await first.note(await headerOf(1), 'delivered');
  appendFileSync(path, '{"at":"1970'); // the end of a write that was killed
  const second = await openDepartures(path, now);
  expect(second.last(PLAN, 1)?.state).toBe('delivered');
  expect(second.last(PLAN, 2)).toBeNull();
  await second.noteFailure({ ...task, round: 2, task: 7 }, 'PRIVACY');
  await second.note(await headerOf(1), 'committed');
  const { departures } = await readDepartures(path);
  expect(departures.map(({ round, state, code }) => [round, state, code])).toEqual([
    [1, 'leaving', null],
    [1, 'delivered', null],
    [2, 'failed', 'PRIVACY'],
    [1, 'committed', null],
  ]);
  const { decoder, privacy } = releaseOf('a', 1);
  expect(departures[0]).toMatchObject({
    at: '1970-01-01T00:00:00.000Z',
    bytes: decoder.sizeBytes,
    sha256: decoder.sha256,
    privacy: privacy.text,
  });
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(5);
});

test('notes that come at the same time are all kept', async () => {
  const path = join(newFolder(), 'departures.jsonl');
  const log = await openDepartures(path, now);
  const headers = await Promise.all([1, 2, 3, 4].map(headerOf));
  await Promise.all(headers.map((header) => log.note(header, 'leaving')));
  expect((await readDepartures(path)).departures.map(({ round }) => round)).toEqual([1, 2, 3, 4]);
});

test('a damaged log is an error that names the line', async () => {
  const path = join(newFolder(), 'departures.jsonl');
  writeFileSync(path, '{}\n');
  await expect(openDepartures(path, now)).rejects.toThrow(StateError);
  await expect(openDepartures(path, now)).rejects.toThrow(/Line 1/);
});
