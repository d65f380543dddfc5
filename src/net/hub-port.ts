// The port to one silo on another machine: asks for a round, unless the answer is here, and waits for it.

import { LostPeerError, ShapeError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import { readSameFile } from '../storage/same-file.ts';
import { revivedFailure } from './failure-words.ts';
import { type Gone, nextCandidate } from './hub-records.ts';
import type { HubState } from './hub-state.ts';
import { askFor } from './hub-tells.ts';
import type { ReleaseHeader } from './messages.ts';
import { throwIfAborted, until } from './waiting.ts';

export function hubPort(hub: HubState, name: string): Required<SiloPort> {
  return {
    name,
    async play(task, hooks = {}) {
      if (task.kind === 'train-given') {
        throw new ShapeError(
          `${name} is on another machine: weights never travel, so it cannot train weights that were given. Averaging of ` +
            'parameters is for simulations.',
        );
      }
      if (task.run !== hub.run) {
        throw new ShapeError(`The network was opened for run ${hub.run}, and is asked for ${task.run}.`);
      }
      const { signal } = hub.link;
      return answerTo(hub, name, task.round, hooks.signal ? AbortSignal.any([signal, hooks.signal]) : signal);
    },
    late: async () => newestReady(hub, name),
    async back(signal) {
      const news = newsOf(hub, name, { signal: AbortSignal.any([hub.link.signal, signal]), what: `${name}'s return` });
      while (hub.records.of(name).gone !== null) await news();
    },
  };
}

// --- internal ---

/** Waits for the release of a round; asks for it where it is not here and not on its way. */
async function answerTo(hub: HubState, name: string, round: number, signal: AbortSignal): Promise<ReceivedRelease> {
  const { records, arrivals } = hub;
  const what = `Round ${round} of ${name}`;
  const news = newsOf(hub, name, { signal, what });
  const looked = new Set<unknown>(); // what went wrong before this call is tried again
  for (let asked: number | null = null; ; ) {
    throwIfAborted(signal, what);
    const { rounds, failed, gone } = records.of(name);
    if (gone !== null) throw goneError(name, round, gone);
    const candidates = rounds.get(round) ?? [];
    const ready = candidates.find(({ state }) => state === 'ready');
    if (ready) return releaseInFile(ready.header, arrivals.fileOf(ready.header));
    const announced = nextCandidate(candidates);
    if (announced) {
      if (announced.error !== null && looked.has(announced)) throw announced.error;
      looked.add(announced);
      arrivals.enqueue(announced);
    } else if (candidates.length > 0) {
      throw candidates.at(-1)?.error ?? goneError(name, round, 'left');
    } else if (asked === null) {
      asked = await askFor(hub, name, round);
      continue; // it may have been answered meanwhile
    } else if (failed !== null && failed.round === round && failed.task >= asked) {
      throw revivedFailure(name, round, failed);
    }
    await news();
  }
}

/** Waits for the next change of a silo. */
function newsOf(
  { link, records }: HubState,
  name: string,
  wait: { readonly signal: AbortSignal; readonly what: string },
): () => Promise<void> {
  return () => until<void>({ ...wait, limitMs: link.timing.answerMs }, (resolve) => records.onChange(name, resolve));
}

/** What came after its round was closed: the newest release that is here, inspected and not committed. */
function newestReady({ records, arrivals }: HubState, name: string): ReceivedRelease | null {
  const { rounds, committedRound } = records.of(name);
  const newest = [...rounds.values()]
    .flat()
    .filter(({ state, header }) => state === 'ready' && header.round > committedRound)
    .sort((a, b) => b.header.round - a.header.round)[0];
  return newest ? releaseInFile(newest.header, arrivals.fileOf(newest.header)) : null;
}

/** A release that lies in a file, which is read when it is asked for. */
function releaseInFile(header: ReleaseHeader, file: string): ReceivedRelease {
  const { silo, round, privacy, decoder } = header;
  return { kind: 'decoder', silo, round, privacy, decoder: { ...decoder, bytes: () => readSameFile(file, decoder) } };
}

function goneError(silo: string, round: number, how: Gone): LostPeerError {
  const why = how === 'left' ? 'has left the federation' : 'was revoked';
  return new LostPeerError(`Silo ${silo} ${why}, so round ${round} has no answer of it.`, {
    silo,
    round,
    [how]: true,
  });
}
