import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PLAN, releaseOf } from '../../test/federation-on-nats.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { lipschitzStatement, withCertificate } from '../exchange/privacy-statement.ts';
import { contentHash } from '../storage/content-hash.ts';
import { openOutbox } from './outbox.ts';

const ROOT = temporaryFolder();
const newFolder = () => join(mkdtempSync(join(ROOT, 'case-')), 'outbox');
const task = { run: 'trial', plan: PLAN, nonce: PLAN };
const OTHER = contentHash('another plan');

test('what was put is there for the next process, in the order of rounds, until it is removed', async () => {
  const folder = newFolder();
  expect(await openOutbox(folder).list(PLAN)).toEqual([]);
  for (const round of [10, 2]) await openOutbox(folder).put(releaseOf('a', round), task);
  await openOutbox(folder).put(releaseOf('a', 2), { ...task, plan: OTHER });
  const entries = await openOutbox(folder).list(PLAN);
  expect(entries.map(({ header }) => header.round)).toEqual([2, 10]);
  expect(entries[0]?.header).toMatchObject({ ...task, silo: 'a', privacy: releaseOf('a', 2).privacy });
  await openOutbox(folder).remove(PLAN, 2);
  await openOutbox(folder).remove(PLAN, 3); // never there
  expect(await openOutbox(folder).get(PLAN, 2)).toBeNull();
  expect(await openOutbox(folder).get(OTHER, 2)).not.toBeNull();
  expect(readdirSync(folder)).toHaveLength(2);
});

test('a release that is there stays as it is, whatever is put after it', async () => {
  const outbox = openOutbox(newFolder());
  const first = await outbox.put(releaseOf('a', 1), task);
  const other = { ...releaseOf('a', 7), round: 1 };
  expect(await outbox.put(other, { ...task, nonce: OTHER })).toEqual(first);
});

test('half of an entry is none: killed while writing, or while removing', async () => {
  const folder = newFolder();
  const outbox = openOutbox(folder);
  await outbox.put(releaseOf('a', 1), task);
  const [name = ''] = readdirSync(folder);
  rmSync(join(folder, name, 'release.json'));
  expect(await outbox.get(PLAN, 1)).toBeNull();
  expect(await outbox.list(PLAN)).toEqual([]);
  expect((await outbox.put(releaseOf('a', 1), task)).header.round).toBe(1);
});

test.each(['release.json', 'decoder.onnx'])('a damaged %s is an error, not a release', async (file) => {
  const folder = newFolder();
  await openOutbox(folder).put(releaseOf('a', 1), task);
  const [name = ''] = readdirSync(folder);
  writeFileSync(join(folder, name, file), '{}');
  await expect(openOutbox(folder).list(PLAN)).rejects.toThrow(StateError);
});

test('a release whose notice nobody could send is not kept', async () => {
  const folder = newFolder();
  const release = releaseOf('a', 1);
  const certificate = {
    bound: 1,
    perLayer: Array.from({ length: 2000 }, (_, i) => ({ layer: `layer ${i}`, norm: 1 })),
  };
  const statement = lipschitzStatement({ form: 'spectral-normalisation', bound: 1 });
  for (const [reason, privacy] of [
    ['body', { ...release.privacy, text: 'a\u202eb' }],
    ['size', withCertificate(statement, certificate)],
  ] as const) {
    const putting = openOutbox(folder).put({ ...release, privacy }, task);
    await expect(putting).rejects.toMatchObject({ code: 'MESSAGE', facts: { reason } });
  }
  expect(await openOutbox(folder).list(PLAN)).toEqual([]);
  expect(await openOutbox(folder).get(PLAN, 1)).toBeNull();
});
