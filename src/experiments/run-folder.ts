// A run's folder: made for one spec, locked while in use, and found again by the same command after a stop.

import { mkdir, readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AlignError, SpecError, StateError } from '../errors.ts';
import { isUnfinishedWrite, readJson, removeUnfinishedWrites, writeJsonAtomic } from '../storage/atomic-file.ts';
import { withFixedLedgers } from './ledger-places.ts';
import { parseSpec } from './parse-spec.ts';
import { type RunLayout, runLayout } from './run-layout.ts';
import { isLockFile, type RunLock, releaseLock, takeLock } from './run-lock.ts';
import type { Spec } from './spec.ts';
import { differencesBetween, identityOf, specHash } from './spec-identity.ts';
import { formatPath, shown } from './spec-problems.ts';

/** A run folder in use by this process. Give it back with `closeRunFolder`. */
export interface RunFolder {
  /** Absolute path. */
  readonly root: string;
  readonly layout: RunLayout;
  readonly spec: Spec;
  readonly specHash: string;
  /** `new`: nothing was there; `begun`: a run that can go on; `complete`: its summary is there, nothing is left to do. */
  readonly state: 'new' | 'begun' | 'complete';
  readonly lock: RunLock;
}

/**
 * Makes `path` the run folder of `spec`, or opens the one that it already is. Unfinished files of a killed run are removed.
 * Throws SpecError where the folder belongs to another spec (naming the differences) or holds something else, StateError
 * where another process works in it or its `spec.json` is damaged.
 */
export async function openRunFolder(options: { readonly path: string; readonly spec: Spec }): Promise<RunFolder> {
  const root = resolve(options.path);
  const spec = withFixedLedgers(options.spec);
  await refuseOtherContent(root);
  await make(root);
  return locked(root, async (lock) => {
    const layout = runLayout(root);
    const isNew = !(await exists(layout.spec));
    if (isNew) await writeJsonAtomic(layout.spec, spec);
    else refuseOtherSpec(root, spec, await specOf(layout));
    return opened(layout, spec, lock, isNew);
  });
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
  return locked(root, async (lock) => opened(layout, await specOf(layout), lock, false));
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

async function opened(layout: RunLayout, spec: Spec, lock: RunLock, isNew: boolean): Promise<RunFolder> {
  await removeUnfinishedWrites(layout.root);
  const state = (await exists(layout.summary)) ? 'complete' : isNew ? 'new' : 'begun';
  return { root: layout.root, layout, spec, specHash: specHash(spec), state, lock };
}

/** A folder that is not ours must not be filled with our files. */
async function refuseOtherContent(root: string): Promise<void> {
  const entries = await entriesOf(root);
  if (entries.includes('spec.json')) return;
  const strangers = entries.filter((name) => !isLockFile(name) && !isUnfinishedWrite(name));
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

function refuseOtherSpec(root: string, asked: Spec, stored: Spec): void {
  const differences = differencesBetween(identityOf(asked), identityOf(stored));
  if (differences.length === 0) return;
  const lines = differences
    .slice(0, SHOWN_DIFFERENCES)
    .map(
      ({ path, ours, theirs }) => `  ${formatPath(path)}: asked for ${shown(ours)}, the folder has ${shown(theirs)}`,
    );
  if (differences.length > SHOWN_DIFFERENCES) lines.push(`  and ${differences.length - SHOWN_DIFFERENCES} more`);
  throw new SpecError(
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
    if (codeOf(cause) === 'ENOENT') return false;
    throw new StateError(`Could not look at ${path}: ${codeOf(cause)}.`, { path }, { cause });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
