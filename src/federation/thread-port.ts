// Silos in threads of their own: several train at once, each on one core.

import { setMaxListeners } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ImageSet } from '../data/image-set.ts';
import { AbortedError, LostPeerError } from '../errors.ts';
import type { Task } from '../exchange/task.ts';
import { receivedUpload, type Upload } from '../exchange/upload.ts';
import type { SiloConfig } from '../silo/silo-config.ts';
import type { SiloDiary } from './silo-diary.ts';
import type { SiloPort } from './silo-port.ts';
import { type FromThread, revivedError, type ThreadSetup, type ToThread } from './thread-messages.ts';

/** A pool of threads. Any thread can play any silo: a silo's state is on its disk, not in a thread. */
export interface SiloThreads {
  port(config: SiloConfig, diary?: SiloDiary): SiloPort;
  /** Ends the threads: tasks under way stop with AbortedError, those still waiting for a thread get LostPeerError. */
  close(): Promise<void>;
}

/** Opens a pool of at most `count` threads, each started when it is first needed. */
export function openSiloThreads(setup: ThreadSetup, count: number): SiloThreads {
  const idle = new Set<Worker>();
  const all = new Set<Worker>();
  const waiting: Waiting[] = [];
  const sharedImages = new WeakMap<ImageSet, ImageSet>(); // one copy, however many strategies use it
  let closed = false;

  const start = (): Worker => {
    const worker = new Worker(ENTRY, { workerData: setup });
    all.add(worker);
    const forget = () => {
      idle.delete(worker);
      all.delete(worker);
    };
    worker.on('error', forget).on('exit', forget); // after an error the exit is still to come, but not a message
    return worker;
  };
  const take = async (): Promise<Worker> => {
    if (closed) throw new LostPeerError('The threads of the silos are closed.');
    const [free] = idle;
    if (free) {
      idle.delete(free);
      return free;
    }
    if (all.size < count) return start();
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  };
  const release = (worker: Worker): void => {
    const next = waiting.shift();
    if (next) next.resolve(all.has(worker) ? worker : start());
    else if (all.has(worker)) idle.add(worker);
  };

  return {
    port(config, diary = {}) {
      const images = sharedImages.get(config.images) ?? inSharedMemory(config.images);
      sharedImages.set(config.images, images);
      const shared = { ...config, images };
      return {
        name: config.name,
        async play(task, hooks = {}) {
          const worker = await take();
          try {
            return receivedUpload(await playOn(worker, shared, task, { ...hooks, diary }));
          } finally {
            release(worker);
          }
        },
      };
    },
    async close() {
      closed = true;
      for (const { reject } of waiting.splice(0)) reject(new LostPeerError('The threads of the silos were closed.'));
      await Promise.all([...all].map((worker) => ended(worker)));
    },
  };
}

// --- internal ---

/** A task that needs a thread when none is free. */
interface Waiting {
  resolve(worker: Worker): void;
  reject(error: Error): void;
}

/** The compiled entry; when the sources run directly (in tests) it is that of the last build. */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/federation/silo-thread.js' : './silo-thread.js',
  import.meta.url,
);

interface Watching {
  readonly signal?: AbortSignal | undefined;
  readonly diary: SiloDiary;
}

async function playOn(worker: Worker, config: SiloConfig, task: Task, hooks: Watching): Promise<Upload> {
  if (hooks.signal?.aborted) throw new AbortedError(`${config.name}: stopped before round ${task.round}.`);
  if (hooks.signal) setMaxListeners(0, hooks.signal); // one for each silo at work, however many
  const post = (message: ToThread) => worker.postMessage(message);
  let stopListening = () => {};
  try {
    return await new Promise<Upload>((resolve, reject) => {
      const { onSpent, onProgress, onEpoch } = hooks.diary;
      const onMessage = (message: FromThread) => {
        try {
          if (message.kind === 'spent') onSpent?.(task.round, message.spent);
          if (message.kind === 'progress') onProgress?.(task.round, message.progress);
          if (message.kind === 'epoch') onEpoch?.(task.round, message.epoch, message.terms);
        } catch (error) {
          reject(error as Error); // a diary that cannot be written, on a full disk for instance
        }
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
  const why = cause instanceof Error ? `: ${cause.message}` : ` with exit code ${String(cause)}.`;
  return new LostPeerError(
    `The thread of silo ${config.name} ended during round ${task.round}${why} What it had saved is on disk; ` +
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

/** A last resort, for native code that is terminated in the middle may take the whole process with it. */
const CLOSE_WITHIN_MS = 30_000;

/** A copy that threads share instead of copying it at each task. */
function inSharedMemory(set: ImageSet): ImageSet {
  const shared = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
    copy.set(bytes);
    return copy;
  };
  return { ...set, images: shared(set.images), labels: shared(set.labels) };
}
