// Machines that fail a federation. A disk that is full, at a silo, at the server, and at the broker: an error that says so,
// nothing lost, and the same command goes on when there is space. And clocks that differ.
// Needs Linux and root, for small file systems of its own, and libfaketime; asked for with ALIGN_FL_MACHINE_FAULTS=1.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { readDepartures } from '../src/net/departures.ts';
import { openRunFolder, parseSpec, runExperiment } from '../src/index.ts';
import { federationsIn, hashesIn, type KilledFederation } from './killed-federation.ts';
import { natsServer, NEEDS_NATS } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
const LIMIT_MS = 240_000;
const isAsked = process.env['ALIGN_FL_MACHINE_FAULTS'] === '1' && process.getuid?.() === 0 && natsServer !== null;

const SPEC = parseSpec({
  ...TWO_SILOS,
  name: 'cramped',
});

const mounted: string[] = [];
const federations = federationsIn(ROOT);

beforeAll(() => setUp(resolve(import.meta.dirname, '..')), LIMIT_MS);
afterAll(async () => {
  await federations.close();
  for (const place of mounted) spawnSync('umount', ['-l', place]);
});

describe.skipIf(!isAsked)(`a full disk${NEEDS_NATS} (skipped without root and ALIGN_FL_MACHINE_FAULTS=1)`, () => {
  test.each([
    { where: 'the outbox of a silo', who: 'north' },
    { where: 'the folder of the run', who: 'server' },
  ])(
    'at $where ends its process with an error that says so, and the same command goes on when there is space',
    async ({ who }) => {
      const federation = await federations.make(SPEC);
      const place = who === 'server' ? federation.server.run : federation.home('north').outbox;
      small(place, '12k');
      await federation.keepBroker();
      const processes = new Map(['server', 'north', 'east'].map((name) => [name, federation.start(name)]));
      const full = await processes.get(who)?.end;
      expect(full).toMatchObject({ code: 1, stderr: expect.stringMatching(/ENOSPC|space/) });
      spawnSync('mount', ['-o', 'remount,size=64m', place]);
      processes.set(who, federation.start(who));
      await expectWell(federation, processes);
    },
    LIMIT_MS,
  );

  test(
    'at the store of the broker is waited for, by all sides',
    async () => {
      const federation = await federations.make(SPEC);
      small(federation.server.nats.store, '4m');
      await federation.keepBroker();
      const first = federation.start('server');
      while (!federation.log().some(({ step }) => step === 'task-sent')) await pause(20);
      const ballast = join(federation.server.nats.store, 'ballast');
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k']);
      const processes = new Map(['north', 'east'].map((name) => [name, federation.start(name)]));
      processes.set('server', first);
      await pause(15_000);
      rmSync(ballast);
      spawnSync('mount', ['-o', 'remount,size=256m', federation.server.nats.store]);
      expect(federation.log().some(({ message }) => message?.includes('no space left on device'))).toBe(true);
      await expectWell(federation, processes);
    },
    LIMIT_MS,
  );
});

const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

describe.skipIf(!isAsked || !existsSync(FAKETIME))(
  `clocks${NEEDS_NATS} (skipped without libfaketime and ALIGN_FL_MACHINE_FAULTS=1)`,
  () => {
    const at = (offset: string) => ({ LD_PRELOAD: FAKETIME, FAKETIME: offset, DONT_FAKE_MONOTONIC: '1' });

    test(
      'that differ by months change nothing',
      async () => {
        const federation = await federations.make(SPEC);
        await federation.keepBroker();
        const processes = new Map([
          ['server', federation.start('server')],
          ['north', federation.start('north', {}, at('+200d'))],
          ['east', federation.start('east', {}, at('-12h'))],
        ]);
        await expectWell(federation, processes);
        const { departures } = await readDepartures(federation.home('north').departures);
        expect(Date.parse(departures[0]?.at ?? '') - Date.now()).toBeGreaterThan(199 * 86_400_000);
      },
      LIMIT_MS,
    );

    test(
      'that stand outside of the time of the certificate end a silo with an error that says so',
      async () => {
        const federation = await federations.make(SPEC);
        await federation.keepBroker();
        for (const offset of ['-3d', '+400d']) {
          const { code, stderr } = await federation.start('north', {}, at(offset)).end;
          expect({ code, stderr }).toMatchObject({
            code: 1,
            stderr: expect.stringMatching(/^ACCESS: .*(clock|valid|expired)/),
          });
        }
      },
      LIMIT_MS,
    );
  },
);

// --- internal ---

/** A file system of its own at `place`. */
function small(place: string, size: string): void {
  mkdirSync(place, { recursive: true });
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', place]);
  if (status !== 0) throw new Error(stderr.toString());
  mounted.push(place);
}

async function expectWell(
  federation: KilledFederation,
  processes: ReadonlyMap<string, ReturnType<KilledFederation['start']>>,
): Promise<void> {
  const ends = await Promise.all([...processes.values()].map(({ end }) => end));
  expect(ends.map(({ code, stderr }) => ({ code, stderr }))).toEqual(ends.map(() => ({ code: 0, stderr: '' })));
  const path = mkdtempSync(join(ROOT, 'alone-'));
  await runExperiment({ folder: await openRunFolder({ path, spec: SPEC }), data: { env: {} } });
  expect(hashesIn(federation.server.run)).toEqual(hashesIn(path));
}
