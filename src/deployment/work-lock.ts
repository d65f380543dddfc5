// One process at a time works in the folder of a server or a silo, and can be asked from outside to stop.

import { type FolderLock, holderOf, releaseFolderLock, takeFolderLock } from '../storage/folder-lock.ts';

/** Does `work` while holding the folder. Throws StateError where another process works in it. */
export async function whileWorkingIn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock: FolderLock = await takeFolderLock(folder, WORK_LOCK);
  try {
    return await work();
  } finally {
    await releaseFolderLock(lock);
  }
}

/** Asks whoever works in the folder on this machine to stop cleanly, as Ctrl-C does. False where nobody does. */
export async function askToStop(folder: string): Promise<boolean> {
  const pid = await holderOf(folder, WORK_LOCK);
  if (pid === null) return false;
  try {
    process.kill(pid, 'SIGTERM');
    return true;
  } catch {
    return false; // it ended just now
  }
}

/** Whether a process works in the folder on this machine. */
export async function isAtWork(folder: string): Promise<boolean> {
  return (await holderOf(folder, WORK_LOCK)) !== null;
}

// --- internal ---

const WORK_LOCK = {
  name: 'work-lock',
  held: 'Another process works in this folder',
  advice: 'stop it first',
};
