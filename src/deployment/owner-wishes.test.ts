// What an owner asks of a silo from another process: no wish is lost, and none keeps a silo waiting.

import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { npzBytes } from '../data/write-npz.ts';
import { AccessError } from '../errors.ts';
import { freePort } from '../net/free-port.ts';
import { readInvite } from '../net/invite.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { draftFederation } from './draft-federation.ts';
import { initServer } from './init-server.ts';
import { inviteSilo } from './invitations.ts';
import { joinFederation } from './join.ts';
import { leaveFederation } from './leave.ts';
import { beginWork } from './owner-wishes.ts';
import { serverLayout } from './server-folder.ts';
import { changeSiloSettings, readSiloSettings, siloLayout } from './silo-home.ts';

const ROOT = temporaryFolder();
const SPEC = draftFederation({
  name: 'fed',
  silos: ['a'],
  task: 'represent',
  images: { shape: { channels: 1, height: 8, width: 8 }, classes: 2 },
  privacy: { mechanism: 'none' },
  test: null,
});

/** A silo that waits for a server which is not there, and how its waiting ends. */
async function waitingSilo() {
  const root = await mkdtemp(join(ROOT, 'case-'));
  const server = serverLayout(join(root, 'server'));
  const settings = {
    hosts: ['127.0.0.1'],
    listen: '127.0.0.1',
    port: await freePort(),
    quorum: null,
    deadlineMinutes: null,
  };
  await initServer({ layout: server, spec: SPEC, settings, now: new Date() });
  const { line } = await inviteSilo(server, 'a', { again: false });
  const data = join(root, 'images.npz');
  const arrays = [
    { name: 'x', shape: [4, 8, 8], values: new Uint8Array(256) },
    { name: 'y', shape: [4], values: new Uint8Array(4) },
  ];
  await writeFileAtomic(data, npzBytes(arrays));
  const layout = siloLayout(join(root, 'home'));
  const events: string[] = [];
  const begin = (invite: string | null) =>
    joinFederation({
      layout,
      invite,
      data,
      release: null,
      ledger: null,
      budget: null,
      ask: async () => true,
      emit: ({ kind }) => events.push(kind),
      signal: AbortSignal.timeout(20_000),
      now: () => new Date(0),
      version: '0.1.0',
    });
  const isWaiting = () => vi.waitFor(() => expect(events).toContain('unreachable'), 10_000);
  return { layout, line, begin, events, isWaiting };
}

describe('a silo that waits for its server', () => {
  test('is paused at once, and says that it goes on when it does', async () => {
    const { layout, line, begin, events, isWaiting } = await waitingSilo();
    const joining = begin(line);
    await isWaiting();
    await changeSiloSettings(layout, { wish: 'paused' });
    expect(await joining).toBe('paused');
    events.length = 0;
    const again = begin(line);
    await isWaiting();
    expect(events[0]).toBe('resumed');
    await changeSiloSettings(layout, { wish: 'paused' });
    expect(await again).toBe('paused');
  });

  test('leaves at once; where the server never knew it nobody has to be told, and the invite is worth nothing more here', async () => {
    const { layout, line, begin, isWaiting } = await waitingSilo();
    const joining = begin(line);
    await isWaiting();
    const leaving = leaveFederation({ layout, emit: () => {}, signal: AbortSignal.timeout(20_000), version: '0.1.0' });
    expect(await joining).toBe('left');
    await leaving;
    expect(await readSiloSettings(layout)).toMatchObject({ wish: 'left', farewell: true });
    await expect(begin(null)).rejects.toThrow(AccessError);
  });

  test('makes no folder where there is neither a silo nor an invite', async () => {
    const { layout, begin } = await waitingSilo();
    await expect(begin(null)).rejects.toThrow('is no folder of a silo');
    expect(existsSync(layout.root)).toBe(false);
  });

  test('says what is to be done where the server knows it and was not told', async () => {
    const { layout, line, begin, isWaiting } = await waitingSilo();
    const joining = begin(line);
    await isWaiting();
    await changeSiloSettings(layout, { wish: 'left', invite: readInvite(line).enrol.publicKey, shown: true });
    expect(await joining).toBe('untold');
    await expect(begin(line)).rejects.toThrow(`this tells it: align-fl silo leave ${layout.root}`);
  });
});

test('wishes and what a silo notes of itself, written at the same time by many, are all kept', async () => {
  const { layout, line, begin, isWaiting } = await waitingSilo();
  const joining = begin(line);
  await isWaiting();
  const changes = [
    { agreed: 'p' },
    { material: 'm' },
    { wish: 'paused' },
    { ledger: '/l' },
    { federation: 'f' },
  ] as const;
  await Promise.all(changes.map((change) => changeSiloSettings(layout, change)));
  expect(await readSiloSettings(layout)).toMatchObject(Object.assign({}, ...changes));
  await joining;
  const wishes = await beginWork(layout, null);
  await changeSiloSettings(layout, { wish: 'paused' });
  await changeSiloSettings(layout, { agreed: 'q' });
  expect(await readSiloSettings(layout)).toMatchObject({ wish: 'paused', agreed: 'q' });
  await vi.waitFor(() => expect(wishes.paused.aborted).toBe(true), 5000);
  wishes.close();
});
