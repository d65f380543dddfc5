// A server's folder in hands that are too many or too quick: a plan that is changed in mid-run, two servers on one folder, a server
// on a copy of it. docs/reliability.md tells what becomes of each.

import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { serverLayout } from '../src/deployment/server-folder.ts';
import { parseSpec } from '../src/index.ts';
import { expectOneFileARound, undisturbed } from './kill-checks.ts';
import { federationsIn, hashesIn, type KilledFederation } from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
const LIMIT_MS = 240_000;
const LOCK = /lock-[0-9a-f-]{36}\.json$/;

const SPEC = parseSpec({
  ...TWO_SILOS,
  name: 'many-hands',
  rounds: 4,
});
/** With time to stop a silo in. */
const LONG = parseSpec({ ...SPEC, name: 'long', rounds: 6, local: { ...SPEC.local, epochs: 20 } });

const federations = federationsIn(ROOT);

beforeAll(() => setUp(resolve(import.meta.dirname, '..')), LIMIT_MS);
afterAll(federations.close);

describe.skipIf(!triesFaults)(`the folder of a server${NEEDS_FAULTS}`, () => {
  test.concurrent(
    'with another plan than silos agreed to is refused and left as it was, also after a kill; put back, it goes on',
    async () => {
      const federation = await federations.make(SPEC);
      await federation.keepBroker();
      const { server } = federation;
      const plan = readFileSync(server.spec, 'utf8');
      const silos = ['north', 'east'].map((name) => federation.start(name));
      for (const [step, round, words, other] of [
        ['round-finished', 1, 'local.epochs', plan.replace('epochs: 2', 'epochs: 3')],
        ['server-started', 3, 'rounds', plan.replace('rounds: 4', 'rounds: 40')],
      ] as const) {
        expect(other).not.toBe(plan);
        const strikes = [{ who: 'server', step, round, target: 'self' }] as const;
        expect(await federation.start('server', { strikes }).end).toMatchObject({ signal: 'SIGKILL' });
        const [before, tasks] = [filesOf(server.root), tasksIn(federation)];
        writeFileSync(server.spec, other);
        expect(await federation.start('server').end).toMatchObject({
          code: 1,
          stderr: expect.stringMatching(new RegExp(`^SPEC: .*changed since the first silo joined:\\s+${words}: `)),
        });
        writeFileSync(server.spec, plan);
        expect(filesOf(server.root)).toEqual(before);
        expect(tasksIn(federation)).toBe(tasks);
      }
      const ends = [federation.start('server'), ...silos].map((one) => one.end);
      expect(await Promise.all(ends)).toMatchObject([{ code: 0 }, { code: 0 }, { code: 0 }]);
      expectOneFileARound(federation);
      expect(hashesIn(server.run)).toEqual(await undisturbed(ROOT, SPEC));
    },
    LIMIT_MS,
  );

  test.concurrent(
    'has one server at a time; one on a copy is asked for nothing twice, and spoils nothing',
    async () => {
      const federation = await federations.make(LONG);
      const { server } = federation;
      // Of several that ask at the same time one gets the folder, or none.
      const both = [federation.start('server', { nats: 'local' }), federation.start('server', { nats: 'local' })];
      const losers = new Set<number>();
      for (const [i, one] of both.entries()) {
        void one.end.then((end) => {
          if (end.code !== 1 || !end.stderr.startsWith('STATE: Another process works in this folder')) return;
          losers.add(i);
        });
      }
      while (losers.size === 0) await pause(20);
      await pause(500);
      const first = both.find((_, i) => !losers.has(i)) ?? federation.start('server', { nats: 'local' });
      const [north, east] = [federation.start('north'), federation.start('east')];
      await federation.seen((line) => line.step === 'round-finished' && line.round === 1);
      east.child.kill('SIGTERM'); // the run waits for it
      await east.end;

      const third = await federation.start('server', { nats: 'local' }).end;
      expect(third).toMatchObject({ code: 1, stderr: expect.stringMatching(/^STATE: Another process works in/) });

      const copy = `${server.root}-copy`;
      cpSync(server.root, copy, { recursive: true, filter: (from) => !/\/jetstream|\.pid$|\.ports$/.test(from) });
      expect(await federation.start('server', { folder: copy }).end).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^STATE: Another process works in/), // the claim was copied, and its process lives
      });
      for (const file of readdirSync(copy, { recursive: true, encoding: 'utf8' })) {
        if (LOCK.test(file)) rmSync(join(copy, file));
      }
      const local = await federation.start('server', { folder: copy, nats: 'local' }).end;
      expect(local).toMatchObject({ code: 1, stderr: expect.stringMatching(/^DEVICE: .*could not listen/) });

      const second = federation.start('server', { folder: copy });
      await federation.seen(({ pid, step }) => pid === second.child.pid && step === 'silo-here');
      expect(await Promise.all([first, north, federation.start('east')].map((one) => one.end))).toMatchObject([
        { code: 0 },
        { code: 0 },
        { code: 0 },
      ]);
      const alone = await undisturbed(ROOT, LONG);
      expect(hashesIn(server.run)).toEqual(alone);
      // The copy has come as far as it was answered; silos that have been told that the run is over answer no more.
      second.child.kill('SIGKILL');
      await second.end;
      for (const [file, hash] of Object.entries(hashesIn(serverLayout(copy).run))) {
        if (file.startsWith('/decoders')) expect([file, hash]).toEqual([file, alone[file]]);
      }
      const played = federation.log().filter(({ step }) => step === 'training');
      const steps = played.map((line) => `${line.who} ${line.round} ${(line as { step_?: number }).step_}`);
      expect(new Set(steps).size).toBe(steps.length); // no step of training was done twice
      expectOneFileARound(federation);
    },
    LIMIT_MS,
  );
});

// --- internal ---

const tasksIn = (federation: KilledFederation) => federation.log().filter(({ step }) => step === 'task').length;

/** Hashes of all files but those of the nats-server, by path. */
function filesOf(root: string): Readonly<Record<string, string>> {
  const files = readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(root, 'nats')) && !LOCK.test(file)); // of the one that was killed
  return Object.fromEntries(files.map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]));
}
