// The server's end of the network: a port to each silo, and what keeps a round true when either side was gone in between.
//
// Nothing here must survive: tasks and notices are kept by the broker, files in the folder of what came, and what counts as
// committed in the caller's journal. A hub that is opened anew reads the notices again and goes on.

import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { LostPeerError, ShapeError } from '../errors.ts';
import type { SiloPort } from '../federation/silo-port.ts';
import { openBackground } from './background.ts';
import { insistOn, type Link } from './bucket.ts';
import { openArrivals } from './hub-arrivals.ts';
import { listenToSilos } from './hub-listening.ts';
import { hubPort } from './hub-port.ts';
import type { Presence } from './hub-presence.ts';
import { type Gone, isWanted, openHubRecords } from './hub-records.ts';
import { settle } from './hub-settled.ts';
import { dismiss, type HubState } from './hub-state.ts';
import { askFor, tellCommitted, tellEnd } from './hub-tells.ts';
import { takeUpdate } from './hub-updates.ts';
import type { Identity } from './identity.ts';
import type { Body, NamedRelease, ReleaseHeader } from './messages.ts';
import { newestOf } from './named-releases.ts';
import type { HubEvent, ReleaseId } from './net-events.ts';
import { requireSiloName, TASKS } from './subjects.ts';
import { TIMING, type Timing } from './timing.ts';
import { readUpdates } from './updates-reader.ts';
import { withdrawTasks } from './withdrawn-tasks.ts';
import { closedConnection, until } from './waiting.ts';

export interface SiloHubOptions {
  readonly nc: NatsConnection;
  /** The server's. */
  readonly identity: Identity;
  /** Public keys of the silos that are known so far. */
  readonly silos: ReadonlyMap<string, string>;
  /** Silos that left or were revoked, and were not invited again: their ports say so at once. Default none. */
  readonly gone?: ReadonlyMap<string, Gone>;
  /** Keys that silos had before: what they published with them is passed over without a word. Default none. */
  readonly formerKeys?: ReadonlyMap<string, readonly string[]>;
  readonly federation: string;
  /** Of this software; silos of another minor version are turned away. */
  readonly version: string;
  readonly run: string;
  /** What silos are asked to agree to. `sha256` is that of `text`. */
  readonly plan: { readonly sha256: string; readonly text: string };
  /**
   * From the caller's journal: releases of a silo that are committed in this plan, with the rounds that they answered. It is asked
   * whenever that matters, and knows of what `commit` is told.
   */
  readonly committedSoFar: (silo: string) => readonly NamedRelease[];
  /** Where decoders lie until a later one of their silo is committed. */
  readonly incomingDir: string;
  /** Throws ReleaseError for a file that must not be used. */
  readonly inspect: (file: string, header: ReleaseHeader) => Promise<void>;
  readonly emit: (event: HubEvent) => void;
  readonly signal: AbortSignal;
  readonly timing?: Timing;
}

export interface SiloHub {
  /**
   * The port to a silo, whether it is known yet or not. `play` asks for a round unless its release is here, and waits. It throws
   * ReleaseError where the release was refused; what the silo failed with, by its code, with `facts.failed`; LostPeerError with
   * `facts.left` or `facts.revoked` where the silo is gone; AbortedError; and ShapeError for weights, which never travel.
   * `late` gives the newest release that is here, inspected and not committed: what came after its round was closed.
   */
  port(name: string): Required<SiloPort>;
  /**
   * Tells silos that their releases are safe, AFTER the caller's journal has them durably in `round`. Each names the round that
   * it answers, which is this or, for what came late, an earlier one: equal decoders may answer several. Repeating it is
   * harmless. Throws ShapeError for one that answers a later round.
   */
  commit(round: number, uploads: readonly ReleaseId[]): Promise<void>;
  /** Knows a silo, or its new key, from now on. */
  addSilo(name: string, publicKey: string): void;
  /** Nothing of the silo is heard any more, until `addSilo`. */
  removeSilo(name: string, how: Gone): void;
  /** Tells all silos that the run is over (whoever is known later, then), and waits a little for those that are there to go. */
  end(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the hub when all that silos have published so far is read. Streams and buckets are there (`provision`). */
export async function openSiloHub(options: SiloHubOptions): Promise<SiloHub> {
  const stop = new AbortController();
  const hub = stateOf(options, AbortSignal.any([options.signal, stop.signal]));
  const { link, keys, records, committed, arrivals, background } = hub;
  void link.nc.closed().then(() => stop.abort(closedConnection(link.nc)));

  for (const [silo, how] of options.gone ?? []) dismiss(hub, silo, how);
  for (const silo of keys.keys()) {
    const newest = newestOf(committed(silo));
    if (newest) await arrivals.discard(silo, records.commit(silo, newest.round));
  }
  const since = await lastTask(link);
  const { ended } = await readUpdates(link, (update) => takeUpdate(hub, update));
  const presence = listenToSilos(hub, welcomeTo(options, since), options.version);
  for (const silo of keys.keys()) {
    const newest = newestOf(committed(silo)); // the last server may have been killed before it said so
    if (newest) background.start(tellCommitted(hub, { silo, ...newest }));
  }

  let isOver = false;
  return {
    port(name) {
      requireSiloName(name);
      return hubPort(hub, name);
    },
    commit: (round, uploads) => commit(hub, round, uploads),
    addSilo(name, publicKey) {
      requireSiloName(name);
      keys.set(name, publicKey);
      records.of(name).gone = null;
      records.changed(name);
      if (isOver) background.start(endFor(hub, name)); // it came after the others had heard
    },
    removeSilo(name, how) {
      dismiss(hub, name, how);
      presence.forget(name);
    },
    async end() {
      isOver = true;
      await endRun(hub, presence);
    },
    async close() {
      stop.abort();
      presence.close();
      await Promise.all([ended, arrivals.idle(), background.idle()]);
    },
  };
}

// --- internal ---

function stateOf(options: SiloHubOptions, signal: AbortSignal): HubState {
  const { nc, identity, run, plan, incomingDir, inspect, emit, timing = TIMING } = options;
  const onRetry = (what: string, error: Error) => emit({ kind: 'retry', what, message: error.message });
  const link = { nc, timing, signal, onRetry };
  const hub: HubState = {
    link,
    identity,
    run,
    plan: plan.sha256,
    keys: new Map(options.silos),
    formerKeys: options.formerKeys ?? new Map(),
    records: openHubRecords(),
    committed: options.committedSoFar,
    arrivals: openArrivals({
      link,
      incomingDir,
      inspect,
      onSettled: (candidate) => settle(hub, candidate),
      isWanted: (candidate) => isWanted(hub.records, candidate),
      askAgain: ({ silo, round }) => askFor(hub, silo, round),
    }),
    background: openBackground(signal, (error) =>
      emit({ kind: 'retry', what: 'A message to a silo', message: String(error) }),
    ),
    emit,
  };
  return hub;
}

/** `since`: number of the newest task before this server began. */
function welcomeTo({ run, plan, federation }: SiloHubOptions, since: number): Body<'welcome'> {
  return { run, plan: plan.sha256, planText: plan.text, federation, since };
}

/** Number of the newest task in its stream. */
async function lastTask(link: Link): Promise<number> {
  const jsm = await jetstreamManager(link.nc, { timeout: link.timing.tryMs, checkAPI: false });
  return (await insistOn(link, 'A look at the tasks', () => jsm.streams.info(TASKS))).state.last_seq;
}

async function commit(hub: HubState, round: number, uploads: readonly ReleaseId[]): Promise<void> {
  if (uploads.some((upload) => upload.round > round)) {
    throw new ShapeError(`Round ${round} cannot have committed the answer to a later one. This is a bug.`);
  }
  const { records, arrivals } = hub;
  await Promise.all(
    uploads.map(async (upload) => {
      await arrivals.discard(upload.silo, records.commit(upload.silo, upload.round));
      await tellCommitted(hub, upload);
    }),
  );
}

/** Asks a silo for nothing more, and tells it that the run is over. */
async function endFor(hub: HubState, silo: string): Promise<void> {
  await withdrawTasks(hub.link, silo, hub.identity.publicKey);
  await tellEnd(hub, silo);
}

/** Tells all silos that the run is over, asks them for nothing more, and waits a little for those that are there to go. */
async function endRun(hub: HubState, presence: Presence): Promise<void> {
  const { link, keys, records } = hub;
  const known = [...keys.keys()].filter((silo) => records.of(silo).gone === null);
  await Promise.all(known.map((silo) => endFor(hub, silo)));
  if (!presence.isAnyoneHere()) return;
  const wait = { signal: link.signal, limitMs: link.timing.endMs, what: 'The silos to go' };
  await until<void>(wait, (resolve) => {
    const ends = [...keys.keys()].map((silo) => records.onChange(silo, () => presence.isAnyoneHere() || resolve()));
    return () => {
      for (const end of ends) end();
    };
  }).catch((error: unknown) => {
    if (!(error instanceof LostPeerError)) throw error; // who is away takes notice when it is back
  });
}
