// A cell of a sweep in a process of its own.

import { fork } from 'node:child_process';
import { AbortedError, LostPeerError } from '../errors.ts';
import { revivedError } from '../federation/thread-messages.ts';
import type { RunEvent } from './run-events.ts';
import type { Spec } from './spec.ts';
import type { FromCell, ToCell } from './sweep-messages.ts';

export interface CellJob {
  /** Run folder. */
  readonly folder: string;
  readonly spec: Spec;
  readonly dataDir?: string | undefined;
}

export interface CellHooks {
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/**
 * Plays a cell to its end. Throws what the run throws, AbortedError when the signal fired (after the step under way), and
 * LostPeerError where the process ended without a word.
 */
export type PlayCell = (job: CellJob, hooks: CellHooks) => Promise<void>;

/** Plays a cell in a new process, which ends with it. */
export const playInProcess: PlayCell = async ({ folder, spec, dataDir }, { signal, onEvent }) => {
  if (signal.aborted) throw new AbortedError(`Stopped before ${folder} began.`);
  // The same flag as the command line's (docs/decisions/0006).
  const child = fork(ENTRY, [], { execArgv: ['--no-concurrent-marking'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const say = (message: ToCell) => child.connected && child.send(message, () => {}); // it may just have ended
  const onAbort = () => say({ kind: 'stop' });
  signal.addEventListener('abort', onAbort);
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-KEPT_LETTERS);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      let end: Extract<FromCell, { kind: 'ended' }> | null = null;
      child.on('message', (message: FromCell) => {
        if (message.kind === 'event') onEvent(message.event);
        else end = message;
      });
      child.on('error', (cause) => reject(lost(folder, cause.message, cause)));
      // Its folder is free only when it is gone.
      child.on('close', (code, by) => {
        if (end?.state === 'complete') return resolve();
        if (end?.state === 'failed') return reject(revivedError(end.error));
        if (end?.state === 'stopped' || signal.aborted) return reject(new AbortedError(`${folder} was stopped.`));
        const why = by === null ? `with exit code ${code}` : `by ${by}`;
        reject(lost(folder, `ended ${why} without a word. ${words.trim()}`.trim()));
      });
      say({ kind: 'play', folder, spec, dataDir: dataDir ?? null });
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

// --- internal ---

/** The compiled entry; when the sources run directly (in tests) it is that of the last build. */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/experiments/sweep-worker.js' : './sweep-worker.js',
  import.meta.url,
);

/** Of what a process says before it dies. */
const KEPT_LETTERS = 2000;

function lost(folder: string, why: string, cause?: Error): LostPeerError {
  return new LostPeerError(
    `The process of ${folder} ${why} What it had saved is on disk; the same command goes on.`,
    { folder },
    { cause },
  );
}
