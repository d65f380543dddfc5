// The entry file of a silo's thread: plays one task after another.

import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { openEngine } from '../engine/engine.ts';
import { createSiloRunner } from '../silo/silo.ts';
import { type FromThread, plainError, type ThreadSetup, type ToThread } from './thread-messages.ts';

const port = parentPort;
if (!port) throw new Error('silo-thread.ts is the entry of a worker thread; use openSiloThreads.');

const say = (message: FromThread) => port.postMessage(message);
const engine = await openEngine((workerData as ThreadSetup).engine);
const runner = createSiloRunner(engine);
const SAY_EVERY_MS = 200;
let current: AbortController | null = null;
let playing: Promise<void> = Promise.resolve();

port.on('message', (message: ToThread) => {
  if (message.kind === 'abort') current?.abort();
  if (message.kind === 'play') playing = play(message);
  if (message.kind === 'close') void close();
});

// --- internal ---

/** Ends the thread between two steps: sessions must not be released under a run. */
async function close(): Promise<void> {
  current?.abort();
  await playing;
  await engine.close().finally(() => port?.close());
}

async function play({ config, task }: Extract<ToThread, { kind: 'play' }>): Promise<void> {
  current = new AbortController();
  let saidAt = 0;
  try {
    const upload = await runner.play(config, task, {
      signal: current.signal,
      onStep: (progress) => {
        const now = performance.now();
        if (now - saidAt < SAY_EVERY_MS && progress.step < progress.steps) return;
        saidAt = now;
        say({ kind: 'progress', progress });
      },
      onSpent: (spent) => say({ kind: 'spent', spent }),
      onEpoch: (epoch, terms) => say({ kind: 'epoch', epoch, terms }),
    });
    say({ kind: 'done', upload });
  } catch (error) {
    say({ kind: 'failed', error: plainError(error) });
  } finally {
    current = null;
  }
}
