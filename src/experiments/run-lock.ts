// One process at a time in a run folder. How that is kept is told in storage/folder-lock.ts.

import {
  type FolderLock,
  isFolderLockFile,
  type LockKind,
  releaseFolderLock,
  takeFolderLock,
} from '../storage/folder-lock.ts';

/** A run folder that is ours; give it back with `releaseLock`. */
export type RunLock = FolderLock;

/** `takeFolderLock` of a run folder, with words that fit there. Throws StateError where somebody else works in it. */
export async function takeLock(folder: string): Promise<RunLock> {
  return takeFolderLock(folder, RUN_LOCK);
}

/** Lets others take the folder. */
export async function releaseLock(lock: RunLock): Promise<void> {
  await releaseFolderLock(lock);
}

/** Whether a file of this name in a run folder is somebody's claim. */
export function isLockFile(name: string): boolean {
  return isFolderLockFile(name, RUN_LOCK.name);
}

// --- internal ---

const RUN_LOCK: LockKind = {
  name: 'lock',
  held: 'Another run works in this folder',
  advice: 'stop it, or choose another --out',
};
