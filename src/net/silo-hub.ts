// The server's end of the network: a port to each silo, and what keeps a round true when either side was gone in between.
//
// Nothing here must survive: tasks and notices are kept by the broker, files in the folder of what came, and what counts as
// committed in the caller's journal. A hub that is opened anew reads the notices again and goes on.

import { jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, nuid } from '@nats-io/transport-node';
import type { ReceivedRelease } from '../exchange/release.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import { contentHash } from '../storage/content-hash.ts';
import { LostPeerError, ShapeError } from '../errors.ts';
import { insistOn, type Link } from './bucket.ts';
import { publishDurably } from './durable-publish.ts';
import { sealMessage } from './envelope.ts';
import { openArrivals } from './hub-arrivals.ts';
import { judgeHello } from './hub-hello.ts';
import { hubPort, releaseInFile } from './hub-port.ts';
import { openPresence } from './hub-presence.ts';
import { type Candidate, nextCandidate, openHubRecords } from './hub-records.ts';
import { takeUpdate } from './hub-updates.ts';
import type { Identity } from './identity.ts';
import { plainWords } from './message-words.ts';
import type { Body, ReleaseHeader } from './messages.ts';
import type { HubEvent } from './net-events.ts';
import { requireSiloName } from './provision.ts';
import { TASKS, taskSubject } from './subjects.ts';
import { TIMING, type Timing } from './timing.ts';
import { readUpdates } from './updates-reader.ts';
import { closedConnection, until } from './waiting.ts';

export interface SiloHubOptions {
  readonly nc: NatsConnection;
  /** The server's. */
  readonly identity: Identity;
  /** Public keys of the silos that are known so far. */
  readonly silos: ReadonlyMap<string, string>;
  /** Silos that were revoked and not invited again: their ports say so at once. Default none. */
  readonly revoked?: readonly string[];
  readonly federation: string;
  /** Of this software; silos of another minor version are turned away. */
  readonly version: string;
  readonly run: string;
  /** What silos are asked to agree to. `sha256` is that of `text`. */
  readonly plan: { readonly sha256: string; readonly text: string };
  /** From the caller's journal: releases of a silo that are committed in this plan, with the rounds that they answered. */
  readonly committedSoFar: (silo: string) => readonly { readonly round: number; readonly sha256: string }[];
  /** Where decoders lie until a later one of their silo is committed. */
  readonly incomingDir: string;
  /** Throws ReleaseError for a file that must not be used. */
  readonly inspect: (file: string, header: ReleaseHeader) => Promise<void>;
  readonly emit: (event: HubEvent) => void;
  readonly signal: AbortSignal;
  /** Downloads and inspections at a time. Default 2. */
  readonly arrivalsAtOnce?: number;
  readonly timing?: Timing;
}

/** A release in the caller's journal. */
export interface CommittedRelease {
  readonly silo: string;
  /** That it answers. */
  readonly round: number;
  readonly sha256: string;
}

export interface SiloHub {
  /**
   * The port to a silo, whether it is known yet or not. `play` asks for a round unless its release is here, and waits. It throws
   * ReleaseError where the release was refused; what the silo failed with, by its code, with `facts.failed`; LostPeerError with
   * `facts.left` or `facts.revoked` where the silo is gone; AbortedError; and ShapeError for weights, which never travel.
   */
  port(name: string): SiloPort;
  /** The newest release of a silo that is here, inspected and not committed: what came after its round was closed. */
  late(name: string): Promise<ReceivedRelease | null>;
  /**
   * Tells silos that their releases are safe, AFTER the caller's journal has them durably in `round`. Each names the round that
   * it answers, which is this or, for what came late, an earlier one: equal decoders may answer several. Repeating it is
   * harmless. Throws ShapeError for one that answers a later round.
   */
  commit(round: number, uploads: readonly CommittedRelease[]): Promise<void>;
  /** The last status of each silo that is there. */
  statuses(): ReadonlyMap<string, Body<'status'>>;
  /** Knows a silo, or its new key, from now on. */
  addSilo(name: string, publicKey: string): void;
  /** Revokes a silo: nothing of it is heard any more. */
  removeSilo(name: string): void;
  /** Tells all silos that the run is over, and waits a little for those that are there to go. */
  end(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the hub when all that silos have published so far is read. Streams and buckets are there (`provision`). */
export async function openSiloHub(options: SiloHubOptions): Promise<SiloHub> {
  const { nc, identity, run, plan, committedSoFar, incomingDir, inspect, emit, timing = TIMING } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const onRetry = (what: string, error: Error) => emit({ kind: 'retry', what, message: error.message });
  const link: Link = { nc, timing, signal, onRetry };
  const keys = new Map(options.silos);
  const records = openHubRecords();
  for (const silo of options.revoked ?? []) records.of(silo).isRevoked = true;
  void nc.closed().then(() => stop.abort(closedConnection(nc)));
  const committedHere = new Map<string, readonly CommittedRelease[]>(); // by this process; the caller's may be older
  const background = new Set<Promise<unknown>>();
  const inBackground = (work: Promise<unknown>) => {
    const quiet = work.catch((error: unknown) => {
      if (!signal.aborted) emit({ kind: 'retry', what: 'A message to a silo', message: String(error) });
    });
    background.add(quiet);
    void quiet.finally(() => background.delete(quiet));
  };

  const nonceOf = (silo: string, round: number) =>
    contentHash(identity.sign(new TextEncoder().encode(['align-fl/nonce@1', plan.sha256, round, silo].join('\n'))));
  const send = async <K extends 'train' | 'committed' | 'refused' | 'end'>(silo: string, kind: K, body: Body<K>) => {
    const subject = taskSubject(silo);
    const bytes = sealMessage(identity, { subject, kind, body });
    return publishDurably(link, { subject, bytes, id: `${kind}/${nuid.next()}`, what: `'${kind}' for ${silo}` });
  };
  const askFor = async (silo: string, round: number): Promise<number> => {
    const seq = await send(silo, 'train', { run, plan: plan.sha256, round, nonce: nonceOf(silo, round) });
    emit({ kind: 'task-sent', silo, round });
    return seq;
  };
  const tellCommitted = async (silo: string, round: number, sha256: string) => {
    await send(silo, 'committed', { run, plan: plan.sha256, round, sha256 });
    emit({ kind: 'release-committed', silo, round, sha256 });
  };

  const onSettled = (candidate: Candidate) => {
    const { silo, round, decoder } = candidate.header;
    const of = { silo, round, sha256: decoder.sha256 };
    if (candidate.state === 'ready') emit({ kind: 'release-ready', ...of });
    if (candidate.state === 'refused' && candidate.error) {
      const { code, message, facts } = candidate.error;
      const reason = plainWords(String(facts['reason'] ?? message));
      emit({ kind: 'release-refused', ...of, code, reason });
      inBackground(send(silo, 'refused', { run, plan: plan.sha256, round, sha256: of.sha256, code, reason }));
      const next = nextCandidate(records.of(silo).rounds.get(round) ?? []);
      if (next) arrivals.enqueue(next);
    }
    records.changed(silo);
  };
  const askAgain = async ({ silo, round }: ReleaseHeader) => void (await askFor(silo, round));
  const atOnce = options.arrivalsAtOnce ?? 2;
  const arrivals = openArrivals({ link, incomingDir, inspect, atOnce, onSettled, askAgain });

  for (const silo of keys.keys()) {
    const newest = newestOf(committedSoFar(silo));
    if (newest) await arrivals.discard(silo, records.commit(silo, newest.round));
  }
  const keyOf = (silo: string) => keys.get(silo);
  const since = await lastTask(link);
  const { ended } = await readUpdates(link, (update) =>
    takeUpdate({ run, plan: plan.sha256, keyOf, nonceOf, records, arrivals, emit }, update),
  );
  const presence = openPresence({
    nc,
    identity,
    timing,
    keyOf,
    judge: (hello) => judgeHello(hello, { version: options.version, plan: plan.sha256, records, committedSoFar }),
    welcome: { run, plan: plan.sha256, planText: plan.text, federation: options.federation, since },
    onHello({ silo, instance, pending, state }) {
      const record = records.of(silo);
      if (record.left !== null && record.left !== instance) record.left = null;
      if (state.plan !== plan.sha256) return;
      for (const { round, sha256 } of [...committedSoFar(silo), ...(committedHere.get(silo) ?? [])]) {
        if (pending.some((one) => one.round === round && one.sha256 === sha256)) {
          inBackground(tellCommitted(silo, round, sha256));
        }
      }
    },
    on(event) {
      if (event.kind === 'silo-here' && records.of(event.silo).left !== event.instance)
        records.of(event.silo).left = null;
      emit(event);
      if ('silo' in event) records.changed(event.silo);
    },
  });
  const listenedLong = setTimeout(() => {
    for (const silo of keys.keys()) {
      if (!records.of(silo).mayBeBack) continue;
      records.of(silo).mayBeBack = false;
      records.changed(silo);
    }
  }, timing.heardWithinMs);
  listenedLong.unref();
  for (const silo of keys.keys()) {
    const newest = newestOf(committedSoFar(silo)); // the last server may have been killed before it said so
    if (newest) inBackground(tellCommitted(silo, newest.round, newest.sha256));
  }

  const late: SiloHub['late'] = async (name) => {
    const { rounds, committedRound } = records.of(name);
    const here = [...rounds.values()]
      .flat()
      .filter(({ state, header }) => state === 'ready' && header.round > committedRound);
    const newest = here.sort((a, b) => b.header.round - a.header.round)[0];
    return newest ? releaseInFile(newest.header, arrivals.fileOf(newest.header)) : null;
  };

  return {
    port: (name) => {
      requireSiloName(name);
      return { ...hubPort({ run, timing, signal, records, arrivals, askFor }, name), late: () => late(name) };
    },
    late,
    async commit(round, uploads) {
      if (uploads.some((upload) => upload.round > round)) {
        throw new ShapeError(`Round ${round} cannot have committed the answer to a later one. This is a bug.`);
      }
      await Promise.all(
        uploads.map(async ({ silo, round: own, sha256 }) => {
          const others = (committedHere.get(silo) ?? []).filter((one) => one.round !== own).slice(-MOST_PENDING);
          committedHere.set(silo, [...others, { silo, round: own, sha256 }]);
          await arrivals.discard(silo, records.commit(silo, own));
          await tellCommitted(silo, own, sha256);
        }),
      );
    },
    statuses: () => presence.statuses(),
    addSilo(name, publicKey) {
      requireSiloName(name);
      keys.set(name, publicKey);
      Object.assign(records.of(name), { isRevoked: false, left: null });
      records.changed(name);
    },
    removeSilo(name) {
      records.of(name).isRevoked = true;
      records.of(name).rounds.clear();
      presence.forget(name);
      records.changed(name);
    },
    async end() {
      const present = [...keys.keys()].filter((silo) => !records.of(silo).isRevoked);
      await Promise.all(present.map((silo) => send(silo, 'end', { run, plan: plan.sha256 })));
      if (!presence.isAnyoneHere()) return;
      const wait = { signal, limitMs: timing.endMs, what: 'The silos to go' };
      await until<void>(wait, (resolve) => {
        const ends = [...keys.keys()].map((silo) => records.onChange(silo, () => presence.isAnyoneHere() || resolve()));
        return () => {
          for (const end of ends) end();
        };
      }).catch((error: unknown) => {
        if (!(error instanceof LostPeerError)) throw error; // who is away takes notice when it is back
      });
    },
    async close() {
      stop.abort();
      clearTimeout(listenedLong);
      presence.close();
      await Promise.all([ended, arrivals.idle(), ...background]);
    },
  };
}

// --- internal ---

/** A silo says of no more releases that it waits for word of them. */
const MOST_PENDING = 256;

/** Number of the newest task in its stream. */
async function lastTask(link: Link): Promise<number> {
  const jsm = await jetstreamManager(link.nc, { timeout: link.timing.tryMs, checkAPI: false });
  return (await insistOn(link, 'A look at the tasks', () => jsm.streams.info(TASKS))).state.last_seq;
}

type Committed = ReturnType<SiloHubOptions['committedSoFar']>;

function newestOf(committed: Committed): Committed[number] | null {
  return committed.reduce<Committed[number] | null>((best, one) => (best && best.round > one.round ? best : one), null);
}
