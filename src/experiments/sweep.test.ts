// Sweeps whose cells are played by a stand-in: order, failures, stops, going on. And one with real processes.

import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { AbortedError, LostPeerError, NumericalError, SpecError, StateError } from '../errors.ts';
import { openRunFolder } from './run-folder.ts';
import { runExperiment } from './run.ts';
import { readSummary, type Summary } from './summary.ts';
import { runSweep, type SweepEvent, type SweepOptions, sweepStates } from './sweep.ts';
import { readSweep } from './sweep-file.ts';
import { planSweep, type SweepPlan } from './sweep-plan.ts';
import { type PlayCell, playInProcess } from './sweep-process.ts';
import { cellWork, defaultJobs, usableMemory } from './sweep-work.ts';

const ROOT = temporaryFolder();
const SPEC = join(ROOT, 'tiny.yaml');
writeFileSync(
  SPEC,
  `rounds: 1
data:
  source: { kind: drawn-digits, train: 40, test: 50 }
  partition: { kind: class-disjoint, classes: [[0, 1], [2, 3]] }
silos: [{ name: north }, { name: east }]
model: { kind: mlp, hidden: [4], latent: 2 }
local: { epochs: 1, batchSize: 8 }
server: { epochs: 1, batchSize: 8, images: 8 }
privacy: { mechanism: none }
evaluation: { controls: false, probeSplits: 1, gridImages: 0 }
`,
);
const folder = () => mkdtempSync(join(ROOT, 'sweep-'));
const nowhere = () => join(folder(), 'new');

let plan: SweepPlan;
let summary: Summary;
beforeAll(async () => {
  plan = await planSweep({ target: SPEC, vary: ['model.latent=2,3'], seeds: '1,2' });
  const run = await openRunFolder({ path: join(folder(), 'run'), spec: plan.cells[0]?.spec as never });
  summary = await runExperiment({ folder: run });
});

/** Plays a cell in no time: its scores tell its latent size and seed. */
const quick: PlayCell = async ({ folder: path, spec }, { signal }) => {
  if (signal.aborted) throw new AbortedError('Stopped.');
  const [strategy] = summary.strategies as [Summary['strategies'][0]];
  const accuracy = { mean: spec.model.latent / 10 + spec.seed / 100, sd: null };
  const final = { ...strategy.final, probeFullTest: { ...strategy.final.probeFullTest, accuracy } };
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'spec.json'), JSON.stringify(spec));
  writeFileSync(join(path, 'summary.json'), JSON.stringify({ ...summary, strategies: [{ ...strategy, final }] }));
};

/** What happened to which cell, in order. */
async function swept(options: Partial<SweepOptions> = {}) {
  const heard: string[] = [];
  const emit = (event: SweepEvent) => {
    if (event.kind === 'cell-started') heard.push(`+${event.cell}`);
    if (event.kind === 'cell-finished') heard.push(`${event.report.state} ${event.cell}`);
  };
  const out = options.folder ?? nowhere();
  const report = await runSweep({ plan, jobs: 1, emit, playCell: quick, ...options, folder: out }).catch(
    (error: unknown) => error as Error,
  );
  return { report, heard, out, stored: await readSweep(join(out, 'sweep.json')) };
}

describe('a sweep', () => {
  test('plays every cell, writes its report, and sums up over the seeds', async () => {
    const { report, stored, heard } = await swept();
    expect(report).toEqual(stored);
    expect(heard).toHaveLength(8);
    expect(stored?.cells.map(({ state }) => state)).toEqual(Array(4).fill('complete'));
    expect(stored?.table.map(({ strategies }) => strategies[0]?.accuracy?.mean)).toEqual([
      expect.closeTo(0.215),
      expect.closeTo(0.315),
    ]);
  });

  test('keeps to its number of jobs', async () => {
    let [now, most] = [0, 0];
    const playCell: PlayCell = async (job, hooks) => {
      most = Math.max(most, ++now);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      await quick(job, hooks);
      now--;
    };
    await swept({ jobs: 3, playCell });
    expect(most).toBe(3);
  });

  test('gives cells side by side a share of the cores, and no cell another identity', async () => {
    const specs: unknown[] = [];
    await swept({
      jobs: 1000,
      playCell: async (job, hooks) => (specs.push(job.spec.engine.silosAtOnce), quick(job, hooks)),
    });
    expect(specs).toEqual([1, 1, 1, 1]);
    expect((await swept({ folder: (await swept({ jobs: 1000 })).out })).heard).toEqual([]);
  });

  test('goes on without what is complete, also with more values and seeds', async () => {
    const { out, heard } = await swept();
    expect(heard).toHaveLength(8);
    expect((await swept({ folder: out })).heard).toEqual([]);
    const more = await planSweep({ target: SPEC, vary: ['model.latent=2,3,4'], seeds: '1-2' });
    const { stored, heard: then } = await swept({ folder: out, plan: more });
    expect(then.filter((word) => word.startsWith('+'))).toEqual(['+latent=4_seed=1', '+latent=4_seed=2']);
    expect(stored?.table).toHaveLength(3);
    expect(await sweepStates(more, out)).toEqual(Array(6).fill('complete'));
  });

  test('reports a cell that fails, and plays the others', async () => {
    const playCell: PlayCell = async (job, hooks) => {
      if (job.folder.endsWith('latent=2_seed=2')) throw new NumericalError('The loss became NaN.');
      return quick(job, hooks);
    };
    const { stored, heard, out } = await swept({ playCell });
    expect(heard).toContain('failed latent=2_seed=2');
    expect(stored?.cells.map(({ state }) => state)).toEqual(['complete', 'failed', 'complete', 'complete']);
    expect(stored?.cells[1]?.error).toBe('The loss became NaN.');
    expect(stored?.table[0]?.seeds).toEqual([1]);
    expect((await swept({ folder: out })).heard).toEqual(['+latent=2_seed=2', 'complete latent=2_seed=2']);
  });

  test('stops when told to: what is under way ends first, nothing begins, and the next call goes on', async () => {
    const abort = new AbortController();
    const playCell: PlayCell = async (job, hooks) => {
      if (job.folder.endsWith('latent=2_seed=2')) abort.abort();
      return quick(job, hooks);
    };
    const { report, heard, stored, out } = await swept({ playCell, signal: abort.signal });
    expect(report).toBeInstanceOf(AbortedError);
    expect((report as Error).message).toContain('1 of 4');
    expect(heard.slice(2)).toEqual(['+latent=2_seed=2', 'stopped latent=2_seed=2']);
    expect(stored?.cells.map(({ state }) => state)).toEqual(['complete', 'stopped', 'waiting', 'waiting']);
    expect((await swept({ folder: out })).heard).toHaveLength(6);
  });

  test('refuses the folder of another sweep, of other things, and of another run, and touches nothing', async () => {
    const { out } = await swept();
    const other = await planSweep({ target: SPEC, set: ['local.epochs=2'], seeds: '1,2' });
    const refused = await swept({ folder: out, plan: other });
    expect(refused.report).toBeInstanceOf(SpecError);
    expect(refused.stored?.baseHash).toBe(plan.baseHash);
    const strange = folder();
    writeFileSync(join(strange, 'thesis.txt'), 'mine');
    expect((await swept({ folder: strange })).report).toBeInstanceOf(SpecError);
    expect(existsSync(join(strange, 'sweep.json'))).toBe(false);
    rmSync(join(out, 'latent=2_seed=1'), { recursive: true });
    cpSync(join(out, 'latent=2_seed=2'), join(out, 'latent=2_seed=1'), { recursive: true });
    expect((await swept({ folder: out })).report).toBeInstanceOf(SpecError);
    await expect(sweepStates(plan, out)).rejects.toThrow(SpecError);
  });

  test('takes its own runs again where its file was deleted, as the message about a damaged one advises', async () => {
    const { out } = await swept();
    writeFileSync(join(out, 'sweep.json'), '{}');
    await expect(runSweep({ plan, folder: out, playCell: quick })).rejects.toThrow(/delete this file/);
    rmSync(join(out, 'sweep.json'));
    const { heard, stored } = await swept({ folder: out });
    expect(heard).toEqual([]);
    expect(stored?.cells.map(({ state }) => state)).toEqual(Array(4).fill('complete'));
  });

  test('stops the cells at work where it cannot write down what came of one', async () => {
    const out = nowhere();
    let told = false;
    const playCell: PlayCell = async (job, { signal, onEvent }) => {
      if (job.folder.endsWith('latent=2_seed=1')) {
        rmSync(join(out, 'sweep.json'));
        mkdirSync(join(out, 'sweep.json', 'in the way'), { recursive: true });
        return quick(job, { signal, onEvent });
      }
      await once(signal, 'abort');
      told = true;
      throw new AbortedError('Stopped.');
    };
    await expect(runSweep({ plan, folder: out, jobs: 2, playCell })).rejects.toThrow(/Could not write .*sweep\.json/);
    expect(told).toBe(true);
  });

  test('is alone in its folder', async () => {
    const out = nowhere();
    let second: unknown;
    const playCell: PlayCell = async (job, hooks) => {
      second ??= await runSweep({ plan, folder: out, playCell: quick }).catch((error: unknown) => error);
      return quick(job, hooks);
    };
    await swept({ folder: out, playCell });
    expect(second).toBeInstanceOf(StateError);
  });

  test('lets one cell fetch a known data set before the others begin', async () => {
    const fetched = await planSweep({ target: 'paper-mnist', vary: ['rounds=1,2,3'] });
    const order: string[] = [];
    const playCell: PlayCell = async (job, { onEvent }) => {
      order.push(`begin ${job.spec.rounds}`);
      if (order.length === 1) {
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
        order.push('fetched');
        onEvent({ kind: 'run-started' } as never);
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      }
      throw new NumericalError('enough');
    };
    await swept({ plan: fetched, jobs: 3, playCell });
    expect(order.slice(0, 2)).toEqual(['begin 1', 'fetched']);
    expect(order).toHaveLength(4);
  });
});

describe('a cell in a process of its own', () => {
  const hooks = (signal = new AbortController().signal, onEvent: (event: { kind: string }) => void = () => {}) => ({
    signal,
    onEvent,
  });
  const job = (path: string) => ({ folder: path, spec: plan.cells[0]?.spec as SweepPlan['cells'][0]['spec'] });

  test('is the run that it would be here, and tells what happens', async () => {
    const path = join(folder(), 'cell');
    const kinds: string[] = [];
    await playInProcess(
      job(path),
      hooks(undefined, ({ kind }) => kinds.push(kind)),
    );
    const { strategies, specHash } = await readSummary(join(path, 'summary.json'));
    expect(specHash).toBe(summary.specHash);
    expect(strategies[0]?.globalSha256).toBe(summary.strategies[0]?.globalSha256);
    expect(kinds).toEqual(expect.arrayContaining(['run-started', 'silo-progress', 'round-finished', 'run-finished']));
    expect(readFileSync(join(path, 'events.jsonl'), 'utf8')).toContain('silo-epoch');
  });

  test('stops when told to, and fails with the error of its own class', async () => {
    const abort = new AbortController();
    const path = join(folder(), 'cell');
    const onEvent = ({ kind }: { kind: string }) => kind === 'run-started' && abort.abort();
    await expect(playInProcess(job(path), hooks(abort.signal, onEvent))).rejects.toThrow(AbortedError);
    expect(existsSync(join(path, 'summary.json'))).toBe(false);
    writeFileSync(join(path, 'spec.json'), '{}');
    await expect(playInProcess(job(path), hooks())).rejects.toThrow(StateError);
    await expect(playInProcess(job(path), hooks(AbortSignal.abort()))).rejects.toThrow(AbortedError);
  });

  test('that dies is a lost peer', async () => {
    const onEvent = (event: { kind: string; folder?: string }) => {
      if (event.kind !== 'run-started') return;
      const home = event.folder as string;
      const lock = readdirSync(home).find((name) => name.startsWith('lock-')) as string;
      process.kill((JSON.parse(readFileSync(join(home, lock), 'utf8')) as { pid: number }).pid, 'SIGKILL');
    };
    await expect(playInProcess(job(join(folder(), 'cell')), hooks(undefined, onEvent))).rejects.toThrow(LostPeerError);
  });
});

describe('guesses about work', () => {
  test('grow with epochs, rounds and models; a cell is never free', async () => {
    const work = async (...set: string[]) =>
      cellWork((await planSweep({ target: SPEC, set, seeds: '1,2' })).cells[0]?.spec as never);
    const base = await work();
    expect(base).toBeGreaterThan(0);
    for (const change of ['rounds=3', 'local.epochs=4', 'model.hidden=[64]', 'data.source.train=400']) {
      expect(await work(change), change).toBeGreaterThan(base);
    }
  });

  test('one cell a core, as far as memory goes, no more than there are', () => {
    const gib = 2 ** 30;
    expect(defaultJobs({ cores: 8, memoryBytes: 64 * gib }, 100)).toBe(8);
    expect(defaultJobs({ cores: 8, memoryBytes: 64 * gib }, 3)).toBe(3);
    expect(defaultJobs({ cores: 8, memoryBytes: 4 * gib }, 100)).toBe(2);
    expect(defaultJobs({ cores: 8, memoryBytes: gib }, 100)).toBe(1);
    expect(usableMemory(64 * gib, 4 * gib)).toBe(4 * gib); // a container's limit
    for (const unlimited of [0, 2 ** 64, undefined]) expect(usableMemory(8 * gib, unlimited)).toBe(8 * gib);
  });
});
