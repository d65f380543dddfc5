// A nats-server on this machine, as a process of its own: found, started, told of a new configuration, stopped. It outlives a
// process of ours that is killed; the next one finds it by its pid file and takes it over.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AbortedError, DeviceError, LostPeerError, StateError } from '../errors.ts';
import { endOfLog, errorsOf, logSince, wordsOf } from './nats-server-log.ts';

/** The program that was found. */
export interface NatsServerProgram {
  readonly path: string;
  /** Such as "2.9.10". */
  readonly version: string;
}

/** A nats-server that accepts connections. */
export interface NatsServer {
  /** Such as tls://127.0.0.1:4222. */
  readonly url: string;
  readonly pid: number;
  /** Whether it ran already: an earlier process of ours started it. */
  readonly takenOver: boolean;
  /** Resolves when it is gone, for whatever reason. Never rejects. */
  readonly exited: Promise<void>;
  /** Makes it read its configuration again. See `reloadNatsServer`. */
  reload(): Promise<void>;
  /** Stops it and waits until it is gone. May be called again. */
  close(): Promise<void>;
}

/** The nats-server on PATH, or where Debian and Homebrew put it; null where there is none that runs. */
export function findNatsServer(path: string = process.env['PATH'] ?? ''): NatsServerProgram | null {
  const name = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';
  for (const folder of [...path.split(delimiter), ...BESIDES_PATH]) {
    const file = join(folder, name);
    if (folder === '' || !existsSync(file)) continue;
    const told = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    const version = /v?(\d+\.\d+\.\d+\S*)/.exec(told.stdout ?? '')?.[1];
    if (told.status === 0 && version !== undefined) return { path: file, version };
  }
  return null;
}

/** `findNatsServer`, or DeviceError with how to install it. */
export function needNatsServer(): NatsServerProgram {
  const found = findNatsServer();
  if (found !== null) return found;
  const { debian, macos, anywhere, docker } = INSTALL_LINES;
  throw new DeviceError(
    `There is no nats-server on PATH. Debian, Ubuntu: ${debian}. macOS: ${macos}. Anywhere: ${anywhere}. ` +
      `With Docker, in the federation's folder: ${docker}`,
    { program: 'nats-server' },
  );
}

/**
 * Starts a nats-server with the configuration file `config`, which logs to `log`, and waits until it accepts connections. Where
 * `pidFile` names one that runs with this configuration already, that one is told to read it again and taken over.
 * Throws DeviceError where the program is missing or its port is taken, StateError where it refuses the configuration.
 */
export async function startNatsServer(options: {
  readonly config: string;
  readonly log: string;
  readonly pidFile: string;
  readonly program?: NatsServerProgram;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}): Promise<NatsServer> {
  const [config, log, pidFile] = [resolve(options.config), resolve(options.log), resolve(options.pidFile)];
  const program = options.program ?? needNatsServer();
  const place = { config, log, pidFile, timeoutMs: options.timeoutMs ?? START_MS, signal: options.signal };
  const running = await runningPid(place);
  if (running !== null) {
    const url = await urlOf(place, running, neverExits);
    await reloadNatsServer(place);
    return serverOf(place, { url, pid: running, takenOver: true, exited: goneByPid(running) });
  }
  await mkdir(dirname(log), { recursive: true });
  await mkdir(dirname(pidFile), { recursive: true });
  const offset = await endOfLog(log);
  // Detached: Ctrl-C in a terminal goes to everybody in the group, and would take the broker away while we still say goodbye.
  const child = spawn(program.path, ['-c', config, '-P', pidFile, '-l', log, '--ports_file_dir', dirname(pidFile)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < MAX_SAID) said += text;
  });
  const exited = new Promise<void>((done) => {
    child.once('exit', () => done());
    child.once('error', () => done()); // could not be started at all
  });
  const pid = child.pid ?? -1;
  const ended = { hasHappened: () => child.exitCode !== null || child.signalCode !== null || pid < 0 };
  try {
    const url = await urlOf(place, pid, ended);
    child.unref();
    return serverOf(place, { url, pid, takenOver: false, exited });
  } catch (error) {
    if (!ended.hasHappened()) {
      child.kill('SIGKILL');
      await exited;
    }
    if (error instanceof AbortedError) throw error;
    const reasons = [...said.split('\n').map((line) => line.trim()), ...errorsOf(await logSince(log, offset))];
    throw refusal(
      reasons.filter((line) => line !== ''),
      { config, log, cause: error },
    );
  }
}

/**
 * Makes the nats-server of `pidFile` read its configuration again, and waits until its log says that it did. Whoever is no
 * longer in it is disconnected; the others stay. Throws StateError, with the server's own words, where it refuses: it then goes
 * on with what it had. LostPeerError where no such server runs.
 */
export async function reloadNatsServer(place: {
  readonly config: string;
  readonly log: string;
  readonly pidFile: string;
  readonly timeoutMs?: number;
}): Promise<void> {
  const pid = await runningPid(place);
  if (pid === null) {
    throw new LostPeerError(
      `No nats-server runs with ${place.config}. Start it; it reads the new configuration then.`,
      {
        config: place.config,
      },
    );
  }
  // Twice: nats-server 2.9 connects an account that is new to it with the federation's only when it reads it a second time.
  for (let time = 1; time <= 2; time++) await readAgain(place, pid);
}

// --- internal ---

/** How a nats-server comes onto this machine; `docker` runs it elsewhere, under the same configuration. */
const INSTALL_LINES = {
  debian: 'sudo apt install nats-server',
  macos: 'brew install nats-server',
  anywhere: 'https://github.com/nats-io/nats-server/releases (one file, to be put on PATH)',
  docker: 'docker run --rm --network host -v "$PWD:$PWD" nats:2 -c "$PWD/nats-server.conf"',
} as const;

const BESIDES_PATH = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];
const START_MS = 20_000;
const RELOAD_MS = 10_000;
const STOP_MS = 10_000;
const POLL_MS = 10;
const MAX_SAID = 16 * 1024;

interface Place {
  readonly config: string;
  readonly log: string;
  readonly pidFile: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Ended {
  readonly hasHappened: () => boolean;
}

const neverExits: Ended = { hasHappened: () => false };

function serverOf(place: Place, facts: Omit<NatsServer, 'reload' | 'close'>): NatsServer {
  const close = async () => {
    if (!isAlive(facts.pid)) return;
    signalTo(facts.pid, 'SIGTERM');
    const waiting = new AbortController();
    try {
      await Promise.race([facts.exited, pause(STOP_MS, null, { signal: waiting.signal }).catch(() => null)]);
    } finally {
      waiting.abort();
    }
    if (isAlive(facts.pid)) {
      signalTo(facts.pid, 'SIGKILL');
      await facts.exited;
    }
    await rm(place.pidFile, { force: true });
    await rm(portsFile(place, facts.pid), { force: true });
  };
  const quit = () => signalTo(facts.pid, 'SIGKILL'); // whoever ends without `close` leaves none behind, unless by kill -9
  process.once('exit', quit);
  void facts.exited.then(() => process.off('exit', quit));
  return { ...facts, reload: () => reloadNatsServer(place), close };
}

/** The address that the server itself names, as soon as it accepts connections. */
async function urlOf(place: Place, pid: number, ended: Ended): Promise<string> {
  const limit = AbortSignal.timeout(place.timeoutMs);
  while (!limit.aborted && !ended.hasHappened()) {
    if (place.signal?.aborted === true) throw new AbortedError('Stopped while the nats-server was starting.');
    const [url] = await readPorts(portsFile(place, pid));
    if (url !== undefined) return url;
    await pause(POLL_MS);
  }
  throw new Error(ended.hasHappened() ? 'it ended' : 'it did not accept connections in time');
}

function portsFile({ pidFile }: { readonly pidFile: string }, pid: number): string {
  return join(dirname(pidFile), `nats-server_${pid}.ports`);
}

async function readPorts(path: string): Promise<readonly string[]> {
  try {
    const told = JSON.parse(await readFile(path, 'utf8')) as { nats?: unknown };
    return Array.isArray(told.nats) ? told.nats.filter((url) => typeof url === 'string') : [];
  } catch {
    return []; // not there, or not whole yet
  }
}

/** The process of the pid file, if it is alive and a nats-server with this configuration: numbers of processes are used again. */
async function runningPid({ pidFile, config }: Pick<Place, 'pidFile' | 'config'>): Promise<number | null> {
  let text: string;
  try {
    text = await readFile(pidFile, 'utf8');
  } catch {
    return null;
  }
  const pid = /^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : 0;
  if (pid < 2 || !isAlive(pid)) return null;
  const command = await commandOf(pid);
  return command.includes('nats-server') && command.includes(resolve(config)) ? pid : null;
}

async function commandOf(pid: number): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  } catch {
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', timeout: 10_000 }).stdout ?? '';
  }
}

function isAlive(pid: number): boolean {
  return pid > 1 && signalTo(pid, 0);
}

/** Whether there was somebody to get it. */
function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function readAgain(place: Parameters<typeof reloadNatsServer>[0], pid: number): Promise<void> {
  const offset = await endOfLog(place.log);
  signalTo(pid, 'SIGHUP');
  const limit = AbortSignal.timeout(place.timeoutMs ?? RELOAD_MS);
  while (!limit.aborted) {
    const lines = await logSince(place.log, offset);
    if (lines.some((line) => line.includes('Reloaded server configuration'))) return;
    const refused = lines.find((line) => line.includes('Failed to reload server configuration'));
    if (refused !== undefined) {
      throw new StateError(
        `The nats-server refused the new configuration and goes on with the old one: ${wordsOf(refused)}. It is ${place.config}.`,
        { config: place.config },
      );
    }
    await pause(POLL_MS);
  }
  throw new LostPeerError(
    `The nats-server (process ${pid}) did not say within the time limit that it took the new configuration. Look into ${place.log}.`,
    { config: place.config, log: place.log, pid },
  );
}

async function goneByPid(pid: number): Promise<void> {
  while (isAlive(pid)) await pause(POLL_MS * 20, undefined, { ref: false });
}

function refusal(
  reasons: readonly string[],
  { config, log, cause }: { readonly config: string; readonly log: string; readonly cause: unknown },
): DeviceError | StateError {
  const words = reasons.join('; ') || (cause instanceof Error ? cause.message : 'it said nothing');
  if (/address already in use/i.test(words)) {
    const port = /(\S+:\d+)/.exec(words)?.[1]?.replace(/,$/, '') ?? 'its port';
    return new DeviceError(
      `The nats-server could not listen on ${port}: another program does (perhaps a nats-server that the system started: ` +
        '"systemctl stop nats-server"). Stop that one, or choose another port.',
      { address: port, config },
      { cause },
    );
  }
  return new StateError(
    `The nats-server did not start. It said: ${words}. Its configuration is ${config}, its log ${log}.`,
    { config, log },
    { cause },
  );
}
