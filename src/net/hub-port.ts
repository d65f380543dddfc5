// The port to one silo on another machine: asks for a round, unless the answer is here, and waits for it.

import { LostPeerError, ShapeError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import { readSameFile } from '../storage/same-file.ts';
import { COMMITTED_FAILURE, revivedFailure } from './failure-words.ts';
import type { Arrivals } from './hub-arrivals.ts';
import { type HubRecords, nextCandidate } from './hub-records.ts';
import type { ReleaseHeader } from './messages.ts';
import type { Timing } from './timing.ts';
import { throwIfAborted, until } from './waiting.ts';

export interface HubPortOptions {
  readonly run: string;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly records: HubRecords;
  readonly arrivals: Arrivals;
  /** Publishes a task; returns its number in the stream. */
  readonly askFor: (silo: string, round: number) => Promise<number>;
}

export function hubPort(options: HubPortOptions, name: string): SiloPort {
  const { run, timing, records, arrivals, askFor } = options;
  return {
    name,
    async play(task, hooks = {}) {
      if (task.kind === 'train-given') {
        throw new ShapeError(
          `${name} is on another machine: weights never travel, so it cannot train weights that were given. Averaging of ` +
            'parameters is for simulations.',
        );
      }
      const { round } = task;
      if (task.run !== run)
        throw new ShapeError(`The network was opened for run ${run}, and is asked for ${task.run}.`);
      const what = `Round ${round} of ${name}`;
      const signal = hooks.signal ? AbortSignal.any([options.signal, hooks.signal]) : options.signal;
      const looked = new Set<unknown>(); // what went wrong before this call is tried again
      for (let asked: number | null = null; ; ) {
        throwIfAborted(signal, what);
        const { rounds, failed, left, mayBeBack, isRevoked } = records.of(name);
        if (isRevoked) throw gone(name, round, 'revoked');
        if (left !== null && !mayBeBack) throw gone(name, round, 'left');
        if (left !== null) {
          await until<void>({ signal, limitMs: timing.answerMs, what }, (resolve) => records.onChange(name, resolve));
          continue;
        }
        const candidates = rounds.get(round) ?? [];
        const ready = candidates.find(({ state }) => state === 'ready');
        if (ready) return releaseInFile(ready.header, arrivals.fileOf(ready.header));
        const announced = nextCandidate(candidates);
        if (announced) {
          if (announced.error !== null && looked.has(announced)) throw announced.error;
          if (announced.isMissing && failed?.round === round && failed.code === COMMITTED_FAILURE.code) {
            throw revivedFailure(name, round, failed); // neither side has it any more
          }
          looked.add(announced);
          arrivals.enqueue(announced);
        } else if (candidates.length > 0) {
          throw candidates.at(-1)?.error ?? gone(name, round, 'left');
        } else if (asked === null) {
          asked = await askFor(name, round);
          continue; // it may have been answered meanwhile
        } else if (failed !== null && failed.round === round && failed.task >= asked) {
          throw revivedFailure(name, round, failed);
        }
        await until<void>({ signal, limitMs: timing.answerMs, what }, (resolve) => records.onChange(name, resolve));
      }
    },
  };
}

/** A release that lies in a file, which is read when it is asked for. */
export function releaseInFile(header: ReleaseHeader, file: string): ReceivedRelease {
  const { silo, round, privacy, decoder } = header;
  return { kind: 'decoder', silo, round, privacy, decoder: { ...decoder, bytes: () => readSameFile(file, decoder) } };
}

// --- internal ---

function gone(silo: string, round: number, how: 'left' | 'revoked'): LostPeerError {
  const why = how === 'left' ? 'has left the federation' : 'was revoked';
  return new LostPeerError(`Silo ${silo} ${why}, so round ${round} has no answer of it.`, {
    silo,
    round,
    [how]: true,
  });
}
