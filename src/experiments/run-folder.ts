// A run's folder: made for one spec, locked while in use, and found again by the same command after a stop.

import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { AlignError, SpecError, StateError } from '../errors.ts';
import { isUnfinishedWrite, readJson, removeUnfinishedWrites, writeJsonAtomic } from '../storage/atomic-file.ts';
import { imagesAtSilos } from './at-silos.ts';
import { withFixedLedgers } from './ledger-places.ts';
import { parseSpec } from './parse-spec.ts';
import { REBUILT_FROM, type RunLayout, runLayout } from './run-layout.ts';
import { isLockFile, type RunLock, releaseLock, takeLock } from './run-lock.ts';
import type { Spec } from './spec.ts';
import { differencesBetween, identityOf, specHash } from './spec-identity.ts';
import { formatPath, shown } from './spec-problems.ts';

/**
 * `new`: neither a silo nor the server has trained in the folder; `begun`: a run that can go on; `complete`: its summary is there,
 * nothing is left to do.
 */
export type RunState = 'new' | 'begun' | 'complete';

/** A run folder in use by this process. Give it back with `closeRunFolder`. */
export interface RunFolder {
  /** Absolute path. */
  readonly root: string;
  readonly layout: RunLayout;
  readonly spec: Spec;
  readonly specHash: string;
  readonly state: RunState;
  /** Of which run this is the server's part, played again without a silo; null for an ordinary run. */
  readonly rebuiltFrom: RebuiltFrom | null;
  readonly lock: RunLock;
}

/** Where the decoders of a rebuilt run come from. */
export interface RebuiltFrom {
  /** Absolute path of the run folder. */
  readonly folder: string;
  /** The silo that is left out. */
  readonly silo: string;
}

/**
 * Makes `path` the run folder of `spec`, or opens the one that it already is; one in which nothing was trained yet may change
 * its spec. Unfinished files of a killed run are removed. Throws SpecError where the folder belongs to another spec (naming
 * the differences) or holds something else, StateError where another process works in it or its `spec.json` is damaged.
 */
export async function openRunFolder(options: {
  readonly path: string;
  readonly spec: Spec;
  /** Marks a folder in which silos are never asked. */
  readonly rebuiltFrom?: RebuiltFrom;
}): Promise<RunFolder> {
  const root = resolve(options.path);
  const spec = withFixedLedgers(options.spec);
  await refuseOtherContent(root);
  await make(root);
  return locked(root, async (lock) => {
    const layout = runLayout(root);
    const refusal = (await exists(layout.spec)) ? otherSpec(root, spec, await specOf(layout)) : null;
    if (refusal && !(await isUntouched(layout))) throw refusal;
    const isNew = refusal !== null || !(await exists(layout.spec));
    if (options.rebuiltFrom) await writeJsonAtomic(layout.rebuiltFrom, options.rebuiltFrom);
    if (isNew) await begin(layout, spec);
    return opened(layout, spec, lock);
  });
}

/** The command that goes on with a run that is not complete. */
export function commandToFinish({ root, spec, rebuiltFrom }: Pick<RunFolder, 'root' | 'spec' | 'rebuiltFrom'>): string {
  if (rebuiltFrom !== null) return `align-fl forget ${rebuiltFrom.folder} ${rebuiltFrom.silo}`;
  return imagesAtSilos(spec)
    ? 'align-fl server start, in the folder of its federation'
    : `align-fl run --resume ${root}`;
}

/** Opens a folder that a run has begun in, with its own spec. Throws SpecError where there is none, StateError as above. */
export async function resumeRunFolder(path: string): Promise<RunFolder> {
  const root = resolve(path);
  const layout = runLayout(root);
  if (!(await exists(layout.spec))) {
    throw new SpecError(
      `${root} is no run folder: there is no spec.json in it. Name the folder of a run that was begun.`,
      {
        path: root,
      },
    );
  }
  return locked(root, async (lock) => opened(layout, await specOf(layout), lock));
}

/** How far the run in a folder is, or would be. Looks at which files are there, and at nothing in them. */
export async function runState(layout: RunLayout): Promise<RunState> {
  if (await exists(layout.summary)) return 'complete';
  return (await isUntouched(layout)) ? 'new' : 'begun';
}

/** Lets other processes work in the folder again. */
export async function closeRunFolder(folder: RunFolder): Promise<void> {
  await releaseLock(folder.lock);
}

// --- internal ---

const MAX_STORED_SPEC_BYTES = 4_000_000;
const SHOWN_DIFFERENCES = 8;

async function locked(root: string, work: (lock: RunLock) => Promise<RunFolder>): Promise<RunFolder> {
  const lock = await takeLock(root);
  try {
    return await work(lock);
  } catch (error) {
    await releaseLock(lock);
    throw error;
  }
}

async function opened(layout: RunLayout, spec: Spec, lock: RunLock): Promise<RunFolder> {
  await removeUnfinishedWrites(layout.root);
  const rebuiltFrom = (await exists(layout.rebuiltFrom)) ? await rebuiltFromIn(layout.rebuiltFrom) : null;
  return {
    root: layout.root,
    layout,
    spec,
    specHash: specHash(spec),
    state: await runState(layout),
    rebuiltFrom,
    lock,
  };
}

/** Whether no silo and no server has trained here: a run that was refused when it began. */
async function isUntouched(layout: RunLayout): Promise<boolean> {
  const found = [layout.summary, layout.globals, join(layout.root, 'silos'), join(layout.root, 'decoders')].map(exists);
  return (await Promise.all(found)).every((isThere) => !isThere);
}

/** With nothing from an earlier attempt that was refused. */
async function begin(layout: RunLayout, spec: Spec): Promise<void> {
  for (const file of [layout.journal, layout.events, layout.partition]) await rm(file, { force: true });
  await writeJsonAtomic(layout.spec, spec);
}

async function rebuiltFromIn(path: string): Promise<RebuiltFrom> {
  const parsed = rebuiltFromSchema.safeParse(await readJson(path, { maxBytes: MAX_STORED_SPEC_BYTES }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${path} is damaged. Restore it from a copy, or delete the folder and forget the silo again.`, {
    path,
  });
}

const rebuiltFromSchema = z.strictObject({ folder: z.string().min(1), silo: z.string().min(1) });

/** A folder that is not ours must not be filled with our files. */
async function refuseOtherContent(root: string): Promise<void> {
  const entries = await entriesOf(root);
  if (entries.includes('spec.json')) return;
  const strangers = entries.filter((name) => !isLockFile(name) && !isUnfinishedWrite(name) && name !== REBUILT_FROM);
  if (strangers.length === 0) return;
  throw new SpecError(
    `${root} is not empty and no run folder: it holds ${strangers.slice(0, 3).join(', ')}${strangers.length > 3 ? ', ...' : ''}. ` +
      `Choose another --out.`,
    { path: root },
  );
}

async function entriesOf(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    if (codeOf(cause) === 'ENOTDIR')
      throw new SpecError(`${root} is a file; --out takes a folder.`, { path: root }, { cause });
    throw new StateError(`Could not look into ${root}: ${codeOf(cause)}.`, { path: root }, { cause });
  }
}

async function make(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true });
  } catch (cause) {
    throw new StateError(
      `Could not make the folder ${root}: ${codeOf(cause)}. Choose another --out.`,
      { path: root },
      { cause },
    );
  }
}

async function specOf(layout: RunLayout): Promise<Spec> {
  try {
    return parseSpec(await readJson(layout.spec, { maxBytes: MAX_STORED_SPEC_BYTES }), { source: layout.spec });
  } catch (cause) {
    if (!(cause instanceof AlignError)) throw cause;
    const message = `${layout.spec} cannot be used: it is damaged or from another version of align-fl. ${cause.message}`;
    throw new StateError(message, { path: layout.spec }, { cause });
  }
}

/** Null where the folder is of this spec. */
function otherSpec(root: string, asked: Spec, stored: Spec): SpecError | null {
  const differences = differencesBetween(identityOf(asked), identityOf(stored));
  if (differences.length === 0) return null;
  const lines = differences
    .slice(0, SHOWN_DIFFERENCES)
    .map(
      ({ path, ours, theirs }) => `  ${formatPath(path)}: asked for ${shown(ours)}, the folder has ${shown(theirs)}`,
    );
  if (differences.length > SHOWN_DIFFERENCES) lines.push(`  and ${differences.length - SHOWN_DIFFERENCES} more`);
  return new SpecError(
    `${root} belongs to another experiment:\n${lines.join('\n')}\n` +
      `Choose another --out, or take --resume ${root} to go on with the folder's own spec.`,
    { path: root, paths: differences.map(({ path }) => formatPath(path)) },
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(cause))) return false;
    throw new StateError(`Could not look at ${path}: ${codeOf(cause)}.`, { path }, { cause });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
