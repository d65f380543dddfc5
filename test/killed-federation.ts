// A federation in processes of their own, for tests of what kill -9 and worse can do to it: made on loopback over TLS, kept
// running until its run is over, and struck at named steps.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { dealToSilos } from '../src/deployment/deal-to-silos.ts';
import { federationSpec } from '../src/deployment/federation-spec.ts';
import { initServer } from '../src/deployment/init-server.ts';
import { inviteSilo } from '../src/deployment/invitations.ts';
import { loopbackSettings } from '../src/deployment/laptop.ts';
import { type ServerLayout, serverLayout } from '../src/deployment/server-folder.ts';
import { type SiloLayout, siloLayout } from '../src/deployment/silo-home.ts';
import type { Spec } from '../src/experiments/spec.ts';
import { type NatsServer, startNatsServer } from '../src/net/nats-process.ts';
import { TIMING, type Timing } from '../src/net/timing.ts';

/** A step of a round at which somebody is killed. */
export interface Strike {
  /** Whose step: `server`, or the name of a silo. */
  readonly who: string;
  readonly step: string;
  /** Null: whichever comes first. */
  readonly round: number | null;
  /** Who is killed. */
  readonly target: 'self' | 'broker';
}

/** What a process is told to do. */
export interface ProcessTask {
  readonly role: 'server' | 'silo';
  /** `server`, or the name of a silo. */
  readonly who: string;
  readonly folder: string;
  readonly nats: 'local' | null;
  readonly invite: string | null;
  readonly data: string | null;
  readonly ledger: string | null;
  readonly timing: Timing;
  readonly strikes: readonly Strike[];
  /** Takes a line for each step. */
  readonly log: string;
  readonly brokerPid: string;
}

/** A line of the log that all processes write. */
export interface LogLine {
  readonly at: number;
  readonly pid: number;
  readonly who: string;
  readonly step?: string;
  readonly round?: number | null;
  readonly silo?: string;
  /** Of a release that comes late: the round that it answers. */
  readonly answers?: number;
  readonly sha256?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly struck?: Strike;
  readonly ended?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly facts: Record<string, unknown> };
}

/** Times of the protocol made short, as a killed process is away for a second here and not for minutes. */
export const SHORT: Timing = {
  ...TIMING,
  tryMs: 1_000,
  workingEveryMs: 400,
  ackWaitMs: 1_500,
  statusEveryMs: 200,
  heardWithinMs: 1_200,
  taskWaitMs: 1_000,
  endMs: 5_000,
};

export interface KilledFederation {
  readonly spec: Spec;
  readonly server: ServerLayout;
  readonly root: string;
  home(silo: string): SiloLayout;
  data(silo: string): string;
  ledger(silo: string): string;
  /** All that all processes told, in the order of writing; unfinished lines are left out. */
  log(): readonly LogLine[];
  /** Resolves when the log has such a line. */
  seen(isIt: (line: LogLine) => boolean): Promise<void>;
  /** Starts its broker where none runs; it is started again whenever it is killed, until `close`. */
  keepBroker(): Promise<void>;
  /** A process of it. It is not started again. */
  start(who: string, change?: Partial<ProcessTask>, env?: Readonly<Record<string, string>>): Process;
  /** Keeps the server and all silos running until all have ended well. Throws where one ends otherwise than by a kill. */
  playAll(strikes: readonly Strike[], options?: PlayOptions): Promise<void>;
  /** Ends whatever still runs. */
  close(): Promise<void>;
}

/** As the settings of a server have it. */
export interface RoundClosing {
  readonly quorum: number;
  readonly deadlineMinutes: number;
}

export interface PlayOptions {
  readonly nats?: 'local' | null;
  /** Awaited before somebody starts again, with the strike that ended them. */
  readonly beforeAgain?: (who: string, last: Strike) => Promise<void>;
}

export interface Process {
  readonly child: ChildProcess;
  readonly end: Promise<Ended>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Federations of one test file, which are closed together. */
export interface KilledFederations {
  readonly make: (...of: [spec: Spec, options?: FederationOptions]) => Promise<KilledFederation>;
  readonly close: () => Promise<unknown>;
}

/** Makes them in folders of their own within `parent`. */
export function federationsIn(parent: string): KilledFederations {
  const made: KilledFederation[] = [];
  return {
    async make(...of) {
      const federation = await killedFederation(parent, ...of);
      made.push(federation);
      return federation;
    },
    close: () => Promise.all(made.map((one) => one.close())),
  };
}

export interface FederationOptions {
  /** Default SHORT. */
  readonly timing?: Timing;
  /** Default every silo. */
  readonly closing?: RoundClosing;
}

/** A federation that does in processes what `spec` does in one; folders and images are made, nothing runs. */
async function killedFederation(
  parent: string,
  spec: Spec,
  { timing = SHORT, closing }: FederationOptions = {},
): Promise<KilledFederation> {
  const root = mkdtempSync(join(parent, 'federation-'));
  const server = serverLayout(join(root, 'server'));
  const at = (silo: string, place: string) => join(root, silo, place);
  const { images } = await dealToSilos(spec, { env: {} }, (silo) => at(silo, 'data'));
  const { source } = spec.data;
  if (source.kind === 'at-silos') throw new Error('a simulation was expected');
  const settings = { ...(await loopbackSettings()), ...closing };
  await initServer({ layout: server, spec: federationSpec(spec, images, source), settings, now: new Date() });
  const names = spec.silos.map(({ name }) => name);
  const invites = new Map<string, string>();
  for (const name of names) invites.set(name, (await inviteSilo(server, name, { again: false })).line);
  const log = join(root, 'log.jsonl');
  const living = new Set<ChildProcess>();
  let isClosed = false;
  let broker: NatsServer | null = null;
  let brokerEnds: Promise<void> = Promise.resolve();
  let tasks = 0;

  const lines = (): readonly LogLine[] =>
    existsSync(log)
      ? readFileSync(log, 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as LogLine)
      : [];
  const isStruck = (strike: Strike) =>
    lines().some(({ struck }) => struck !== undefined && JSON.stringify(struck) === JSON.stringify(strike));
  const start: KilledFederation['start'] = (who, change = {}, env = {}) => {
    const isServer = who === 'server';
    const task: ProcessTask = {
      role: isServer ? 'server' : 'silo',
      who,
      folder: isServer ? server.root : at(who, 'home'),
      nats: null,
      invite: isServer ? null : (invites.get(who) ?? null),
      data: isServer ? null : at(who, 'data'),
      ledger: isServer ? null : at(who, 'ledger'),
      timing,
      strikes: [],
      log,
      brokerPid: server.nats.pid,
      ...change,
    };
    const file = join(root, `task-${tasks++}.json`);
    mkdirSync(root, { recursive: true });
    writeFileSync(file, JSON.stringify(task), { mode: 0o600 });
    const child = spawn(process.execPath, ['--no-concurrent-marking', PROGRAM, file], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    living.add(child);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
    const end = new Promise<Ended>((done) => {
      child.once('close', (code, signal) => {
        living.delete(child);
        done({ code, signal, stderr });
      });
    });
    return { child, end };
  };
  const keepBroker = async () => {
    const { config, log: natsLog, pid } = server.nats;
    broker = await startNatsServer({ config, log: natsLog, pidFile: pid });
    brokerEnds = broker.exited.then(() => (isClosed ? undefined : keepBroker()));
  };
  return {
    spec,
    server,
    root,
    home: (silo) => siloLayout(at(silo, 'home')),
    data: (silo) => at(silo, 'data'),
    ledger: (silo) => at(silo, 'ledger'),
    log: lines,
    async seen(isIt) {
      while (!lines().some(isIt)) await pause(20);
    },
    keepBroker,
    start,
    async playAll(strikes, { nats = null, beforeAgain } = {}) {
      if (nats === null && broker === null) await keepBroker();
      const keep = async (who: string) => {
        for (;;) {
          const left = strikes.filter((strike) => strike.who === who && !isStruck(strike));
          const { code, signal, stderr } = await start(who, { strikes: left, nats: who === 'server' ? nats : null })
            .end;
          if (code === 0) return;
          if (signal !== 'SIGKILL' || isClosed) throw new Error(`${who} ended with ${code ?? signal}: ${stderr}`);
          const last = lines().findLast((line) => line.who === who && line.struck)?.struck;
          if (last) await beforeAgain?.(who, last);
        }
      };
      await Promise.all(['server', ...names].map(keep));
    },
    async close() {
      isClosed = true;
      for (const child of living) child.kill('SIGKILL');
      await broker?.close();
      await brokerEnds;
      const { pid } = server.nats;
      if (!existsSync(pid)) return;
      const left = Number(readFileSync(pid, 'utf8'));
      const command = existsSync(`/proc/${left}/cmdline`) ? readFileSync(`/proc/${left}/cmdline`, 'utf8') : '';
      if (left > 1 && command.includes(server.nats.config)) process.kill(left, 'SIGKILL');
    },
  };
}

/** Hashes of every decoder and of the global model of a run folder, by path. */
export function hashesIn(run: string): Readonly<Record<string, string>> {
  const decoders = join(run, 'decoders');
  const files = readdirSync(decoders, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  files.push(join(run, 'global', 'align', 'state.safetensors'));
  return Object.fromEntries(
    files.map((file) => [file.slice(run.length), createHash('sha256').update(readFileSync(file)).digest('hex')]),
  );
}

// --- internal ---

const PROGRAM = resolve(import.meta.dirname, 'federation-process.mjs');
