// A sweep: many runs side by side, each an ordinary run folder. Interrupted anywhere, the same call goes on.

import { setMaxListeners } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { AbortedError, AlignError, SpecError } from '../errors.ts';
import { inOrder } from '../federation/in-order.ts';
import {
  type FolderLock,
  isFolderLockFile,
  type LockKind,
  releaseFolderLock,
  takeFolderLock,
} from '../storage/folder-lock.ts';
import { isUnfinishedWrite, readJson } from '../storage/atomic-file.ts';
import { parseSpec } from './parse-spec.ts';
import type { RunEvent } from './run-events.ts';
import { type RunState, runState } from './run-folder.ts';
import { runLayout } from './run-layout.ts';
import { specHash } from './spec-identity.ts';
import { readSummary } from './summary.ts';
import { type CellReport, readSweep, SWEEP_FORMAT, type SweepReport, sweepFile, writeSweep } from './sweep-file.ts';
import type { SweepCell, SweepPlan } from './sweep-plan.ts';
import { type PlayCell, playInProcess } from './sweep-process.ts';
import { scoresOf, sweepTable } from './sweep-table.ts';
import { defaultJobs, usableMemory } from './sweep-work.ts';
import { packageVersion } from './version.ts';

/** What happens in a sweep. `cell` is its name. */
export type SweepEvent =
  | {
      readonly kind: 'sweep-started';
      readonly folder: string;
      readonly jobs: number;
      readonly complete: readonly string[];
    }
  | { readonly kind: 'cell-started'; readonly cell: string }
  | { readonly kind: 'cell-event'; readonly cell: string; readonly event: RunEvent }
  | { readonly kind: 'cell-finished'; readonly cell: string; readonly report: CellReport };

export interface SweepOptions {
  readonly plan: SweepPlan;
  /** Folder of the sweep; default `defaultSweepFolder`. */
  readonly folder?: string | undefined;
  /** Cells at once; default one a core, as far as memory goes. */
  readonly jobs?: number | undefined;
  /** Where MNIST and Fashion-MNIST may be found first. */
  readonly dataDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears what happens; must be quick and must not throw. */
  readonly emit?: (event: SweepEvent) => void;
  /** In place of processes, for tests. */
  readonly playCell?: PlayCell;
}

/** Folder of a sweep when nobody names one: the same axes find the same folder, and so go on where they stopped. */
export function defaultSweepFolder({ name, vary }: Pick<SweepPlan, 'name' | 'vary'>): string {
  const axes = vary.map(({ path }) => path.replace(/[^A-Za-z0-9.]+/g, '-'));
  return join('runs', [`${name}-sweep`, ...axes].join('-').slice(0, 120));
}

/**
 * Runs every cell that is not complete and returns the report, which is also in `sweep.json`. A cell that fails is in the
 * report and does not stop the others. Throws SpecError where the folder belongs to another sweep or holds something else,
 * StateError where another sweep works in it, AbortedError on abort, when all cells under way have stopped.
 */
export async function runSweep(options: SweepOptions): Promise<SweepReport> {
  const { plan, signal = new AbortController().signal, emit = () => {} } = options;
  const root = resolve(options.folder ?? defaultSweepFolder(plan));
  await refuseOtherContent(root, plan);
  await mkdir(root, { recursive: true });
  const lock: FolderLock = await takeFolderLock(root, SWEEP_LOCK);
  try {
    const jobs = options.jobs ?? defaultJobs(machine(), plan.cells.length);
    return await sweep({ ...options, root, jobs, signal, emit });
  } finally {
    await releaseFolderLock(lock);
  }
}

/** How far the cells of a plan are in the folder of a sweep, without touching anything. Throws as `runSweep`. */
export async function sweepStates(plan: SweepPlan, folder = defaultSweepFolder(plan)): Promise<readonly RunState[]> {
  const root = resolve(folder);
  await refuseOtherContent(root, plan);
  return Promise.all(plan.cells.map(({ name }) => runState(runLayout(join(root, name)))));
}

// --- internal ---

const MAX_STORED_SPEC_BYTES = 4_000_000;

const SWEEP_LOCK: LockKind = {
  name: 'sweep-lock',
  held: 'Another sweep works in this folder',
  advice: 'stop it, or choose another --out',
};

interface Sweep extends SweepOptions {
  readonly root: string;
  readonly jobs: number;
  readonly signal: AbortSignal;
  readonly emit: (event: SweepEvent) => void;
}

async function sweep({
  plan,
  root,
  jobs,
  dataDir,
  signal,
  emit,
  playCell = playInProcess,
}: Sweep): Promise<SweepReport> {
  const file = sweepFile(root);
  const reports = await Promise.all(plan.cells.map((cell) => reportAtStart(root, cell)));
  const save = () => writeSweep(file, reportOf(plan, reports));
  await save();
  const complete = reports.filter(({ state }) => state === 'complete').map(({ name }) => name);
  emit({ kind: 'sweep-started', folder: root, jobs, complete });

  const waiting = plan.cells.flatMap((cell, at) => (reports[at]?.state === 'complete' ? [] : [{ cell, at }]));
  const begun = firstGoesAhead(plan);
  const silosAtOnce = Math.max(1, Math.floor(availableParallelism() / jobs));
  let saving = Promise.resolve();
  await inOrder(waiting, { atOnce: jobs, signal }, async ({ cell, at }, together) => {
    const turn = await begun();
    try {
      if (together.aborted) return;
      setMaxListeners(0, together); // one for each cell at work, however many
      emit({ kind: 'cell-started', cell: cell.name });
      const report = await played(cell, async () => {
        const onEvent = (event: RunEvent) => {
          if (event.kind === 'run-started') turn.end();
          emit({ kind: 'cell-event', cell: cell.name, event });
        };
        const engine = { ...cell.spec.engine, silosAtOnce: cell.spec.engine.silosAtOnce ?? silosAtOnce };
        const job = { folder: join(root, cell.name), spec: { ...cell.spec, engine }, dataDir };
        await playCell(job, { signal: together, onEvent });
        return readSummary(runLayout(job.folder).summary);
      });
      reports[at] = report;
      emit({ kind: 'cell-finished', cell: cell.name, report });
      saving = saving.then(save);
      await saving;
    } finally {
      turn.end();
    }
  });
  const report = reportOf(plan, reports);
  if (signal.aborted && report.cells.some(({ state }) => state === 'waiting' || state === 'stopped')) {
    const done = report.cells.filter(({ state }) => state === 'complete').length;
    throw new AbortedError(`Stopped: ${done} of ${report.cells.length} cells are complete.`, { folder: root, done });
  }
  return report;
}

/** Plays a cell; whatever becomes of it is a report. */
async function played(cell: SweepCell, play: () => Promise<Parameters<typeof scoresOf>[0]>): Promise<CellReport> {
  const { name, values, seed, specHash: hash } = cell;
  const known = { name, values, seed, specHash: hash };
  try {
    return { ...known, state: 'complete', error: null, scores: scoresOf(await play()) };
  } catch (error) {
    if (error instanceof AbortedError) return { ...known, state: 'stopped', error: null, scores: null };
    const message = error instanceof Error ? error.message : String(error);
    const text = error instanceof AlignError ? message : ((error as Error | undefined)?.stack ?? message); // a bug
    return { ...known, state: 'failed', error: text, scores: null };
  }
}

/** A set that may have to be fetched is fetched by one cell, while the others wait for it to begin its run. */
function firstGoesAhead({ cells }: SweepPlan): () => Promise<{ end: () => void }> {
  const isFetched = cells.some(({ spec }) =>
    [spec.data.source, spec.data.foreign?.source].some((source) => /mnist/.test(source?.kind ?? '')),
  );
  let first: Promise<void> | null = null;
  return async () => {
    if (first !== null || !isFetched) {
      await first;
      return { end: () => {} };
    }
    let end = () => {};
    first = new Promise((resolveFirst) => {
      end = resolveFirst;
    });
    return { end };
  };
}

async function reportAtStart(root: string, { name, values, seed, specHash: hash }: SweepCell): Promise<CellReport> {
  const { summary } = runLayout(join(root, name));
  const known = { name, values, seed, specHash: hash };
  if (!existsSync(summary)) return { ...known, state: 'waiting', error: null, scores: null };
  return { ...known, state: 'complete', error: null, scores: scoresOf(await readSummary(summary)) };
}

function reportOf(plan: SweepPlan, cells: readonly CellReport[]): SweepReport {
  const { name, target, set, vary, seeds, baseHash } = plan;
  return {
    format: SWEEP_FORMAT,
    alignFlVersion: packageVersion(),
    name,
    target,
    set: [...set],
    vary: vary.map(({ path, values }) => ({ path, values: [...values] })),
    seeds: [...seeds],
    baseHash,
    cells: [...cells],
    table: sweepTable(cells),
  };
}

/**
 * A folder must be empty, or that of a sweep of the same experiment; more values and more seeds may come. Where its file is
 * gone, its runs tell whose it is.
 */
async function refuseOtherContent(root: string, plan: SweepPlan): Promise<void> {
  if (!existsSync(root)) return;
  const before = await readSweep(sweepFile(root));
  if (before === null) {
    const own = new Set(plan.cells.map(({ name }) => name));
    const strangers = (await readdir(root)).filter(
      (name) => !own.has(name) && !isFolderLockFile(name, SWEEP_LOCK.name) && !isUnfinishedWrite(name),
    );
    if (strangers.length > 0) {
      throw new SpecError(
        `${root} is not empty and no folder of this sweep: it holds ${strangers.slice(0, 3).join(', ')}. Choose another --out.`,
        { path: root },
      );
    }
  } else if (before.baseHash !== plan.baseHash) {
    throw new SpecError(
      `${root} belongs to another sweep: of ${before.target}${before.set.map((one) => ` --set ${one}`).join('')}. More values ` +
        'and seeds may be added to a sweep, but the rest must be as it was. Choose another --out.',
      { path: root },
    );
  }
  for (const cell of plan.cells) await refuseOtherRun(join(root, cell.name), cell);
}

async function refuseOtherRun(folder: string, cell: SweepCell): Promise<void> {
  const file = runLayout(folder).spec;
  if (!existsSync(file)) return;
  const stored = parseSpec(await readJson(file, { maxBytes: MAX_STORED_SPEC_BYTES }), { source: file });
  if (specHash(stored) === cell.specHash) return;
  throw new SpecError(`${folder} is a run of another spec than this sweep's. Choose another --out.`, { path: folder });
}

function machine() {
  return { cores: availableParallelism(), memoryBytes: usableMemory(totalmem(), process.constrainedMemory()) };
}
