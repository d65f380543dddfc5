// Trials of decoders from outside, in a process of their own with limits of memory and time: what happens there costs that
// process alone.
//
// A process serves several trials, because its start takes longer than most of them. Only an outcome of a fresh process
// is held against a decoder, so none is refused for what the one before it left behind.

import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { EngineOptions } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError, DeviceError, type ErrorFacts, ReleaseError, ShapeError, StateError } from '../errors.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { DecoderHeader } from './prove-decoder.ts';
import { startTrialChild, type TrialChild, type TrialEnd, type TrialLimits } from './trial-child.ts';
import type { TrialAnswer, TrialRequest } from './trial-messages.ts';

/** Who sent a decoder, and what was said of it. */
export interface TrialHeader extends DecoderHeader {
  readonly silo: string;
  readonly round: number;
}

export interface DecoderTrialsOptions {
  /** What the federation agreed on. */
  readonly shape: ImageShape;
  /** C, or null where images have no labels. */
  readonly classes: number | null;
  /** Codes are drawn from below it. Take one that no silo knows: whoever does can make a decoder that behaves for them. */
  readonly key: Key;
  /** As the server opens decoders. Default: the processor, one thread. */
  readonly engine?: EngineOptions;
  /** Defaults: a minute, 2 GiB, 16 trials in a process. */
  readonly limits?: Partial<TrialLimits>;
}

/** Open until `close`: the process in between trials is kept. */
export interface DecoderTrials {
  /**
   * Inspects the decoder in `file`, an absolute path, and draws from it on trial, one decoder at a time. Returns if it is
   * sound. Throws ReleaseError with `facts.reason`, `silo` and `round`: all that `proveDecoder` refuses, and `trial-crashed`,
   * `trial-timeout`, `trial-memory`. Throws AbortedError, and DeviceError where this machine cannot try decoders at all.
   */
  inspect(file: string, header: TrialHeader, waiting?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** The most memory that any of its processes was seen to hold. */
  peakBytes(): number;
  /** Ends the process; a trial under way ends with AbortedError. */
  close(): Promise<void>;
}

/** Why a trial is held against a decoder beside what inspection refuses, as `facts.reason` of the ReleaseError. */
export const TRIAL_REFUSALS = ['trial-crashed', 'trial-timeout', 'trial-memory'] as const;

/** Starts nothing yet: the first trial does. */
export function openDecoderTrials(options: DecoderTrialsOptions): DecoderTrials {
  const { shape, classes, engine = {} } = options;
  const limits: TrialLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const closing = new AbortController();
  let current: { readonly child: TrialChild; served: number } | null = null;
  let peakBytes = 0;
  let queue: Promise<void> = Promise.resolve();

  const retire = async () => {
    const { child } = current ?? {};
    current = null;
    await child?.end();
    peakBytes = Math.max(peakBytes, child?.memory().peakBytes ?? 0);
  };
  const usable = async (signal: AbortSignal) => {
    if (current?.child.isAlive() && current.served < limits.trialsPerProcess) return current;
    await retire();
    current = { child: startTrialChild({ engine }, limits), served: 0 };
    const answer = await current.child.ready({ timeoutMs: START_WITHIN_MS, signal });
    if (answer.kind === 'ready') return current;
    await retire();
    if (answer.kind === 'ended' && answer.why === 'aborted') throw stopped();
    throw cannotTry(answer);
  };
  const answerTo = async (request: TrialRequest, signal: AbortSignal): Promise<TrialAnswer | TrialEnd> => {
    for (;;) {
      const serving = await usable(signal);
      const isFresh = serving.served === 0;
      serving.served++;
      const answer = await serving.child.ask(request, { timeoutMs: limits.timeoutMs, signal });
      const { nowBytes } = serving.child.memory();
      peakBytes = Math.max(peakBytes, serving.child.memory().peakBytes);
      if (answer.kind === 'ended' || nowBytes > limits.memoryBytes / 2) await retire();
      const isLasting = answer.kind === 'ok' || (answer.kind === 'refused' && reasonOf(answer) !== 'trial-memory');
      if (isLasting || isFresh || (answer.kind === 'ended' && answer.why === 'aborted')) return answer;
      await retire();
    }
  };

  return {
    async inspect(file, { silo, round, decoder, privacy }, waiting = {}) {
      if (!isAbsolute(file)) throw new ShapeError(`Expected the absolute path of a decoder's file, got '${file}'.`);
      await stat(file).catch((cause: unknown) => {
        throw new StateError(`The decoder of ${silo} is not at ${file}: receive it again.`, { silo, round }, { cause });
      });
      const signal = waiting.signal ? AbortSignal.any([waiting.signal, closing.signal]) : closing.signal;
      const before = queue;
      let pass = () => {};
      queue = new Promise<void>((resolve) => {
        pass = resolve;
      });
      try {
        await unlessAborted(before, signal);
      } catch (error) {
        void before.then(() => pass()); // who stops waiting lets the next one pass in turn
        throw error;
      }
      try {
        const key = childKey(options.key, silo, `round-${round}`);
        const sent = { kind: key.kind, path: key.path, bytes: Buffer.from(key.bytes).toString('base64') };
        judge(await answerTo({ file, shape, classes, decoder, privacy, key: sent }, signal), { silo, round }, limits);
      } finally {
        pass();
      }
    },
    peakBytes: () => peakBytes,
    async close() {
      closing.abort();
      await queue;
      await retire();
    },
  };
}

// --- internal ---

const DEFAULT_LIMITS: TrialLimits = { timeoutMs: 60_000, memoryBytes: 2 ** 31, trialsPerProcess: 16 };

/** It takes half a second on a machine at rest. */
const START_WITHIN_MS = 60_000;

/** What libraries say that were refused memory by the system. */
const NO_MEMORY =
  /bad[_ ]alloc|failed to allocate|cannot allocate|allocation failed|out of memory|Invalid typed array length/i;

function reasonOf({ message, facts }: Extract<TrialAnswer, { kind: 'refused' }>): string {
  const reason = String(facts['reason']);
  const isOfRuntime = reason === 'does-not-load' || reason === 'does-not-run';
  return isOfRuntime && NO_MEMORY.test(message) ? 'trial-memory' : reason;
}

/** Returns where the decoder is sound, and throws what it is refused for. */
function judge(
  answer: TrialAnswer | TrialEnd,
  sender: { readonly silo: string; readonly round: number },
  limits: TrialLimits,
): void {
  if (answer.kind === 'ok') return;
  if (answer.kind === 'refused') {
    const reason = reasonOf(answer);
    if (reason === 'trial-memory') throw refusal(reason, tookMemory(limits, answer.message), sender);
    throw new ReleaseError(answer.message, { ...answer.facts, ...sender });
  }
  if (answer.kind === 'ended') {
    switch (answer.why) {
      case 'aborted':
        throw stopped();
      case 'timeout':
        throw refusal('trial-timeout', `it did not end within ${limits.timeoutMs} ms`, { ...sender, ...limits });
      case 'memory':
        throw refusal('trial-memory', tookMemory(limits, answer.detail), { ...sender, ...limits });
      case 'crashed':
        throw refusal('trial-crashed', `it ended the process (${answer.detail})`, sender);
    }
  }
  if (answer.kind === 'failed' && answer.device) throw new DeviceError(answer.message, sender);
  if (answer.kind === 'failed' && NO_MEMORY.test(answer.message)) {
    throw refusal('trial-memory', tookMemory(limits, answer.message), sender);
  }
  const said = 'message' in answer ? answer.message : answer.kind;
  throw refusal('trial-crashed', `it came to no verdict (${said})`, sender);
}

function tookMemory({ memoryBytes }: TrialLimits, detail: string): string {
  const [said = detail] = /The runtime said: .{0,300}/.exec(detail) ?? [];
  return `it took more than the ${Math.floor(memoryBytes / 2 ** 20)} MiB it may (${said})`;
}

function refusal(reason: (typeof TRIAL_REFUSALS)[number], detail: string, facts: ErrorFacts): ReleaseError {
  return new ReleaseError(
    `Decoder refused by its trial in a process of its own: ${detail}. Make it smaller or plainer, and export it again; one ` +
      'that an honest program wrote can be tried with larger limits.',
    { reason, ...facts },
  );
}

function stopped(): AbortedError {
  return new AbortedError('Stopped while a decoder was on trial.');
}

function cannotTry(answer: TrialAnswer | TrialEnd): DeviceError {
  const said = answer.kind === 'ended' ? `${answer.why}, ${answer.detail}` : answer.kind;
  return new DeviceError(
    `The process in which decoders are tried did not start (${said}), so no decoder can be accepted. Give it more memory or ` +
      'time, and see that dist/ is built.',
  );
}

async function unlessAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw stopped();
  let onAbort = () => {};
  try {
    await Promise.race([
      turn,
      new Promise<never>((_, reject) => {
        onAbort = () => reject(stopped());
        signal.addEventListener('abort', onAbort);
      }),
    ]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
