// One process for trials, from its start to its end: what it is given, what it may take, and how it is stopped.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { parse } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { residentMemory } from './resident-memory.ts';
import { MAX_ANSWER, parsedAnswer, type TrialAnswer, type TrialRequest, type TrialSetup } from './trial-messages.ts';

/** What a process for trials may take. */
export interface TrialLimits {
  /** Of one trial. */
  readonly timeoutMs: number;
  /** Resident memory of the process, its own 70 MB included. */
  readonly memoryBytes: number;
  /** Trials that one process serves before it is replaced. */
  readonly trialsPerProcess: number;
}

/** The process ended, or had to be ended, instead of answering. */
export interface TrialEnd {
  readonly kind: 'ended';
  readonly why: 'crashed' | 'timeout' | 'memory' | 'aborted';
  /** For messages: how it ended, and the beginning of what it printed. */
  readonly detail: string;
}

export interface TrialChild {
  readonly isAlive: () => boolean;
  /** The first answer, once it is up. */
  readonly ready: (waiting: Waiting) => Promise<TrialAnswer | TrialEnd>;
  /** Hands a decoder in and waits for the answer, or for its end: within the limits, whatever the decoder does. One at a time. */
  readonly ask: (request: TrialRequest, waiting: Waiting) => Promise<TrialAnswer | TrialEnd>;
  /** Memory it holds, and held at most; zero before anyone looked. */
  readonly memory: () => { readonly nowBytes: number; readonly peakBytes: number };
  /** Kills it, and waits until it is gone. */
  readonly end: () => Promise<void>;
}

export interface Waiting {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a process with next to no environment. Nothing of this throws: what fails is told by `ready`. `entry`: the program,
 * another one in tests.
 */
export function startTrialChild(setup: TrialSetup, limits: TrialLimits, entry: URL = ENTRY): TrialChild {
  const child = spawnLimited(entry, limits, setup.engine.threads ?? 1);
  const [input, , errors, answers] = child.stdio as unknown as [Writable, null, Readable, Readable];
  let alive = true;
  let stoppedFor: TrialEnd['why'] | null = null;
  let printed = '';
  let memory = { nowBytes: 0, peakBytes: 0 };
  let settle: ((answer: TrialAnswer | TrialEnd) => void) | null = null;
  let gone = () => {};
  const isGone = new Promise<void>((resolve) => {
    gone = resolve;
  });

  const stop = (why: TrialEnd['why']) => {
    stoppedFor ??= why;
    child.kill('SIGKILL');
  };
  const onGone = (how: string) => {
    if (!alive) return;
    alive = false;
    const why = stoppedFor ?? (RAN_OUT_OF_MEMORY.test(printed) ? 'memory' : 'crashed');
    settle?.({
      kind: 'ended',
      why,
      detail: `${how}${printed === '' ? '' : `: ${printed.slice(0, MAX_PRINTED_SHOWN)}`}`,
    });
    gone();
  };
  const look = async () => {
    const held = alive && child.pid !== undefined ? await residentMemory(child.pid) : null;
    if (held === null) return;
    memory = { nowBytes: held.nowBytes, peakBytes: Math.max(memory.peakBytes, held.peakBytes) };
    if (held.nowBytes > limits.memoryBytes) stop('memory');
  };

  child.once('error', (error) => onGone(error.message));
  child.once('exit', (code, signal) => {
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const late = setTimeout(onGone, LAST_WORDS_MS, how); // pipes may be held open by whom it started
    child.once('close', () => {
      clearTimeout(late);
      onGone(how);
    });
  });
  input.on('error', () => {}); // it is gone: the exit tells
  errors.setEncoding('latin1').on('data', (text: string) => {
    printed = (printed + text).slice(0, MAX_PRINTED);
  });
  readLines(answers, (line) => {
    const answer = line === null ? null : parsedAnswer(line);
    if (answer === null || settle === null) return stop('crashed'); // not what our program says
    settle(answer);
  });
  input.write(`${JSON.stringify(setup)}\n`);

  const next = async (line: string | null, { timeoutMs, signal }: Waiting): Promise<TrialAnswer | TrialEnd> => {
    if (!alive) return { kind: 'ended', why: 'crashed', detail: 'it was gone before' };
    const timer = setTimeout(stop, timeoutMs, 'timeout');
    const watch = setInterval(() => void look(), LOOK_EVERY_MS);
    const onAbort = () => stop('aborted');
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    try {
      return await new Promise((resolve) => {
        settle = resolve;
        if (line !== null) input.write(`${line}\n`);
      });
    } finally {
      settle = null;
      clearTimeout(timer);
      clearInterval(watch);
      signal?.removeEventListener('abort', onAbort);
      await look();
    }
  };

  return {
    isAlive: () => alive && stoppedFor === null,
    ready: (waiting) => next(null, waiting),
    ask: (request, waiting) => next(JSON.stringify(request), waiting),
    memory: () => memory,
    async end() {
      if (alive) stop('aborted');
      await isGone;
    },
  };
}

// --- internal ---

/** The compiled entry; when the sources run directly (in tests) it is that of the last build. */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/server/trial-process.js' : './trial-process.js',
  import.meta.url,
);

const LOOK_EVERY_MS = 20;
const LAST_WORDS_MS = 500;
const MAX_PRINTED = 4000;
const MAX_PRINTED_SHOWN = 300;
const RAN_OUT_OF_MEMORY = /heap out of memory|bad_alloc|bad allocation|Cannot allocate memory|Zone Allocation failed/;

/** Of the parent's environment, what loading the runtime's library may need; nothing of it is secret. */
const KEPT_VARIABLES = ['SystemRoot', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'CUDA_PATH'];

/** Over the resident limit: memory that is asked for and never touched, stacks of threads above all. */
const MAPPED_ABOVE_BYTES = 128 * 2 ** 20;

/** No core dumps, no file longer than nothing, bounded memory and processor time: what the system enforces by itself. */
const WITH_LIMITS = 'ulimit -c 0; ulimit -f 0; ulimit -n 256; ulimit -d "$1"; ulimit -t "$2"; shift 2; exec "$@"';

function spawnLimited(
  entry: URL,
  { timeoutMs, memoryBytes, trialsPerProcess }: TrialLimits,
  threads: number,
): ChildProcess {
  const heapMegabytes = Math.max(64, Math.floor(memoryBytes / 2 ** 21)); // half
  const program = [process.execPath, `--max-old-space-size=${heapMegabytes}`, fileURLToPath(entry)] as const;
  // The clock stops a trial; the processor's stops one whose server was killed meanwhile.
  const processorSeconds = Math.ceil((timeoutMs / 1000) * trialsPerProcess * (threads + 1)) + 60;
  const kibibytes = Math.ceil((memoryBytes + MAPPED_ABOVE_BYTES) / 1024);
  const [command, ...args] = existsSync(SHELL)
    ? [SHELL, '-c', WITH_LIMITS, 'trial', String(kibibytes), String(processorSeconds), ...program]
    : program;
  return spawn(command as string, args, {
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    env: Object.fromEntries(KEPT_VARIABLES.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
    cwd: parse(process.execPath).root,
    windowsHide: true,
  });
}

const SHELL = '/bin/sh';

/** Calls `onLine` with every line, or with null, once, where one is too long. */
function readLines(stream: Readable, onLine: (line: string | null) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let broken = false;
  stream.on('error', () => {}); // its exit tells
  stream.on('data', (chunk: Buffer) => {
    if (broken) return;
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) onLine(line);
    if (rest.length <= MAX_ANSWER) return;
    broken = true;
    onLine(null);
  });
}
