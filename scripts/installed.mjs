// Whether node_modules is what package-lock.json asks for, judged by content and never by dates alone.
// A stamp inside node_modules remembers for which lock file, Node and platform it was made.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** This machine as far as installed packages depend on it. */
export const PLATFORM = `${process.platform}-${process.arch}-node${process.versions.node.split('.')[0]}`;

/**
 * Null where node_modules is ready, else in a few words why it is not. An install made by hand with npm is adopted.
 * @param {string} root
 * @param {string} [platform]
 * @returns {string | null}
 */
export function whyNotInstalled(root, platform = PLATFORM) {
  if (!existsSync(join(root, 'node_modules'))) return 'node_modules is missing';
  const now = currentStamp(root, platform);
  if (now === null) return 'node_modules is incomplete';
  const before = readJson(stampPath(root));
  if (before === null && !matchesLock(root)) return 'node_modules does not match package-lock.json';
  if (before !== null && before.platform !== now.platform) {
    return `node_modules was made for ${before.platform}, this is ${now.platform}`;
  }
  if (before !== null && before.lock === now.lock && before.npm === now.npm) return null;
  if (!matchesLock(root)) return 'node_modules does not match package-lock.json';
  markInstalled(root, platform);
  return null;
}

/**
 * Writes the stamp: call it after `npm ci` succeeded.
 * @param {string} root
 * @param {string} [platform]
 */
export function markInstalled(root, platform = PLATFORM) {
  writeFileSync(stampPath(root), `${JSON.stringify(currentStamp(root, platform))}\n`);
}

/**
 * Removes stamp and npm's own record, so that an install that dies half-way never looks complete.
 * @param {string} root
 */
export function forgetInstalled(root) {
  for (const file of [stampPath(root), npmRecordPath(root)]) rmSync(file, { force: true });
}

// --- internal ---

/** @param {string} root */
const stampPath = (root) => join(root, 'node_modules', '.align-fl-stamp.json');
/** @param {string} root */
const npmRecordPath = (root) => join(root, 'node_modules', '.package-lock.json');

/**
 * @param {string} root
 * @param {string} platform
 */
function currentStamp(root, platform) {
  const record = statSync(npmRecordPath(root), { throwIfNoEntry: false });
  if (record === undefined) return null;
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return { platform, lock, npm: `${record.size} bytes, ${record.mtimeMs}` };
}

/**
 * True where every package of the lock file is in npm's record of what it installed, in the same version. An optional one
 * may be absent where it is for another system, or comes along with one that is.
 * @param {string} root
 */
function matchesLock(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages ?? {};
  const present = readJson(npmRecordPath(root))?.packages;
  if (present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    if (found !== undefined) return found.version === entry.version && found.integrity === entry.integrity;
    return entry.optional === true && !isMeantForThisSystem(entry);
  });
}

/** @param {{ os?: string[], cpu?: string[], libc?: string[] }} entry */
function isMeantForThisSystem({ os, cpu, libc }) {
  if ((os === undefined && cpu === undefined) || libc !== undefined) return false; // cannot tell
  return (os ?? [process.platform]).includes(process.platform) && (cpu ?? [process.arch]).includes(process.arch);
}

/**
 * The parsed file, or null where it is missing or damaged.
 * @param {string} path
 * @returns {any}
 */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
