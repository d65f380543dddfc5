// Whether a file is there. "Cannot be looked at" is no "no": what must not be begun anew is not taken for absent.

import { lstatSync } from 'node:fs';
import { StateError } from '../errors.ts';

/** Whether anything is at `path`, be it a link to nowhere. Throws StateError where the system does not tell. */
export function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    if (ABSENT.has(reason)) return false;
    const message = `Could not look at ${path}: ${reason}. Check the rights of its folders.`;
    throw new StateError(message, { path, reason }, { cause });
  }
}

// --- internal ---

const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);
