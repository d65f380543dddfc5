// When a round closes: with the answer of every silo, or with enough of them when its time is up.

import { setMaxListeners } from 'node:events';
import { setTimeout as timer } from 'node:timers/promises';
import { AbortedError, AlignError, LostPeerError, PrivacyError, ReleaseError } from '../errors.ts';
import type { ReceivedUpload } from '../exchange/upload.ts';
import { inOrder } from './in-order.ts';
import { isGone, type SiloPort } from './silo-port.ts';

/** `every`: no round goes on without every silo, and one that fails ends the run. Or as `QuorumClosing` says. */
export type Closing = 'every' | QuorumClosing;

/** Rounds go on without silos that are late or gone; their newest earlier decoders stay in the pool. */
export interface QuorumClosing {
  /** Answers without which no round closes; where fewer silos take part in one, all of theirs. */
  readonly quorum: number;
  /** How long a round waits for more than that, from its beginning. */
  readonly deadlineMs: number;
}

/** Resolves after `ms`, which may be Infinity; rejects when the signal fires. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** Why nothing came from a silo: the code of its error, or `DEADLINE`. */
export interface Absence {
  readonly silo: string;
  readonly code: string;
  readonly message: string;
}

/** A round whose deadline has passed while it has too few answers: it waits on. */
export interface Overdue {
  /** Answers that it needs; of these there are fewer. */
  readonly quorum: number;
  readonly answered: readonly string[];
  /** Silos that may answer yet, in the order of the silos. */
  readonly awaited: readonly string[];
}

export interface CollectOptions {
  readonly round: number;
  readonly closing: Closing;
  /** Silos that are asked at the same time under `every`; otherwise all are. */
  readonly atOnce: number;
  /** Hears of each silo that does not answer in this round: when it is known. */
  readonly onMissing: (absence: Absence) => void;
  /** Hears of an upload that answers an earlier round, and joins this one. */
  readonly onLate: (late: { readonly silo: string; readonly answers: number }) => void;
  /** Hears once, at the deadline, that the round cannot close yet. */
  readonly onOverdue: (overdue: Overdue) => void;
  readonly signal?: AbortSignal | undefined;
  /** Default: a timer. */
  readonly wait?: Wait | undefined;
}

/**
 * Asks silos, and returns what came when the round closes, in the order of the silos. With a quorum that is: when all have
 * answered or refused; or after the deadline, as soon as there are enough. Who has not answered by then is no longer waited
 * for (the signal of its call fires), and is represented by what came late of an earlier round, if anything did; that counts
 * towards no quorum. One that left or was revoked, and is back while the round is open, is asked again. A silo has not answered
 * whose port throws LostPeerError, PrivacyError or ReleaseError, or what the silo itself has failed with (`facts.failed`); any
 * other failure is thrown. Throws LostPeerError when the quorum cannot be reached any more.
 */
export async function collect(
  silos: readonly SiloPort[],
  options: CollectOptions,
  ask: (silo: SiloPort, signal: AbortSignal) => Promise<ReceivedUpload>,
): Promise<readonly ReceivedUpload[]> {
  const { closing, atOnce, signal, onMissing, onLate } = options;
  if (closing === 'every') return inOrder(silos, { atOnce, signal }, ask);
  const { answers, absences } = await answersInTime(silos, { ...options, closing }, ask);
  const uploads: ReceivedUpload[] = [];
  for (const silo of silos) {
    const answer = answers.get(silo.name);
    if (!answer && !absences.has(silo.name)) onMissing(tooLate(silo, closing));
    const late = answer ? null : ((await silo.late?.()) ?? null);
    if (late) onLate({ silo: silo.name, answers: late.round });
    const upload = answer ?? late;
    if (upload) uploads.push(upload);
  }
  return uploads;
}

// --- internal ---

interface Collected {
  readonly answers: ReadonlyMap<string, ReceivedUpload>;
  /** Of silos that refused. */
  readonly absences: ReadonlyMap<string, Absence>;
}

async function answersInTime(
  silos: readonly SiloPort[],
  { round, closing, signal, wait = timed, onMissing, onOverdue }: CollectOptions & { readonly closing: QuorumClosing },
  ask: (silo: SiloPort, signal: AbortSignal) => Promise<ReceivedUpload>,
): Promise<Collected> {
  const quorum = Math.min(closing.quorum, silos.length);
  const answers = new Map<string, ReceivedUpload>();
  const absences = new Map<string, Absence>();
  const failures: unknown[] = [];
  const pending = new Set(silos.map(({ name }) => name));
  const stop = new AbortController();
  const together = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  setMaxListeners(0, together); // one for each silo
  let isTimeUp = false;
  let isClosed = false;
  const look = () => {
    const isOver = pending.size === 0 || failures.length > 0 || answers.size + pending.size < quorum;
    if (!isClosed && (isOver || (isTimeUp && answers.size >= quorum))) {
      isClosed = true;
      stop.abort();
    }
  };
  /** True where the silo is gone, and the round may see it come back. */
  const askOnce = async (silo: SiloPort): Promise<boolean> => {
    if (isClosed) return false;
    pending.add(silo.name);
    absences.delete(silo.name);
    try {
      const answer = await ask(silo, together);
      if (!isClosed) answers.set(silo.name, answer);
      return false;
    } catch (error) {
      if (isClosed) return false;
      if (!isAbsence(error)) {
        failures.push(error);
        return false;
      }
      const absence = { silo: silo.name, code: error.code, message: error.message };
      absences.set(silo.name, absence);
      onMissing(absence);
      return isGone(error);
    } finally {
      pending.delete(silo.name);
      look();
    }
  };
  const asked = silos.map(async (silo) => {
    while ((await askOnce(silo)) && (await isBack(silo, together)));
  });
  const clock = async () => {
    if (isClosed) return;
    try {
      await wait(closing.deadlineMs, together);
      isTimeUp = true;
    } catch (error) {
      if (!together.aborted) failures.push(error);
    }
    look();
    if (isTimeUp && !isClosed) onOverdue({ quorum, answered: [...answers.keys()], awaited: [...pending] });
  };
  look();
  await Promise.all([...asked, clock()]);
  if (failures.length > 0) throw failures[0];
  if (signal?.aborted) throw new AbortedError(`Stopped while silos were at work on round ${round}.`);
  if (answers.size >= quorum) return { answers, absences };
  const why = silos.flatMap((silo) => absences.get(silo.name) ?? []);
  throw new LostPeerError(
    `Round ${round} needs ${quorum} of ${silos.length} ${silos.length === 1 ? 'silo' : 'silos'}, but ${answers.size === 0 ? 'none' : `only ${answers.size}`} can ` +
      `answer any more: ${why
        .slice(0, MOST_TOLD)
        .map(({ silo, message }) => `${silo}: ${message}`)
        .join(
          ' ',
        )}${why.length > MOST_TOLD ? ` And ${why.length - MOST_TOLD} more.` : ''} Bring silos back, or lower the quorum; ` +
      'then start the server again to go on.',
    { round, quorum, answered: [...answers.keys()], missing: why.map(({ silo }) => silo) },
  );
}

/** Whether a silo that was gone is there again; false when the round closes first. */
async function isBack(silo: SiloPort, closed: AbortSignal): Promise<boolean> {
  if (closed.aborted || !silo.back) return false;
  return silo.back(closed).then(
    () => !closed.aborted,
    () => false,
  );
}

/** Names of silos told one by one in an error. */
const MOST_TOLD = 20;

/** What concerns one silo, while the others can go on. */
function isAbsence(error: unknown): error is AlignError {
  const isOfSilo = error instanceof LostPeerError || error instanceof PrivacyError || error instanceof ReleaseError;
  return isOfSilo || (error instanceof AlignError && error.facts['failed'] === true);
}

function tooLate({ name: silo }: SiloPort, { deadlineMs }: QuorumClosing): Absence {
  const message = `No answer within ${deadlineMs / 1000} s. One that still comes joins the pool of a later round, if there is one.`;
  return { silo, code: 'DEADLINE', message };
}

const timed: Wait = async (ms, signal) => {
  for (let left = ms; left > 0; left -= LONGEST_TIMER_MS) {
    await timer(Math.min(left, LONGEST_TIMER_MS), undefined, { signal });
  }
};

/** A longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
