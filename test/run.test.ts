// A whole run through the command line: what it leaves, and that no interruption changes what it ends with.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { advance, NO_PROGRESS, shareDone } from '../src/cli/progress.ts';
import {
  AbortedError,
  loadSpec,
  openRunFolder,
  readSummary,
  type RunEvent,
  runExperiment,
  type Summary,
} from '../src/index.ts';
import { said } from './command-line.ts';

const CLI = resolve(import.meta.dirname, '..', 'bin', 'align-fl.mjs');
const ENV = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
const ROOT = mkdtempSync(join(tmpdir(), 'align-fl-run-'));
const SPEC = join(ROOT, 'tiny.yaml');
const ROUNDS = 2;

writeFileSync(
  SPEC,
  `name: tiny
rounds: ${ROUNDS}
data:
  source: { kind: drawn-digits, train: 120, test: 100 }
  partition: { kind: class-disjoint, classes: [[0, 1], [2, 3], [4, 5]] }
silos: [{ name: north }, { name: east }, { name: south }]
model: { kind: mlp, hidden: [8], latent: 2 }
local: { epochs: 2, batchSize: 8 }
server: { epochs: 2, batchSize: 16, images: 20 }
strategies: [align, fedavg]
privacy: { mechanism: none }
evaluation: { controls: false, probeSplits: 1, gridImages: 4 }
engine: { silosAtOnce: 1 }
`,
);

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const living = new Set<ChildProcess>();
afterEach(() => {
  for (const child of living) child.kill('SIGKILL');
});
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

/** The command, begun. */
function begin(...args: readonly string[]): { readonly child: ChildProcess; readonly end: Promise<Ended> } {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: ROOT, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] });
  living.add(child);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  const end = new Promise<Ended>((done) => {
    child.once('close', (code, signal) => {
      living.delete(child);
      done({ code, signal, ...text });
    });
  });
  return { child, end };
}

const run = (...args: readonly string[]): Promise<Ended> => begin(...args).end;

/** Resolves when the events of a run contain such a line, counted from `skip`, or when the process has ended. */
async function told(
  folder: string,
  { child, end }: ReturnType<typeof begin>,
  pattern: RegExp,
  skip = 0,
): Promise<void> {
  let ended = false;
  void end.then(() => (ended = true));
  const file = join(folder, 'events.jsonl');
  const isThere = () =>
    existsSync(file) &&
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(skip)
      .some((line) => pattern.test(line));
  await new Promise<void>((done) => {
    const timer = setInterval(() => {
      if (!ended && child.exitCode === null && !isThere()) return;
      clearInterval(timer);
      done();
    }, 2);
  });
}

const linesOf = (folder: string) => {
  const file = join(folder, 'events.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
};
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
const summaryIn = (folder: string) => readSummary(join(folder, 'summary.json'));

/** Everything in a summary that must not depend on when, how fast or in how many pieces a run was made. */
function lasting({ strategies, ...summary }: Summary) {
  return {
    ...summary,
    startedAt: null,
    finishedAt: null,
    strategies: strategies.map(({ rounds, secondsPerStage: _, ...strategy }) => ({
      ...strategy,
      rounds: rounds.map(({ round, metrics }) => ({ round, metrics })),
    })),
  };
}

/** All files below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** The hash of every file that a run computes. */
function computedIn(folder: string): Readonly<Record<string, string>> {
  const made = filesIn(folder).filter((file) => !['events.jsonl', 'journal.json', 'summary.json'].includes(file));
  return Object.fromEntries(made.map((file) => [file, sha256(join(folder, file))]));
}

const WHOLE = join(ROOT, 'whole');
let first: Ended;
beforeAll(async () => {
  first = await run('run', SPEC, '--out', WHOLE, '--json');
}, 60_000);

describe('a run', () => {
  test('ends well, with its summary as JSON and nothing else on stdout', async () => {
    expect(first).toMatchObject({ code: 0, signal: null });
    expect(JSON.parse(first.stdout)).toEqual(await summaryIn(WHOLE));
    expect(first.stderr).toContain('ALIGN-FL round 2/2');
    expect(first.stderr).toContain('FedAvg round 2/2');
  });

  test('leaves exactly the files that are documented', () => {
    const silos = ['east', 'north', 'south'];
    const decoders = [1, 2].flatMap((round) => silos.map((silo) => `decoders/round-${round}/${silo}.onnx`));
    const states = ['align', 'fedavg'].flatMap((strategy) => [
      `global/${strategy}/state.safetensors`,
      ...silos.map((silo) => `silos/${silo}/${strategy}/state.safetensors`),
    ]);
    const globals = ['global/align/decoder.onnx', 'global/align/encoder.onnx'];
    const pictures = ['global-align', 'global-fedavg', ...silos.map((silo) => `decoder-${silo}`)];
    expect(filesIn(WHOLE)).toEqual(
      [
        ...['spec.json', 'partition.json', 'events.jsonl', 'journal.json', 'summary.json'],
        ...decoders,
        ...states,
        ...globals,
        ...pictures.map((name) => `images/${name}.png`),
        ...['align', 'fedavg'].map((strategy) => `codes/${strategy}.json`),
      ].sort(),
    );
    const readme = readFileSync(resolve(import.meta.dirname, '..', 'README.md'), 'utf8');
    for (const entry of readdirSync(WHOLE)) expect(readme).toMatch(new RegExp(`^\\| \`${entry}[/\`]`, 'm'));
  });

  test('sums up what is in the folder: hashes, sizes, silos, rounds', async () => {
    const { strategies, partition, paper, controls } = await summaryIn(WHOLE);
    const [align, fedavg] = strategies;
    expect(strategies.map(({ strategy, rounds }) => [strategy, rounds.length])).toEqual([
      ['align', ROUNDS],
      ['fedavg', ROUNDS],
    ]);
    expect(partition.sha256).toBe(sha256(join(WHOLE, partition.file)));
    expect([paper, controls]).toEqual([null, []]);
    for (const { diagnostics } of strategies) {
      expect(diagnostics).toMatchObject({
        latentOverlap: { images: 100 },
        averaging: { images: 100 },
        outlierLeakage: null,
      });
    }
    for (const { name, decoders, examples, classes, uploadBytes } of align?.silos ?? []) {
      expect(examples).toBe(24);
      expect(Object.values(classes)).toEqual([12, 12]);
      for (const { round, sha256: hash, bytes } of decoders) {
        const file = join(WHOLE, 'decoders', `round-${round}`, `${name}.onnx`);
        expect(hash).toBe(sha256(file));
        expect(bytes).toBe(readFileSync(file).length);
      }
      expect(uploadBytes).toEqual({ perRound: decoders.map(({ bytes }) => bytes), total: uploadBytes.total });
    }
    expect(fedavg?.silos.every(({ decoders }) => decoders.length === 0)).toBe(true);
    for (const { strategy, globalSha256, rounds, final } of strategies) {
      expect(globalSha256).toBe(sha256(join(WHOLE, 'global', strategy, 'state.safetensors')));
      expect(final).toEqual(rounds.at(-1)?.metrics);
    }
  });

  test('tells its story in events.jsonl, from the first to the last, with the time of each', () => {
    const events = readFileSync(join(WHOLE, 'events.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; at: string });
    expect([events[0]?.kind, events.at(-1)?.kind]).toEqual(['run-started', 'run-finished']);
    expect(events.filter(({ kind }) => kind === 'round-finished')).toHaveLength(2 * ROUNDS);
    expect(events.filter(({ kind }) => kind.endsWith('-progress'))).toEqual([]);
    const times = events.map(({ at }) => at);
    expect(times).toEqual([...times].sort());
  });

  test('that is complete is not run again: the same command prints its results', async () => {
    const before = filesIn(WHOLE).map((file) => [file, sha256(join(WHOLE, file))]);
    const again = await run('run', SPEC, '--out', WHOLE);
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/complete already/);
    expect(again.stdout).toMatch(/^ALIGN-FL +\d/m);
    expect(again.stdout).toMatch(/^FedAvg +\d/m);
    expect(again.stderr).toBe('');
    expect(filesIn(WHOLE).map((file) => [file, sha256(join(WHOLE, file))])).toEqual(before);
  });
});

describe('a run that is interrupted', () => {
  test('by SIGKILL, again and again, and with two silos at a time, ends with the same bytes as one that never was', async () => {
    const folder = join(ROOT, 'killed');
    const command = ['run', SPEC, '--out', folder];
    const twoAtATime = [...command, '--set', 'engine.silosAtOnce=2'];
    const moments = [
      /"kind":"silo-finished","strategy":"align","round":1/,
      /"kind":"server-started","strategy":"align","round":1/,
      /"kind":"server-finished","strategy":"align","round":2/,
      /"kind":"silo-epoch","strategy":"fedavg","round":1/,
      /"kind":"server-finished","strategy":"fedavg","round":2/,
    ];
    let kills = 0;
    for (const moment of moments) {
      const skip = linesOf(folder);
      const work = begin(...(skip === 0 ? command : twoAtATime));
      await told(folder, work, moment, skip);
      work.child.kill('SIGKILL');
      kills += (await work.end).signal === 'SIGKILL' ? 1 : 0;
    }
    expect(kills).toBeGreaterThanOrEqual(3); // the last moments are so short that a busy machine may miss them
    const end = await run(...command);
    expect(end.code).toBe(0);
    expect(lasting(await summaryIn(folder))).toEqual(lasting(await summaryIn(WHOLE)));
    expect(computedIn(folder)).toEqual(computedIn(WHOLE));
    expect(filesIn(folder)).toEqual(filesIn(WHOLE)); // neither locks nor half-written files are left
  }, 90_000);

  test.skipIf(process.platform === 'win32')(
    'by Ctrl-C says how to go on, and goes on to the same bytes; meanwhile nobody else may work in its folder',
    async () => {
      const folder = join(ROOT, 'stopped');
      const work = begin('run', SPEC, '--out', folder);
      await told(folder, work, /"kind":"silo-started"/);
      work.child.kill('SIGSTOP'); // it stands still, but it lives
      const rival = await run('run', SPEC, '--out', folder);
      expect(rival).toMatchObject({ code: 1, stdout: '' });
      expect(rival.stderr).toMatch(
        new RegExp(`^StateError: Another run works in this folder: process ${work.child.pid} `),
      );
      expectNoStack(rival);
      work.child.kill('SIGINT');
      work.child.kill('SIGCONT');
      const stopped = await work.end;
      expect(stopped).toMatchObject({ code: 130, signal: null, stdout: '' });
      expect(stopped.stderr).toContain('Stopping after the current step.');
      expect(stopped.stderr.trimEnd().split('\n').at(-1)).toBe(`Stopped. To go on: align-fl run --resume ${folder}`);
      expect(existsSync(join(folder, 'summary.json'))).toBe(false);

      const end = await run('run', '--resume', folder, '--json');
      expect(end.code).toBe(0);
      expect(lasting(JSON.parse(end.stdout) as Summary)).toEqual(lasting(await summaryIn(WHOLE)));
      expect(computedIn(folder)).toEqual(computedIn(WHOLE));
    },
    60_000,
  );

  test('from a program of its own: the signal stops it, the folder is free, and it goes on', async () => {
    const folder = join(ROOT, 'library');
    const spec = await loadSpec(SPEC);
    const abort = new AbortController();
    const events: RunEvent[] = [];
    const play = async (stopAt: string | null) =>
      runExperiment({
        folder: await openRunFolder({ path: folder, spec }),
        data: { env: {} },
        emit(event) {
          events.push(event);
          if (event.kind === stopAt) abort.abort();
        },
        ...(stopAt !== null && { signal: abort.signal }),
      });
    await expect(play('server-progress')).rejects.toThrow(AbortedError);
    events.length = 0;
    const summary = await play(null);
    let progress = NO_PROGRESS;
    const shares = events.map((event, i) => shareDone((progress = advance(progress, event, i))));
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    const last = (kind: RunEvent['kind'], round: number) =>
      events.filter((event) => event.kind === kind && 'round' in event && event.round === round).at(-1);
    expect(last('server-progress', 2)).toMatchObject({ step: 8, steps: 8 }); // 2 epochs of 60 images in batches of 16
    expect(events).toContainEqual({ kind: 'run-planned', siloSteps: 18, serverSteps: { align: 8, fedavg: 0 } });
    expect(Date.parse(summary.finishedAt)).toBeGreaterThanOrEqual(Date.parse(summary.startedAt));
    expect(lasting(summary)).toEqual(lasting(await summaryIn(WHOLE)));
  }, 60_000);
});

test('without ONNX Runtime the same run goes on WebAssembly, to nearly the same results', async () => {
  const folder = join(ROOT, 'wasm');
  const changes = ['engine.executor=wasm', 'strategies=[align]', 'rounds=1'].flatMap((change) => ['--set', change]);
  const end = await run('run', SPEC, '--out', folder, ...changes);
  expect(end.code).toBe(0);
  const [wasm, native] = [await summaryIn(folder), await summaryIn(WHOLE)];
  expect(wasm.machine.executor).toBe('wasm');
  for (const [i, { metrics }] of (wasm.strategies[0]?.rounds ?? []).entries()) {
    const other = native.strategies[0]?.rounds[i]?.metrics;
    expect(metrics.reconstructionMse).toBeCloseTo(other?.reconstructionMse as number, 3);
    const accuracies = [metrics, other].map((one) => one?.probeFullTest?.accuracy.mean as number) as [number, number];
    expect(Math.abs(accuracies[0] - accuracies[1])).toBeLessThanOrEqual(0.1); // two of twenty images
  }
}, 60_000);

describe('what cannot be run', () => {
  test.each([
    ['an unknown preset', ['quickstrat'], 2, /^SpecError: There is no preset "quickstrat".*quickstart/],
    [
      'data that are not there',
      ['paper-mnist', '--data', join(ROOT, 'no-data')],
      1,
      /^DataError: --data names .*no-data/,
    ],
    ['a folder that is none', ['--resume', join(ROOT, 'nothing')], 2, /^SpecError: .*nothing is no run folder/],
  ])('%s is refused with one clear message', async (_, args, code, message) => {
    const end = await said('run', ...args);
    expect(end).toMatchObject({ code, stdout: '' });
    expect(end.stderr).toMatch(message);
    expectNoStack(end);
  });

  test('is refused as JSON where JSON is asked for', async () => {
    const end = await said('run', SPEC, '--set', 'rounds=0', '--json');
    expect(end.code).toBe(2);
    const message = expect.stringContaining('rounds') as unknown;
    expect(JSON.parse(end.stdout)).toMatchObject({ error: { code: 'SPEC', message } });
    expectNoStack(end);
  });
});

function expectNoStack({ stderr }: Pick<Ended, 'stderr'>): void {
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(stderr).not.toContain('node:internal');
}
