// What any process reads of a federation, with and without a server at work.

import { writeFile } from 'node:fs/promises';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { loadSpec } from '../experiments/load-spec.ts';
import { keepAgreedPlan } from './agreed-plan.ts';
import { draftFederation } from './draft-federation.ts';
import { initServer } from './init-server.ts';
import { serverLayout } from './server-folder.ts';
import { serverStatus } from './server-status.ts';
import { NOTHING_HEARD, saveStatus, type StatusFile } from './status-file.ts';
import { whileWorkingIn } from './work-lock.ts';

const ROOT = temporaryFolder();
const BEGAN = '2026-01-02T03:04:05.000Z';
const NOW = new Date('2026-01-02T03:05:05.000Z');

async function made() {
  const layout = serverLayout(join(await mkdtemp(join(ROOT, 'case-')), 'fed'));
  const images = { shape: { channels: 1, height: 8, width: 8 }, classes: 2 };
  const facts = { name: 'fed', silos: ['a', 'b'], task: 'represent', images, test: null } as const;
  const spec = draftFederation({ ...facts, privacy: { mechanism: 'none' } });
  const settings = { hosts: ['localhost'], listen: '127.0.0.1', port: 4222, quorum: 1, deadlineMinutes: 2 };
  await initServer({ layout, spec, settings, now: NOW });
  return layout;
}

const HEARD: StatusFile = {
  ...NOTHING_HEARD,
  playing: { round: 1, beganAt: BEGAN, answered: ['a'], awaited: ['b'], isOverdue: true, isClosed: false },
  silos: {
    a: {
      isHere: true,
      said: { at: BEGAN, state: 'training', round: 1, percent: 40 },
      trouble: { at: BEGAN, round: 1, code: 'PRIVACY', message: 'no' },
    },
  },
};

test('a federation that nobody heard of yet has its rules and its silos', async () => {
  const layout = await made();
  expect(await serverStatus(layout, NOW)).toMatchObject({
    state: 'not begun',
    isAtWork: false,
    quorum: 1,
    deadlineMinutes: 2,
    playing: null,
    networkLog: null,
    silos: [
      { name: 'a', access: 'not invited', isHere: false, state: null, heardAt: null, trouble: null },
      { name: 'b', access: 'not invited', isHere: false, heardSecondsAgo: null },
    ],
  });
});

test('what silos agreed to counts, whatever was written into the spec since', async () => {
  const layout = await made();
  await keepAgreedPlan(layout, await loadSpec(layout.spec));
  await writeFile(layout.spec, 'rounds: many');
  expect(await serverStatus(layout, NOW)).toMatchObject({ name: 'fed', rounds: 3 });
});

test('what a server heard is there while it works and after, and who is there only while it works', async () => {
  const layout = await made();
  await saveStatus(layout, HEARD);
  const a = { state: 'training', round: 1, percent: 40, heardAt: BEGAN, heardSecondsAgo: 60 };
  const trouble = { at: BEGAN, round: 1, code: 'PRIVACY', message: 'no' };
  const during = await whileWorkingIn(layout.root, () => serverStatus(layout, NOW));
  expect(during).toMatchObject({
    isAtWork: true,
    playing: HEARD.playing,
    silos: [{ ...a, isHere: true, trouble }, {}],
  });
  const after = await serverStatus(layout, NOW);
  expect(after).toMatchObject({
    isAtWork: false,
    playing: HEARD.playing,
    silos: [{ ...a, isHere: false, trouble }, {}],
  });
  const early = await serverStatus(layout, new Date('2026-01-02T03:04:04Z')); // a clock that was set back
  expect(early.silos[0]?.heardSecondsAgo).toBe(0);
});

test('a damaged status.json is as none', async () => {
  const layout = await made();
  await writeFile(layout.status, '{');
  expect(await serverStatus(layout, NOW)).toMatchObject({ playing: null, silos: [{ heardAt: null }, {}] });
});
