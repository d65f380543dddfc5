// One process at a time in a run folder. Each puts down a claim of its own, then looks for others; since both do it in
// this order, two can never both find themselves alone. Claims name their process, so that those of dead ones can be removed
// - by their unique names, hence never one of the living by mistake.

import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { AlignError, StateError } from '../errors.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';

/** A folder that is ours; give it back with `releaseLock`. */
export interface RunLock {
  /** File of the claim. */
  readonly path: string;
}

/**
 * Claims `folder` for this process. Claims of processes that are gone are removed. Throws StateError where another process
 * (or this one) holds it, or may hold it on another machine. Of several that ask at the same time one gets it, or none.
 */
export async function takeLock(folder: string): Promise<RunLock> {
  const token = randomUUID();
  const path = join(folder, `lock-${token}.json`);
  const claim: Claim = { pid: process.pid, processStart: await processStart(process.pid), host: hostname() };
  try {
    await writeJsonAtomic(path, claim);
    let rivals = await livingRivals(folder, path);
    // Rivals that ask right now withdraw before the smaller name; a holder, who asks no more, stays.
    for (let look = 0; rivals.length > 0 && rivals.every((rival) => path < rival.path) && look < LOOKS; look++) {
      rivals = await livingRivals(folder, path);
    }
    const [rival] = rivals;
    if (rival) throw heldError(rival);
    return { path };
  } catch (error) {
    await rm(path, { force: true });
    const [rival] = error instanceof AlignError && 'pid' in error.facts ? [] : await livingRivals(folder, path);
    throw rival ? heldError(rival) : error; // a holder may tidy up under our hands: that is why writing failed
  }
}

/** Lets others take the folder. */
export async function releaseLock({ path }: RunLock): Promise<void> {
  await rm(path, { force: true });
}

/** Whether a file of this name in a run folder is somebody's claim. */
export function isLockFile(name: string): boolean {
  return LOCK_FILE.test(name);
}

// --- internal ---

const LOCK_FILE = /^lock-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/;
const LOOKS = 200;
const MAX_CLAIM_BYTES = 4096;

const claimSchema = z.object({
  pid: z.int().min(1),
  processStart: z.string().max(100).nullable(),
  host: z.string().max(300),
});
type Claim = z.infer<typeof claimSchema>;

interface Rival {
  readonly path: string;
  /** Null where the file cannot be read. */
  readonly claim: Claim | null;
}

/** Everybody else's claims, without those of the dead, which are removed. */
async function livingRivals(folder: string, own: string): Promise<Rival[]> {
  const living: Rival[] = [];
  for (const name of (await readdir(folder)).filter(isLockFile)) {
    const path = join(folder, name);
    if (path === own) continue;
    const claim = await readClaim(path);
    if (claim === 'gone') continue;
    if (claim === null || (await isAlive(claim))) living.push({ path, claim });
    else await rm(path, { force: true });
  }
  return living;
}

async function readClaim(path: string): Promise<Claim | null | 'gone'> {
  try {
    return claimSchema.parse(await readJson(path, { maxBytes: MAX_CLAIM_BYTES }));
  } catch (error) {
    return error instanceof StateError && error.facts['reason'] === 'ENOENT' ? 'gone' : null;
  }
}

async function isAlive({ pid, processStart: start, host }: Claim): Promise<boolean> {
  if (host !== hostname()) return true; // cannot be asked from here
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

function heldError({ path, claim }: Rival): StateError {
  if (claim === null) {
    const message = `${path} cannot be read as a lock. If no other run works in this folder, delete the file.`;
    return new StateError(message, { path, pid: null });
  }
  const { pid, host } = claim;
  const who = pid === process.pid && host === hostname() ? 'this very process' : `process ${pid} on ${host}`;
  return new StateError(
    `Another run works in this folder: ${who} holds ${path}. Wait for it, stop it, or choose another --out. ` +
      `If you are sure that it is gone, delete that file.`,
    { path, pid, host },
  );
}
