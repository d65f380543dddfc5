// A nats-server of its own for a test file: encrypted, on loopback, in a temporary folder, with an identity for the server and
// one for each silo. `describe.skipIf(!natsServer)` and say so in the name.

import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Certificates, createCertificates } from '../src/net/certificates.ts';
import { type ConnectionNotice, connectNats, type ServerAddress } from '../src/net/connect.ts';
import { freePort } from '../src/net/free-port.ts';
import { createIdentity, type Identity } from '../src/net/identity.ts';
import { natsConfig, type SiloAccess } from '../src/net/nats-config.ts';
import { siloInbox } from '../src/net/nats-permissions.ts';
import { findNatsServer, type NatsServer, startNatsServer } from '../src/net/nats-process.ts';

/** The program, or null where it is not installed. */
export const natsServer = findNatsServer();

/** Ends the name of a test that needs it. */
export const NEEDS_NATS = natsServer === null ? ' (skipped: no nats-server on PATH)' : '';

/** Minutes of kills and cut connections: asked for with ALIGN_FL_FAULTS=1, as every check of a change does. */
export const triesFaults = natsServer !== null && process.env['ALIGN_FL_FAULTS'] === '1';

/** Ends the name of a test that takes so long. */
export const NEEDS_FAULTS = triesFaults ? '' : ' (skipped without nats-server and ALIGN_FL_FAULTS=1)';

export interface TestNats {
  /** For connectNats. */
  readonly address: ServerAddress;
  /** Temporary folder of this server; free to be used by the test, removed by `close`. */
  readonly folder: string;
  /** Of the federation's server. */
  readonly server: Identity;
  readonly serverSeed: string;
  /** Identity by name of silo. Throws where there is no such silo. */
  silo(name: string): Identity;
  siloSeed(name: string): string;
  /** A connection of the server, closed by `close`. */
  connectServer(onNotice?: (notice: ConnectionNotice) => void): Promise<NatsConnection>;
  /** A connection of a silo, closed by `close`. */
  connectSilo(name: string, onNotice?: (notice: ConnectionNotice) => void): Promise<NatsConnection>;
  /** Writes the configuration for other silos than before, and has it read. */
  setSilos(silos: readonly SiloAccess[]): Promise<void>;
  /** What the configuration says of the silos at the start. */
  readonly access: readonly SiloAccess[];
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again after `kill` or `stop`, on the same port and with the same store. */
  restart(): Promise<void>;
  /** Stops it cleanly; `restart` goes on. */
  stop(): Promise<void>;
  /** All that it logged. */
  log(): Promise<string>;
  readonly pid: () => number;
  /** Ends connections and server, removes the folder. */
  close(): Promise<void>;
}

/** Starts one with an enrolled identity for each of `silos`. */
export async function startTestNats(options: {
  readonly silos: readonly string[];
  readonly maxStoreBytes?: number;
  /** In place of good ones. */
  readonly certificates?: Certificates;
}): Promise<TestNats> {
  const folder = await mkdtemp(join(tmpdir(), 'align-fl-nats-'));
  const at = (name: string) => join(folder, name);
  const server = createIdentity();
  const silos = new Map(options.silos.map((name) => [name, createIdentity()]));
  const access = [...silos].map(([name, { identity }]) => ({ name, key: identity.publicKey, enrolKey: null }));
  const { caPem, certPem, keyPem } =
    options.certificates ?? (await createCertificates({ hosts: ['127.0.0.1', 'localhost'], now: new Date() }));
  await writeFile(at('cert.pem'), certPem);
  await writeFile(at('key.pem'), keyPem);
  await chmod(at('key.pem'), 0o600);
  const port = await freePort();
  const place = { config: at('nats-server.conf'), log: at('nats-server.log'), pidFile: at('nats-server.pid') };
  const writeConfig = (now: readonly SiloAccess[]) =>
    writeFile(
      place.config,
      natsConfig({
        port,
        host: '127.0.0.1',
        storeDir: at('jetstream'),
        tls: { certFile: at('cert.pem'), keyFile: at('key.pem') },
        server: server.identity.publicKey,
        silos: now,
        maxStoreBytes: options.maxStoreBytes ?? 1024 ** 3,
        natsVersion: natsServer?.version ?? '2.9.10',
      }),
    );
  await writeConfig(access);
  let running: NatsServer = await startWatched(place);
  const address = { servers: [`tls://127.0.0.1:${port}`], ca: caPem };
  const connections: NatsConnection[] = [];
  let changing: Promise<void> = Promise.resolve();
  const siloOf = (name: string) => {
    const found = silos.get(name);
    if (found === undefined) throw new Error(`there is no silo ${name}`);
    return found;
  };
  const open = async (
    who: Pick<Parameters<typeof connectNats>[1], 'identity' | 'inboxPrefix' | 'name' | 'onNotice'>,
  ) => {
    const nc = await connectNats(address, { ...who, reconnectMs: 50 });
    connections.push(nc);
    return nc;
  };
  return {
    address,
    folder,
    server: server.identity,
    serverSeed: server.seed,
    silo: (name) => siloOf(name).identity,
    siloSeed: (name) => siloOf(name).seed,
    connectServer: (onNotice = () => {}) =>
      open({ identity: server.identity, inboxPrefix: '_INBOX', name: 'server', onNotice }),
    connectSilo: (name, onNotice = () => {}) =>
      open({ identity: siloOf(name).identity, inboxPrefix: siloInbox(name), name, onNotice }),
    access,
    setSilos: async (now) => {
      // One after the other: half a configuration would be refused.
      const mine = changing.then(async () => {
        await writeConfig(now);
        await running.reload();
      });
      changing = mine.catch(() => {});
      await mine;
    },
    kill: async () => {
      process.kill(running.pid, 'SIGKILL');
      await running.exited;
    },
    stop: () => running.close(),
    restart: async () => {
      running = await startWatched(place);
    },
    log: () => readFile(place.log, 'utf8'),
    pid: () => running.pid,
    close: async () => {
      await Promise.all(connections.map((nc) => nc.close()));
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

// --- internal ---

/** The server outlives whoever started it, which a killed test must not leave behind: a shell waits for our end, then ends it. */
async function startWatched(place: Parameters<typeof startNatsServer>[0]): Promise<NatsServer> {
  const server = await startNatsServer(place);
  const watch = spawn('sh', ['-c', 'cat > /dev/null; kill -9 "$0"', String(server.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watch.on('error', () => {}); // no shell here
  watch.unref();
  void server.exited.then(() => watch.kill('SIGKILL'));
  return server;
}
