// How much memory another process holds at this moment, asked of the operating system.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** Bytes that a process holds now, and held at most where the system keeps count. */
export interface ResidentMemory {
  readonly nowBytes: number;
  readonly peakBytes: number;
}

/** Memory of process `pid`: on Linux from /proc, elsewhere from `ps`. Null where it is gone, or nobody can tell. */
export async function residentMemory(pid: number): Promise<ResidentMemory | null> {
  try {
    if (process.platform === 'linux') {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      const nowBytes = kibibytes(/^VmRSS:\s*(\d+) kB/m.exec(status));
      return nowBytes === null
        ? null
        : { nowBytes, peakBytes: kibibytes(/^VmHWM:\s*(\d+) kB/m.exec(status)) ?? nowBytes };
    }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)], { timeout: 2000 });
    const nowBytes = kibibytes(/^\s*(\d+)/.exec(stdout));
    return nowBytes === null ? null : { nowBytes, peakBytes: nowBytes };
  } catch {
    return null;
  }
}

// --- internal ---

function kibibytes(match: RegExpExecArray | null): number | null {
  return match?.[1] === undefined ? null : Number(match[1]) * 1024;
}
