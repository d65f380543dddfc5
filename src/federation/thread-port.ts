// Silos in threads of their own: several train at once, each on one core.

import { Worker } from 'node:worker_threads';
import type { ImageSet } from '../data/image-set.ts';
import { AbortedError, LostPeerError } from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import type { Upload } from '../exchange/upload.ts';
import type { SiloConfig } from '../silo/silo.ts';
import type { PortHooks, SiloPort } from './silo-port.ts';
import { type FromThread, revivedError, type ThreadSetup, type ToThread } from './thread-messages.ts';

/** A pool of threads. Any thread can play any silo: a silo's state is on its disk, not in a thread. */
export interface SiloThreads {
  port(config: SiloConfig): SiloPort;
  /** Ends the threads; tasks under way fail with LostPeerError. */
  close(): Promise<void>;
}

/** Opens a pool of at most `count` threads, each started when it is first needed. */
export function openSiloThreads(setup: ThreadSetup, count: number): SiloThreads {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const waiting: ((worker: Worker) => void)[] = [];

  const start = (): Worker => {
    const worker = new Worker(ENTRY, { workerData: setup });
    all.add(worker);
    worker.on('exit', () => all.delete(worker));
    return worker;
  };
  const take = async (): Promise<Worker> => {
    const free = idle.pop();
    if (free) return free;
    if (all.size < count) return start();
    return new Promise((resolve) => waiting.push(resolve));
  };
  const release = (worker: Worker): void => {
    const next = waiting.shift();
    if (next) next(all.has(worker) ? worker : start());
    else if (all.has(worker)) idle.push(worker);
  };

  return {
    port(config) {
      const shared = { ...config, images: inSharedMemory(config.images) };
      return {
        name: config.name,
        async play(task, hooks = {}) {
          const worker = await take();
          try {
            return await playOn(worker, shared, task, hooks);
          } finally {
            release(worker);
          }
        },
      };
    },
    async close() {
      await Promise.all([...all].map((worker) => ended(worker)));
    },
  };
}

// --- internal ---

/** The compiled entry; when the sources run directly (in tests) it is that of the last build. */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/federation/silo-thread.js' : './silo-thread.js',
  import.meta.url,
);

async function playOn(worker: Worker, config: SiloConfig, task: Task, hooks: PortHooks): Promise<Upload> {
  if (hooks.signal?.aborted) throw new AbortedError(`${config.name}: stopped before round ${task.round}.`);
  const post = (message: ToThread) => worker.postMessage(message);
  let stopListening = () => {};
  try {
    return await new Promise<Upload>((resolve, reject) => {
      const onMessage = (message: FromThread) => {
        if (message.kind === 'progress') hooks.onProgress?.(message.progress);
        if (message.kind === 'epoch') hooks.onEpoch?.(message.epoch, message.terms);
        if (message.kind === 'done') resolve(message.upload);
        if (message.kind === 'failed') reject(revivedError(message.error));
      };
      const onLost = (cause: unknown) => reject(lostThread(config, task, cause));
      const onAbort = () => post({ kind: 'abort' });
      worker.on('message', onMessage).on('error', onLost).on('exit', onLost);
      hooks.signal?.addEventListener('abort', onAbort);
      stopListening = () => {
        worker.off('message', onMessage).off('error', onLost).off('exit', onLost);
        hooks.signal?.removeEventListener('abort', onAbort);
      };
      post({ kind: 'play', config, task });
    });
  } finally {
    stopListening();
  }
}

function lostThread(config: SiloConfig, task: Task, cause: unknown): LostPeerError {
  return new LostPeerError(
    `The thread of silo ${config.name} ended during round ${task.round}. What it had saved is on disk; ` +
      'run the same command again to go on.',
    { silo: config.name, round: task.round },
    { cause },
  );
}

async function ended(worker: Worker): Promise<void> {
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.postMessage({ kind: 'close' } satisfies ToThread);
  const timer = setTimeout(() => void worker.terminate(), CLOSE_WITHIN_MS);
  await gone;
  clearTimeout(timer);
}

const CLOSE_WITHIN_MS = 2000;

/** A copy that threads share instead of copying it at each task. */
function inSharedMemory(set: ImageSet): ImageSet {
  const shared = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
    copy.set(bytes);
    return copy;
  };
  return { ...set, images: shared(set.images), labels: shared(set.labels) };
}
