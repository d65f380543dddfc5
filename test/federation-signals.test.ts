// A federation by its real command line that is stopped as people and machines stop programs: Ctrl-C once and twice, SIGTERM, a
// terminal that is closed, a pipe whose reader has heard enough. Nothing stays behind, and the same command goes on.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { setUp } from '../scripts/set-up.mjs';
import { inviteSilo } from '../src/deployment/invitations.ts';
import { laptopLayout } from '../src/deployment/laptop.ts';
import { parseSpec } from '../src/index.ts';
import { undisturbed as alone } from './kill-checks.ts';
import { federationsIn, hashesIn } from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
const federations = federationsIn(ROOT);
const HOME = resolve(import.meta.dirname, '..');
const ENTRY = join(HOME, 'bin', 'align-fl.mjs');
const LIMIT_MS = 240_000;

const WRITTEN = {
  ...TWO_SILOS,
  name: 'signalled',
  rounds: 8,
  local: { epochs: 10, batchSize: 8 },
};
const SPEC = join(ROOT, 'spec.yaml');
const hasTerminals = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;

const living = new Set<ChildProcess>();

beforeAll(async () => {
  await setUp(HOME);
  writeFileSync(SPEC, stringify(WRITTEN));
}, LIMIT_MS);
afterAll(async () => {
  await federations.close();
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
      expect(await one.end).toMatchObject({
        code: 130,
        stderr: expect.stringContaining(`goes on: align-fl up ${SPEC} --out`),
      });
      expect(workingIn(root)).toEqual([]);

      one = up();
      await one.said('north: decoder');
      const held = workingIn(root).filter(({ command }) => command.includes('silo join') && command.includes('north'));
      expect(held).toHaveLength(1);
      for (const { pid } of held) process.kill(pid, 'SIGSTOP'); // it hears of no clean end, and would be waited for
      one.killGroup('SIGINT'); // as a terminal does it: to everybody in the foreground
      await one.said('press Ctrl-C again');
      one.killGroup('SIGINT');
      expect(await one.end).toMatchObject({ code: null, signal: 'SIGINT' });
      for (const { pid } of held) process.kill(pid, 'SIGCONT');
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
      expect(await up().end).toMatchObject({ code: 0 }); // silos begin when there is no round left
      expect(workingIn(root)).toEqual([]);
      expect(readFileSync(log('north'), 'utf8').match(/Stopped\. To go on: align-fl silo join/g)).not.toBeNull();
    },
    LIMIT_MS,
  );

  test.concurrent(
    'server start --local and silo join: say how to go on, and do; a pipe that is closed stops neither',
    async () => {
      const { root, serve, joins, server } = await apart();
      const [serving, north, east] = [started(serve), started(joins('north')), started(joins('east'))];
      await serving.said('north: decoder');
      for (const [one, signal] of [
        [north, 'SIGTERM'],
        [east, 'SIGINT'],
        [serving, 'SIGTERM'],
      ] as const) {
        one.kill(signal);
      }
      expect(await serving.end).toMatchObject({
        code: 130,
        stderr: expect.stringContaining(`Stopped. To go on: align-fl server start ${server} --local`),
      });
      for (const one of [north, east]) {
        expect(await one.end).toMatchObject({
          code: 130,
          stderr: expect.stringContaining('Stopped. To go on: align-fl silo join '),
        });
      }
      expect(workingIn(root)).toEqual([]);

      const codes = join(root, 'codes');
      const headed = (args: readonly string[]) =>
        spawned('sh', ['-c', '{ "$@"; echo $? >> "$0"; } 2>&1 | head -n 1', codes, process.execPath, ENTRY, ...args]);
      await Promise.all([serve, joins('north'), joins('east')].map((args) => headed(args).end));
      expect(readFileSync(codes, 'utf8')).toBe('0\n0\n0\n');
      expect(workingIn(root)).toEqual([]);
      expect(hashesIn(join(server, 'run'))).toEqual(await undisturbed());
    },
    LIMIT_MS,
  );

  (hasTerminals ? test.concurrent : test.skip)(
    'at a terminal: ends when that is closed, also while it asks; Ctrl-C and Ctrl-D at the question are no crash',
    async () => {
      const inMidRun = join(ROOT, 'mid-run');
      const up = atTerminal(['up', SPEC, '--out', inMidRun]);
      const { root, serve, joins, departures } = await apart();
      const serving = started(serve);
      await up.said('round 1 north: decoder');
      up.kill('SIGKILL'); // of `script`, which is the terminal
      await nobodyIn(inMidRun);

      await serving.said('signalled, seed 0');
      const asking = joins('north').filter((arg) => arg !== '--yes');
      for (const key of ['\u0003', '\u0004']) {
        const asked = atTerminal(asking);
        await asked.said('Type yes or no:');
        asked.child.stdin?.write(key);
        const { code, stdout } = await asked.end;
        expect(stdout).toContain('Stopped before an answer: nothing was agreed to.');
        expect(code).toBe(130);
      }
      const asked = atTerminal(asking);
      await asked.said('Type yes or no:');
      asked.kill('SIGKILL');
      await until(() => !workingIn(root).some(({ command }) => command.includes('silo join')));
      serving.kill('SIGTERM');
      expect(await serving.end).toMatchObject({ code: 130 });
      expect(workingIn(root)).toEqual([]);
      expect(readFileSync(departures, 'utf8')).toBe('');
    },
    LIMIT_MS,
  );
});

// --- internal ---

/** A federation whose parts are started one by one, and the command lines for that. */
async function apart() {
  const { root, server, home, data } = await federations.make(parseSpec(WRITTEN));
  const invites = new Map<string, string>();
  for (const { name } of WRITTEN.silos) {
    const file = join(root, `${name}.invite`);
    writeFileSync(file, (await inviteSilo(server, name, { again: false })).line);
    invites.set(name, file);
  }
  const at = (silo: string) => [invites.get(silo) ?? '', '--data', data(silo), '--home', home(silo).root, '--yes'];
  return {
    root,
    server: server.root,
    serve: ['server', 'start', server.root, '--local'],
    joins: (silo: string) => ['silo', 'join', ...at(silo)],
    departures: home('north').departures,
  };
}

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
  known ??= alone(ROOT, parseSpec(WRITTEN));
  return known;
}
