// Announced releases on their way into the server: fetched to a file, inspected, ready or refused. A few at a time.

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortedError, AlignError, LostPeerError, ReleaseError } from '../errors.ts';
import type { Link } from './bucket.ts';
import { downloadDecoder } from './download.ts';
import type { Candidate } from './hub-records.ts';
import type { ReleaseHeader } from './messages.ts';
import { within } from './waiting.ts';

export interface ArrivalOptions {
  readonly link: Link;
  /** Where decoders lie until their round is behind a committed one. */
  readonly incomingDir: string;
  /** Throws ReleaseError for a file that must not be used. */
  readonly inspect: (file: string, header: ReleaseHeader) => Promise<void>;
  /** After every change of a candidate. */
  readonly onSettled: (candidate: Candidate) => void;
  /** Whether it may still be the answer to its round. */
  readonly isWanted: (candidate: Candidate) => boolean;
  /** Asks the silo for the round again, as its parts are not where they should be. Returns the number of the task. */
  readonly askAgain: (header: ReleaseHeader) => Promise<number>;
}

export interface Arrivals {
  /** Fetches and inspects it, unless that is under way or done. */
  enqueue(candidate: Candidate): void;
  /** Where its decoder lies: releases of one round have a file each. */
  fileOf(header: ReleaseHeader): string;
  /** Removes the files of the silo's rounds before `round`. */
  discard(silo: string, round: number): Promise<void>;
  /** Resolves when nothing is under way any more, after the link's signal fired. */
  idle(): Promise<void>;
}

export function openArrivals(options: ArrivalOptions): Arrivals {
  const { link, incomingDir, inspect, onSettled, isWanted, askAgain } = options;
  const waiting: Visit[] = [];
  const atWork = new Set<Promise<void>>();
  const fileOf = ({ silo, round, decoder }: ReleaseHeader) =>
    join(incomingDir, `${silo}-round-${round}-${decoder.sha256}.onnx`);

  const next = (): void => {
    while (atWork.size < AT_ONCE && waiting.length > 0 && !link.signal.aborted) {
      const work = visit(waiting.shift() as Visit).finally(() => {
        atWork.delete(work);
        next();
      });
      atWork.add(work);
    }
  };
  const later = (visitAgain: Visit): void => {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(visitAgain.tries, 20), LAST_PAUSE_MS);
    const timer = setTimeout(() => {
      waiting.push({ ...visitAgain, tries: visitAgain.tries + 1 });
      next();
    }, pauseMs);
    timer.unref();
  };
  /** Never throws. */
  const visit = async ({ candidate, tries }: Visit): Promise<void> => {
    const { header } = candidate;
    try {
      if (!isWanted(candidate)) return drop(candidate);
      const file = fileOf(header);
      if (!(await downloadDecoder(link, header, file))) {
        candidate.isMissing = true;
        onSettled(candidate);
        if (tries % ASK_EVERY === 0) {
          const task = await askAgain(header);
          candidate.asked ??= task;
          onSettled(candidate); // it may have been answered meanwhile
        }
        later({ candidate, tries });
        return;
      }
      const what = `The inspection of round ${header.round} of ${header.silo}`;
      await within(inspect(file, header), { signal: link.signal, limitMs: INSPECT_WITHIN_MS, what });
      if (!isWanted(candidate)) return drop(candidate); // another one was faster
      candidate.state = 'ready';
      candidate.isMissing = false;
      candidate.error = null;
    } catch (error) {
      if (error instanceof AbortedError) return;
      candidate.state = error instanceof ReleaseError ? 'refused' : 'announced';
      candidate.error = error instanceof AlignError ? error : brokenInspection(header, error);
    }
    candidate.isQueued = false;
    onSettled(candidate);
  };

  return {
    fileOf,
    enqueue(candidate) {
      if (candidate.isQueued || candidate.state !== 'announced') return;
      candidate.isQueued = true;
      candidate.error = null;
      waiting.push({ candidate, tries: 0 });
      next();
    },
    async discard(silo, round) {
      const name = new RegExp(`^${silo}-round-(\\d+)-[0-9a-f]{64}\\.onnx$`);
      const names = await readdir(incomingDir).catch(() => []); // no folder: nothing has come yet
      const behind = names.filter((one) => Number(name.exec(one)?.[1] ?? Number.POSITIVE_INFINITY) < round);
      for (const one of behind) await rm(join(incomingDir, one), { force: true });
    },
    async idle() {
      await Promise.all(atWork);
    },
  };
}

// --- internal ---

function drop(candidate: Candidate): void {
  candidate.isQueued = false;
}

interface Visit {
  readonly candidate: Candidate;
  /** Times that parts were missing. */
  readonly tries: number;
}

/** Downloads and inspections, however many silos there are. */
const AT_ONCE = 2;
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;
/** Missing parts ask the silo again the first time, and then now and then. */
const ASK_EVERY = 16;
const INSPECT_WITHIN_MS = 10 * 60_000;

function brokenInspection({ silo, round }: ReleaseHeader, cause: unknown): LostPeerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LostPeerError(
    `The release of ${silo} of round ${round} could not be inspected: ${reason}. Nothing is lost: try again.`,
    { silo, round, reason },
    { cause },
  );
}
