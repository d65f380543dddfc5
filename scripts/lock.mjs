// A lock between processes, as a folder: only one can create it. A lock whose owner died is taken over.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const HEARTBEAT_MS = 2_000;
const SILENCE_MS = 30_000;
const SILENCE_WHILE_ALIVE_MS = 10 * 60_000;
const POLL_MS = 100;
const LIMIT_MS = 20 * 60_000;

/**
 * Runs `work` while holding the lock `folder`; waits for another holder first, calling `onWait` once. `work` can add
 * processes that go on if this one is killed: they hold the lock, too. It is taken over when all its processes on this
 * machine are gone (or silent for ten minutes, as a number may be given to another process), or when an owner elsewhere,
 * which touches the folder every two seconds, was silent for half a minute. Throws after twenty minutes of waiting.
 * @template T
 * @param {string} folder
 * @param {(addHolder: (pid: number) => void) => Promise<T>} work
 * @param {{ onWait?: () => void, limitMs?: number }} [options]
 * @returns {Promise<T>}
 */
export async function withLock(folder, work, { onWait, limitMs = LIMIT_MS } = {}) {
  const giveUpAt = Date.now() + limitMs;
  for (let told = false; !take(folder); ) {
    if (isStale(folder) && breakLock(folder)) continue;
    if (Date.now() > giveUpAt) {
      throw new Error(`Another process still holds ${folder}. If none is running, delete that folder and try again.`);
    }
    if (!told) onWait?.();
    told = true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const heartbeat = setInterval(() => touch(folder), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work((pid) => writeHolders(folder, [process.pid, pid]));
  } finally {
    clearInterval(heartbeat);
    rmSync(folder, { recursive: true, force: true });
  }
}

// --- internal ---

/** @param {string} folder */
function take(folder) {
  try {
    mkdirSync(folder);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  writeHolders(folder, [process.pid]);
  return true;
}

/**
 * @param {string} folder
 * @param {readonly number[]} pids
 */
function writeHolders(folder, pids) {
  writeFileSync(join(folder, 'holders.json'), JSON.stringify({ host: hostname(), pids }));
}

/** @param {string} folder */
function isStale(folder) {
  try {
    const silentMs = Date.now() - statSync(folder).mtimeMs;
    const file = join(folder, 'holders.json');
    if (!existsSync(file)) return silentMs > SILENCE_MS; // taken this very moment, or its owner died just then
    const { host, pids } = JSON.parse(readFileSync(file, 'utf8'));
    if (host !== hostname()) return silentMs > SILENCE_MS;
    return silentMs > SILENCE_WHILE_ALIVE_MS || !pids.some(isAlive);
  } catch {
    return false; // released, or half written: look again
  }
}

/**
 * Moves the dead lock away under a name of our own: of several who try, one succeeds. One who comes too late may have
 * moved the lock that the fastest took since then: that one goes back.
 * @param {string} folder
 */
function breakLock(folder) {
  const aside = `${folder}.dead-${process.pid}`;
  try {
    renameSync(folder, aside);
    if (!isStale(aside)) {
      renameSync(aside, folder);
      return false;
    }
  } catch {
    return false; // another process was faster
  }
  rmSync(aside, { recursive: true, force: true });
  return true;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** @param {string} folder */
function touch(folder) {
  const now = new Date();
  try {
    utimesSync(folder, now, now);
  } catch {
    // The folder was removed by hand: nothing to keep alive.
  }
}

/** @param {unknown} error */
function errorCode(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
