// One process at a time in a folder. Each puts down a claim of its own, then looks for others; since both do it in
// this order, two can never both find themselves alone. Claims name their process, so that those of dead ones can be removed
// - by their unique names, hence never one of the living by mistake.

import { randomInt, randomUUID } from 'node:crypto';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { AlignError, StateError } from '../errors.ts';
import { readJson, writeJsonAtomic } from './atomic-file.ts';

/** A folder that is ours; give it back with `releaseFolderLock`. */
export interface FolderLock {
  /** File of the claim. */
  readonly path: string;
}

/** What one kind of lock is called; locks of different names do not exclude each other. */
export interface LockKind {
  /** Files of claims are called `<name>-<uuid>.json`. */
  readonly name: string;
  /** Begins the error where somebody else holds it: "Another run works in this folder". */
  readonly held: string;
  /** What to do besides waiting, within that error: "stop it, or choose another --out". */
  readonly advice: string;
}

/**
 * Claims `folder` for this process. Claims of processes that are gone are removed. Throws StateError where another process
 * (or this one) holds it, or may hold it on another machine. Of several that ask at the same time one gets it, or none.
 */
export async function takeFolderLock(folder: string, kind: LockKind): Promise<FolderLock> {
  const token = randomUUID();
  const path = join(folder, `${kind.name}-${token}.json`);
  const claim: Claim = {
    pid: process.pid,
    processStart: await processStart(process.pid),
    host: hostname(),
    pidNamespace: await pidNamespace(),
  };
  try {
    await writeJsonAtomic(path, claim);
    let rivals = await livingRivals(folder, kind, path);
    // Rivals that ask right now withdraw before the smaller name; a holder, who asks no more, stays.
    for (let look = 0; rivals.length > 0 && rivals.every((rival) => path < rival.path) && look < LOOKS; look++) {
      rivals = await livingRivals(folder, kind, path);
    }
    const [rival] = rivals;
    if (rival) throw heldError(rival, kind);
    return { path };
  } catch (error) {
    await rm(path, { force: true });
    const [rival] = isHeld(error) ? [] : await livingRivals(folder, kind, path);
    throw rival ? heldError(rival, kind) : error; // a holder may tidy up under our hands: that is why writing failed
  }
}

/**
 * Does `work` while holding the folder, waiting for others until about `waitMs` have passed: for work that takes a moment.
 * Throws what `work` throws, and what `takeFolderLock` throws when the wait is over.
 */
export async function withFolderLock<T>(
  folder: string,
  options: { readonly kind: LockKind; readonly waitMs: number },
  work: () => Promise<T>,
): Promise<T> {
  const { kind, waitMs } = options;
  const lock = await waitForLock(folder, kind, waitMs);
  try {
    return await work();
  } finally {
    await releaseFolderLock(lock);
  }
}

/** Lets others take the folder. */
export async function releaseFolderLock({ path }: FolderLock): Promise<void> {
  await rm(path, { force: true });
}

/** Process number of who holds the folder, on this machine; null where nobody does, or somebody elsewhere. */
export async function holderOf(folder: string, kind: LockKind): Promise<number | null> {
  const [rival] = await livingRivals(folder, kind, '');
  return rival?.claim && rival.claim.host === hostname() ? rival.claim.pid : null;
}

/** Whether a file of this name is somebody's claim on a lock called `lockName`. */
export function isFolderLockFile(name: string, lockName: string): boolean {
  return name.startsWith(`${lockName}-`) && TOKEN.test(name.slice(lockName.length + 1));
}

// --- internal ---

const TOKEN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/;
const LOOKS = 200;
const MAX_CLAIM_BYTES = 4096;
/** Longest pause between two tries. Drawn anew each time, so that waiting processes do not stay in step. */
const MAX_PAUSE_MS = 20;

const claimSchema = z.object({
  pid: z.int().min(1),
  processStart: z.string().max(100).nullable(),
  host: z.string().max(300),
  /** In which the pid counts: containers have their own, also where they share a host's name. Older claims do not tell. */
  pidNamespace: z.string().max(100).nullable().exactOptional(),
});
type Claim = z.infer<typeof claimSchema>;

interface Rival {
  readonly path: string;
  /** Null where the file cannot be read. */
  readonly claim: Claim | null;
}

async function waitForLock(folder: string, kind: LockKind, waitMs: number): Promise<FolderLock> {
  for (let waitedMs = 0; ; ) {
    const over = waitedMs >= waitMs;
    try {
      // Looking is cheap, a claim is synced to disk: claim only what seems free.
      if (over || (await livingRivals(folder, kind, '')).length === 0) return await takeFolderLock(folder, kind);
    } catch (error) {
      if (over || !isHeld(error)) throw error;
    }
    const pauseMs = randomInt(1, MAX_PAUSE_MS + 1);
    await pause(pauseMs);
    waitedMs += pauseMs;
  }
}

/** Everybody else's claims, without those of the dead, which are removed. */
async function livingRivals(folder: string, { name: lockName }: LockKind, own: string): Promise<Rival[]> {
  const living: Rival[] = [];
  for (const name of (await namesIn(folder)).filter((file) => isFolderLockFile(file, lockName))) {
    const path = join(folder, name);
    if (path === own) continue;
    const claim = await readClaim(path);
    if (claim === 'gone') continue;
    if (claim === null || (await isAlive(claim))) living.push({ path, claim });
    else await rm(path, { force: true });
  }
  return living;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []; // the first claim makes it
    throw error;
  }
}

async function readClaim(path: string): Promise<Claim | null | 'gone'> {
  try {
    return claimSchema.parse(await readJson(path, { maxBytes: MAX_CLAIM_BYTES }));
  } catch (error) {
    return error instanceof StateError && error.facts['reason'] === 'ENOENT' ? 'gone' : null;
  }
}

async function isAlive({ pid, processStart: start, host, pidNamespace: where }: Claim): Promise<boolean> {
  if (host !== hostname() || (where !== undefined && where !== (await pidNamespace()))) return true; // cannot be asked
  try {
    process.kill(pid, 0); // sends nothing, only asks
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const now = await processStart(pid);
  if (now === ZOMBIE) return false;
  return start === null || now === null || start === now; // else the number was given to a new process
}

/** In place of a start: a process that has ended and that nobody has collected yet works no more. */
const ZOMBIE = 'zombie';

/** When the process began, in the kernel's words (boot and clock ticks), or null where the system does not tell. */
async function processStart(pid: number): Promise<string | null> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' '); // from field 3: names may contain spaces
    if (fields[0] === 'Z' || fields[0] === 'X') return ZOMBIE;
    return `${boot.trim()}/${fields[19]}`; // field 22, starttime
  } catch {
    return null;
  }
}

/** The kernel's name of the namespace in which this process has its number, or null where there is no such thing. */
async function pidNamespace(): Promise<string | null> {
  try {
    return await readlink('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

/** Whether `error` says that somebody else has the folder. */
function isHeld(error: unknown): boolean {
  return error instanceof AlignError && 'pid' in error.facts;
}

function heldError({ path, claim }: Rival, { held, advice }: LockKind): StateError {
  if (claim === null) {
    const message = `${path} cannot be read as a lock. If no other process works in this folder, delete the file.`;
    return new StateError(message, { path, pid: null });
  }
  const { pid, host } = claim;
  const who = pid === process.pid && host === hostname() ? 'this very process' : `process ${pid} on ${host}`;
  return new StateError(
    `${held}: ${who} holds ${path}. Wait for it, ${advice}. If you are sure that it is gone, delete that file.`,
    { path, pid, host },
  );
}
