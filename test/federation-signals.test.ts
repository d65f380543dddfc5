// A federation by its real command line that is stopped as people and machines stop programs: Ctrl-C once and twice, SIGTERM, a
// terminal that is closed, a pipe whose reader has heard enough. Nothing stays behind, and the same command goes on.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { setUp } from '../scripts/set-up.mjs';
import { laptopLayout } from '../src/deployment/laptop.ts';
import { openRunFolder, parseSpec, runExperiment } from '../src/index.ts';
import { hashesIn } from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';

const ROOT = temporaryFolder();
const HOME = resolve(import.meta.dirname, '..');
const ENTRY = join(HOME, 'bin', 'align-fl.mjs');
const LIMIT_MS = 240_000;

const WRITTEN = {
  name: 'signalled',
  rounds: 8,
  data: {
    source: { kind: 'drawn-digits', train: 80, test: 60 },
    partition: {
      kind: 'class-disjoint',
      classes: [
        [0, 1],
        [2, 3],
      ],
    },
  },
  silos: [{ name: 'north' }, { name: 'east' }],
  model: { kind: 'mlp', hidden: [8], latent: 2 },
  local: { epochs: 10, batchSize: 8 },
  server: { epochs: 1, batchSize: 16, images: 20 },
  privacy: { mechanism: 'none' },
  evaluation: { controls: false, probeSplits: 1, gridImages: 4 },
};
const SPEC = join(ROOT, 'spec.yaml');
const hasTerminals = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;

const living = new Set<ChildProcess>();

beforeAll(async () => {
  await setUp(HOME);
  writeFileSync(SPEC, stringify(WRITTEN));
}, LIMIT_MS);
afterAll(() => {
  for (const child of living) child.kill('SIGKILL');
  for (const { pid } of workingIn(ROOT)) process.kill(pid, 'SIGKILL');
});

describe.skipIf(!triesFaults || process.platform === 'win32')(`a command of a federation${NEEDS_FAULTS}`, () => {
  test.concurrent(
    'up: leaves nothing behind, however it is stopped, and goes on to the same hashes',
    async () => {
      const { root, server, log } = laptopLayout(join(ROOT, 'up'));
      const up = () => started(['up', SPEC, '--out', root]);

      let one = up();
      await one.said('north: decoder');
      one.kill('SIGTERM');
      expect(await one.end).toMatchObject({ code: 130, stderr: expect.stringContaining('The same command goes on') });
      expect(workingIn(root)).toEqual([]);

      one = up();
      await one.said('north: decoder');
      one.killGroup('SIGINT'); // as a terminal does it: to everybody in the foreground
      await one.said('press Ctrl-C again');
      one.killGroup('SIGINT');
      const twice = await one.end;
      expect(twice.code === 130 || twice.signal === 'SIGINT').toBe(true); // it may have been faster
      await nobodyIn(root);

      one = up();
      await one.said('north: decoder');
      one.kill('SIGHUP');
      one.kill('SIGHUP'); // a shell passes on what the terminal sent already
      expect(await one.end).toMatchObject({ signal: 'SIGHUP', stderr: expect.stringContaining('goes on') });
      expect(workingIn(root)).toEqual([]);

      one = up();
      await one.said('north: decoder');
      one.kill('SIGKILL');
      expect(await one.end).toMatchObject({ signal: 'SIGKILL' });
      // Nobody could stop its nats-server, which the next one takes over. Silos notice by themselves.
      await until(() => workingIn(root).every(({ command }) => command.includes('nats-server')));

      expect(await up().end).toMatchObject({ code: 0 });
      expect(workingIn(root)).toEqual([]);
      expect(hashesIn(server.run)).toEqual(await undisturbed());
      expect(readFileSync(log('north'), 'utf8').match(/Stopped\. To go on: align-fl silo join/g)).not.toBeNull();
    },
    LIMIT_MS,
  );

  test.concurrent(
    'server start --local and silo join: say how to go on, and do; a pipe that is closed stops neither',
    async () => {
      const { root, server, home, data, invite } = laptopLayout(join(ROOT, 'apart'));
      const first = started(['up', SPEC, '--out', root]);
      await first.said('round 1 east: decoder');
      first.kill('SIGINT');
      expect(await first.end).toMatchObject({ code: 130 });

      const serve = ['server', 'start', server.root, '--local'];
      const joins = (silo: string) => [
        'silo',
        'join',
        invite(silo),
        '--data',
        data(silo),
        '--home',
        home(silo),
        '--yes',
      ];
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const [serving, north, east] = [started(serve), started(joins('north')), started(joins('east'))];
        await serving.said('north: decoder');
        for (const one of [north, serving, east]) one.kill(signal);
        expect(await serving.end).toMatchObject({
          code: 130,
          stderr: expect.stringContaining(`Stopped. To go on: align-fl server start ${server.root} --local`),
        });
        for (const one of [north, east]) {
          expect(await one.end).toMatchObject({
            code: 130,
            stderr: expect.stringContaining('Stopped. To go on: align-fl silo join --home'),
          });
        }
        expect(workingIn(root)).toEqual([]);
      }

      const codes = join(ROOT, 'codes');
      const headed = (args: readonly string[]) =>
        spawned('sh', ['-c', '{ "$@"; echo $? >> "$0"; } 2>&1 | head -n 1', codes, process.execPath, ENTRY, ...args]);
      const ends = [headed(serve), headed(joins('north')), headed(joins('east'))].map((one) => one.end);
      await Promise.all(ends);
      expect(readFileSync(codes, 'utf8')).toBe('0\n0\n0\n');
      expect(workingIn(root)).toEqual([]);
      expect(hashesIn(server.run)).toEqual(await undisturbed());
    },
    LIMIT_MS,
  );

  (hasTerminals ? test.concurrent : test.skip)(
    'at a terminal: ends when that is closed, also while it asks; Ctrl-C and Ctrl-D at the question are no crash',
    async () => {
      const { root, server, data } = laptopLayout(join(ROOT, 'terminal'));
      const inMidRun = join(ROOT, 'mid-run');
      for (const [words, folder] of [
        ['round 1 north: decoder', inMidRun],
        ['A federation of 2 silos', root],
      ] as const) {
        const closed = atTerminal(['up', SPEC, '--out', folder]);
        await closed.said(words);
        closed.kill('SIGKILL'); // of `script`, which is the terminal
        await nobodyIn(folder);
      }

      const serving = started(['server', 'start', server.root, '--local']);
      await serving.said('signalled, seed 0'); // "Running", or "Going on with": the first may have come so far
      const line = spawnSync(process.execPath, [ENTRY, 'server', 'invite', server.root, 'north', '--again'], {
        encoding: 'utf8',
      }).stdout;
      const again = join(ROOT, 'again.invite');
      writeFileSync(again, line);
      const anew = join(root, 'anew');
      const joins = ['silo', 'join', again, '--data', data('north'), '--home', anew];
      for (const key of ['\u0003', '\u0004']) {
        const asked = atTerminal(joins);
        await asked.said('Type yes:');
        asked.child.stdin?.write(key);
        const { code, stdout } = await asked.end;
        expect(stdout).toContain('Stopped before an answer: nothing was agreed to.');
        expect(code).toBe(130);
      }
      const asked = atTerminal(joins);
      await asked.said('Type yes:');
      asked.kill('SIGKILL');
      await until(() => !workingIn(anew).some(({ command }) => command.includes('silo join')));
      serving.kill('SIGTERM');
      expect(await serving.end).toMatchObject({ code: 130 });
      expect(workingIn(root)).toEqual([]);
      expect(readFileSync(join(anew, 'departures.jsonl'), 'utf8')).toBe('');
    },
    LIMIT_MS,
  );
});

// --- internal ---

interface Command {
  readonly child: ChildProcess;
  readonly end: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stdout: string;
    readonly stderr: string;
  }>;
  /** Resolves when it has said so; rejects where it ended before. */
  said(words: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  killGroup(signal: NodeJS.Signals): void;
}

const started = (args: readonly string[]) => spawned(process.execPath, [ENTRY, ...args]);

/** As in a terminal that is a process of its own. */
function atTerminal(args: readonly string[]): Command {
  const line = [process.execPath, ENTRY, ...args].map((arg) => `'${arg}'`).join(' ');
  return spawned('script', ['--quiet', '--return', '--command', line, '/dev/null']);
}

function spawned(program: string, args: readonly string[]): Command {
  const child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  living.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  let hasEnded = false;
  const end: Command['end'] = new Promise((done) => {
    child.once('close', (code, signal) => {
      hasEnded = true;
      living.delete(child);
      done({ code, signal, stdout, stderr });
    });
  });
  return {
    child,
    end,
    async said(words) {
      while (!stdout.includes(words) && !stderr.includes(words)) {
        if (hasEnded) throw new Error(`it ended before it said "${words}": ${stdout}${stderr}`);
        await pause(5);
      }
    },
    kill: (signal) => child.kill(signal),
    killGroup: (signal) => process.kill(-(child.pid ?? 0), signal),
  };
}

/** Processes whose command line names the folder. */
function workingIn(folder: string): readonly { readonly pid: number; readonly command: string }[] {
  const { stdout } = spawnSync('ps', ['-A', '-ww', '-o', 'pid=,stat=,args='], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, state, command] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const isIt = command?.includes(folder) === true && state?.startsWith('Z') === false;
    return isIt ? [{ pid: Number(pid), command }] : [];
  });
}

const nobodyIn = (folder: string) => until(() => workingIn(folder).length === 0);

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(50);
}

let known: Promise<Readonly<Record<string, string>>> | null = null;

function undisturbed(): Promise<Readonly<Record<string, string>>> {
  const play = async () => {
    const path = mkdtempSync(join(ROOT, 'alone-'));
    await runExperiment({ folder: await openRunFolder({ path, spec: parseSpec(WRITTEN) }), data: { env: {} } });
    return hashesIn(path);
  };
  known ??= play();
  return known;
}
