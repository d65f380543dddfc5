// The entry file of a cell's process: an ordinary run in an ordinary run folder, told to the sweep that started it.
//
// It stops cleanly when it is told to, on Ctrl-C, and when the sweep is gone, however that ended: nothing is left behind
// that computes for nobody.

import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { AbortedError, StateError } from '../errors.ts';
import { plainError } from '../federation/thread-messages.ts';
import { openRunFolder, type RunFolder } from './run-folder.ts';
import { runExperiment } from './run.ts';
import type { RunEvent } from './run-events.ts';
import type { CellEnd, FromCell, ToCell } from './sweep-messages.ts';

if (!process.send) throw new Error('sweep-worker.ts is the entry of a process of a sweep; use runSweep.');

const abort = new AbortController();
const stop = () => abort.abort();
process.on('disconnect', stop);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop); // a second one ends the process
process.on('message', (message: ToCell) => {
  if (message.kind === 'stop') stop();
  else void play(message);
});

// --- internal ---

async function play({ folder: path, spec, dataDir }: Extract<ToCell, { kind: 'play' }>): Promise<void> {
  const end = await endOf(async () => {
    const folder = await whenFree(() => openRunFolder({ path, spec }));
    const data = { dataDir: dataDir ?? undefined, env: process.env };
    await runExperiment({ folder, data, emit: tell, signal: abort.signal });
  });
  say({ kind: 'ended', ...end }, () => process.connected && process.disconnect());
}

async function endOf(work: () => Promise<void>): Promise<CellEnd> {
  try {
    await work();
    return { state: 'complete' };
  } catch (error) {
    return error instanceof AbortedError ? { state: 'stopped' } : { state: 'failed', error: plainError(error) };
  }
}

/** Where a sweep was killed, its cells take a moment to notice and to let go of their folders. */
async function whenFree(open: () => Promise<RunFolder>): Promise<RunFolder> {
  for (let wait = 0; ; wait++) {
    try {
      return await open();
    } catch (error) {
      const isHeld = error instanceof StateError && typeof error.facts['pid'] === 'number';
      if (!isHeld || wait === WAITS) throw error;
      if (abort.signal.aborted) throw new AbortedError('Stopped before it began.', {}, { cause: error });
      await pause(WAIT_MS);
    }
  }
}

/** A minute: longer than a step, an evaluation and a checkpoint. */
const WAITS = 120;
const WAIT_MS = 500;

const SERVER_REPORTS = 50;

function tell(event: RunEvent): void {
  if (event.kind === 'server-progress') {
    const every = Math.ceil(event.steps / SERVER_REPORTS);
    if (event.step % every !== 0 && event.step !== event.steps) return;
  }
  if (event.kind === 'silo-epoch' || event.kind === 'server-epoch') return; // in the run's own events
  say({ kind: 'event', event });
}

function say(message: FromCell, then: () => void = () => {}): void {
  if (!process.connected) return;
  process.send?.(message, undefined, undefined, (error) => {
    if (error) stop(); // the sweep is gone
    then();
  });
}
