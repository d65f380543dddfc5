// A federation for tests of the protocol: a hub and agents in this process, over a real broker, with hand-made decoders.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { seal } from '../src/exchange/gate.ts';
import { inspectDecoder } from '../src/exchange/inspect.ts';
import { NO_PRIVACY } from '../src/exchange/privacy-statement.ts';
import { type ReceivedRelease, receivedRelease } from '../src/exchange/release.ts';
import type { ReceivedUpload } from '../src/exchange/upload.ts';
import { openDepartures, readDepartures } from '../src/net/departures.ts';
import type { Identity } from '../src/net/identity.ts';
import type { AgentEvent, HubEvent } from '../src/net/net-events.ts';
import { openOutbox } from '../src/net/outbox.ts';
import { provision } from '../src/net/provision.ts';
import { runSiloAgent, type SiloAgentOptions } from '../src/net/silo-agent.ts';
import { openSiloHub, type SiloHub, type SiloHubOptions } from '../src/net/silo-hub.ts';
import { TIMING, type Timing } from '../src/net/timing.ts';
import { contentHash } from '../src/storage/content-hash.ts';
import { HAND_MADE_SHAPE, handMadeDecoder } from './hand-made-decoder.ts';
import { readUpload } from './small-silos.ts';
import type { TestNats } from './nats-fixture.ts';

/** Seconds become tenths. */
export const QUICK: Timing = {
  ...TIMING,
  tryMs: 500,
  workingEveryMs: 200,
  ackWaitMs: 1_500,
  statusEveryMs: 100,
  heardWithinMs: 800,
  otherInstanceMs: 400,
  taskWaitMs: 1_000,
  stopMs: 200,
  endMs: 2_000,
};

export const PLAN_TEXT = '{"rounds":2}';
export const PLAN = contentHash(PLAN_TEXT);

/** The release of a silo's round: another decoder for each, the same whenever it is asked for. */
export function releaseOf(silo: string, round: number): ReceivedRelease {
  const w = Float32Array.from(contentHash(`${silo}/${round}`).slice(0, 8), (digit) => Number.parseInt(digit, 16) - 7);
  const onnx = handMadeDecoder((_, graph) => {
    const tensor = graph.initializer[0];
    if (tensor) Object.assign(tensor, { name: 'decoder.w', rawData: new Uint8Array(w.slice().buffer) });
    if (graph.node[0]) graph.node[0].input[1] = 'decoder.w';
  });
  const release = seal({
    silo,
    round,
    decoder: { onnx, specs: { 'decoder.w': { shape: [2, 4], dtype: 'float32' } as never }, classes: null },
    parameters: { 'decoder.w': w },
    shape: HAND_MADE_SHAPE,
    privacy: NO_PRIVACY,
  });
  return receivedRelease(release);
}

/** An upload with its file's bytes in it, as releases are at a silo. */
export async function wholeOf(upload: Promise<ReceivedUpload | null> | ReceivedUpload) {
  const came = await upload;
  return came && readUpload(came);
}

/** What is on the disk of a silo, and how often it was asked to train. */
export interface TestSilo {
  readonly name: string;
  readonly identity: Identity;
  readonly folder: string;
  /** Rounds that are done, with what they gave. */
  readonly done: Map<number, ReceivedRelease>;
  /** Rounds in the order in which they were trained, not answered from `done`. */
  readonly trained: number[];
}

export interface TestFederation {
  readonly server: Identity;
  readonly hubEvents: HubEvent[];
  readonly committed: Map<string, { round: number; sha256: string }[]>;
  silo(name: string): TestSilo;
  /** Resolves when the hub has told of such an event. */
  seen(kind: HubEvent['kind']): Promise<void>;
  seenWhere(test: (event: HubEvent) => boolean): Promise<void>;
  openHub(change?: Partial<SiloHubOptions>): Promise<SiloHub>;
  /** Starts an agent; `stop` ends it and waits. */
  agent(silo: TestSilo, change?: Partial<SiloAgentOptions>): TestAgent;
  /** As the caller does it: the journal first. */
  commit(
    hub: SiloHub,
    round: number,
    uploads: readonly { silo: string; round: number; sha256: string }[],
  ): Promise<void>;
  /** The server's connection, which may publish anything. */
  readonly nc: NatsConnection;
  /** How many messages a stream holds. */
  messagesIn(stream: string): Promise<number>;
  /** Removes what the server had downloaded. */
  dropIncoming(): void;
  closeAll(): Promise<void>;
}

export interface TestAgent {
  readonly events: AgentEvent[];
  readonly result: Promise<'ended' | 'left' | Error>;
  readonly leave: AbortController;
  stop(): Promise<void>;
  /** Resolves when an event of this kind, and round, has come. */
  seen(kind: AgentEvent['kind'], round?: number): Promise<void>;
}

/** A federation of `names`, anew at a broker that may have served another one. */
export async function testFederation(nats: TestNats, root: string, names: readonly string[]): Promise<TestFederation> {
  const folder = mkdtempSync(join(root, 'federation-'));
  const { server } = nats;
  const run = 'trial';
  const nc = await connections.of(nats, 'server');
  const jsm = await jetstreamManager(nc);
  for await (const { config } of jsm.streams.list()) await jsm.streams.delete(config.name);
  await provision(nc, names, { signal: AbortSignal.timeout(20_000), timing: QUICK });
  const silos = new Map(names.map((name) => [name, newSilo(name, folder, nats.silo(name))]));
  const hubEvents: HubEvent[] = [];
  const hubWatchers = new Set<() => void>();
  const seenWhere = (test: (event: HubEvent) => boolean) => seenIn(hubWatchers, () => hubEvents.some(test));
  const committed = new Map<string, { round: number; sha256: string }[]>();
  const closers: (() => Promise<unknown>)[] = [];
  return {
    server,
    nc,
    messagesIn: async (stream) => (await jsm.streams.info(stream)).state.messages,
    hubEvents,
    committed,
    silo: (name) => silos.get(name) as TestSilo,
    seenWhere,
    seen: (kind) => seenWhere((event) => event.kind === kind),
    async openHub(change = {}) {
      const hub = await openSiloHub({
        nc,
        identity: server,
        silos: new Map([...silos].map(([name, { identity }]) => [name, identity.publicKey])),
        federation: 'test',
        version: '0.1.0',
        run,
        plan: { sha256: PLAN, text: PLAN_TEXT },
        committedSoFar: (silo) => committed.get(silo) ?? [],
        incomingDir: join(folder, 'incoming'),
        inspect: async (file) =>
          void inspectDecoder(new Uint8Array(readFileSync(file)), { shape: HAND_MADE_SHAPE, classes: null }),
        emit(event) {
          hubEvents.push(event);
          for (const look of [...hubWatchers]) look();
        },
        signal: new AbortController().signal,
        timing: QUICK,
        ...change,
      });
      closers.push(() => hub.close());
      return hub;
    },
    agent(silo, change = {}) {
      const stop = new AbortController();
      const leave = new AbortController();
      const events: AgentEvent[] = [];
      const watchers = new Set<() => void>();
      const emit = (event: AgentEvent) => {
        events.push(event);
        for (const look of [...watchers]) look();
        change.emit?.(event);
      };
      const start = async () => {
        return runSiloAgent({
          nc: await connections.of(nats, silo.name),
          identity: silo.identity,
          silo: silo.name,
          server: server.publicKey,
          instance: `i${events.length}-${instances++}`,
          version: '0.1.0',
          home: {
            outbox: openOutbox(join(silo.folder, 'outbox')),
            departures: await openDepartures(join(silo.folder, 'departures.jsonl'), () => new Date(0)),
          },
          state: () => ({ plan: silo.done.size > 0 ? PLAN : null, round: Math.max(0, ...silo.done.keys()) }),
          seals: async () => [],
          agree: async () => {},
          play: async (round) => {
            const known = silo.done.get(round);
            if (known) return known;
            silo.trained.push(round);
            const release = releaseOf(silo.name, round);
            silo.done.set(round, release);
            return release;
          },
          leave: leave.signal,
          timing: QUICK,
          ...change,
          emit,
          signal: change.signal ? AbortSignal.any([stop.signal, change.signal]) : stop.signal,
        });
      };
      const result = start().catch((error: Error) => error);
      const agent: TestAgent = {
        events,
        result,
        leave,
        async stop() {
          stop.abort();
          await result;
        },
        seen: (kind, round) =>
          seenIn(watchers, () =>
            events.some(
              (event) => event.kind === kind && (round === undefined || ('round' in event && event.round === round)),
            ),
          ),
      };
      closers.unshift(() => agent.stop());
      return agent;
    },
    async commit(hub, round, uploads) {
      for (const { silo, round: own, sha256 } of uploads) {
        const soFar = committed.get(silo) ?? [];
        if (!soFar.some((one) => one.sha256 === sha256)) committed.set(silo, [...soFar, { round: own, sha256 }]);
      }
      await hub.commit(round, uploads);
    },
    dropIncoming: () => rmSync(join(folder, 'incoming'), { recursive: true, force: true }),
    async closeAll() {
      for (const close of closers) await close();
    },
  };
}

/** States of a silo's releases in the log of what left it, in order. */
export async function departuresOf(silo: TestSilo): Promise<readonly string[]> {
  const { departures } = await readDepartures(join(silo.folder, 'departures.jsonl'));
  return departures.map(({ round, state }) => `${round} ${state}`);
}

let instances = 0;

/** Looks at every event until `isSo`. */
function seenIn(watchers: Set<() => void>, isSo: () => boolean): Promise<void> {
  return new Promise<void>((resolve) => {
    const look = () => {
      if (!isSo()) return;
      watchers.delete(look);
      resolve();
    };
    watchers.add(look);
    look();
  });
}

/** One for each user of each broker. */
const connections = {
  open: new WeakMap<TestNats, Map<string, Promise<NatsConnection>>>(),
  of(nats: TestNats, name: string): Promise<NatsConnection> {
    const all = this.open.get(nats) ?? new Map<string, Promise<NatsConnection>>();
    this.open.set(nats, all);
    const one = all.get(name) ?? (name === 'server' ? nats.connectServer() : nats.connectSilo(name));
    all.set(name, one);
    return one;
  },
};

function newSilo(name: string, root: string, identity: Identity): TestSilo {
  const folder = join(root, name);
  mkdirSync(folder);
  return { name, identity, folder, done: new Map(), trained: [] };
}
