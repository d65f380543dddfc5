// The configuration of the federation's nats-server, as text: TLS, limits, and one user per key with exactly the subjects it
// needs. It holds public keys only. Nobody is let in without a key: there is no default user.

import { isIP } from 'node:net';
import { ShapeError, SpecError } from '../errors.ts';
import { isPublicKey } from './identity.ts';
import { enrolPermissions, EXPORTED, type Permissions, siloPermissions } from './nats-permissions.ts';
import { requireSiloName } from './subjects.ts';

/** One silo as the nats-server knows it. */
export interface SiloAccess {
  readonly name: string;
  /** Public key of an enrolled silo; null while it is only invited, or revoked. */
  readonly key: string | null;
  /** Public key of an open invite; null where there is none. */
  readonly enrolKey: string | null;
}

export interface NatsConfigOptions {
  /** -1 lets the system choose. */
  readonly port: number;
  /** Address to listen on. */
  readonly host: string;
  /** Folder of JetStream. */
  readonly storeDir: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string };
  /** Public key of the federation's server, which may do everything. */
  readonly server: string;
  readonly silos: readonly SiloAccess[];
  /** What JetStream may fill of the disk. */
  readonly maxStoreBytes: number;
  /** Of the nats-server that will read it, such as "2.9.10": 2.10 and newer write to the disk before they acknowledge. */
  readonly natsVersion: string;
}

/**
 * Text of a `nats-server.conf`. Throws SpecError for a silo's name that is impossible or comes twice, and for a text that no
 * configuration can hold; ShapeError for a key that is none or belongs to two.
 */
export function natsConfig(options: NatsConfigOptions): string {
  check(options);
  const { server, silos } = options;
  const open = silos.flatMap(({ name, key, enrolKey }) => [
    ...(key === null ? [] : [{ account: `SILO-${name}`, key, may: siloPermissions(name) }]),
    ...(enrolKey === null ? [] : [{ account: `INVITE-${name}`, key: enrolKey, may: enrolPermissions(name) }]),
  ]);
  return `# Written by align-fl, and written anew whenever a silo is added, enrolled or revoked: changes made here are lost.
listen: ${quoted(hostAndPort(options))}
server_name: "align-fl"
max_payload: ${MAX_PAYLOAD_BYTES}
max_control_line: 4096
max_connections: ${CONNECTIONS_BESIDES + CONNECTIONS_PER_SILO * silos.length}
ping_interval: "20s"
ping_max: 3

tls {
  cert_file: ${quoted(options.tls.certFile)}
  key_file: ${quoted(options.tls.keyFile)}
  timeout: 10
}

jetstream {
  store_dir: ${quoted(options.storeDir)}
  max_memory_store: ${MEMORY_STORE_BYTES}
  max_file_store: ${options.maxStoreBytes}${hasSyncInterval(options.natsVersion) ? '\n  sync_interval: always' : ''}
}

authorization {
  timeout: 10
}

# Each silo has an account of its own: what it names as the address of an answer lies in there, never among the subjects of
# the server or of others.
accounts {
  ${FEDERATION} {
    jetstream: enabled
    users: [{ nkey: ${server} }]
    exports: [
${EXPORTED.map((subject) => exported(subject)).join('\n')}
    ]
  }
${open.map(accountOf).join('\n')}
}
`;
}

/** Major and minor of a version such as "2.9.10" or "v2.11.0-RC.1". Throws SpecError where it is none. */
export function majorMinor(version: string): readonly [number, number] {
  const [, major, minor] = /^v?(\d{1,4})\.(\d{1,4})\.\d/.exec(version) ?? [];
  if (major === undefined || minor === undefined) {
    throw new SpecError(`Expected a version of nats-server such as 2.11.15, found "${version.slice(0, 40)}".`);
  }
  return [Number(major), Number(minor)];
}

// --- internal ---

/** The most bytes of one message. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;

const FEDERATION = 'FEDERATION';

/** The server's own, people who look, and strangers who are about to be refused. */
const CONNECTIONS_BESIDES = 64;
/** An old connection that is not known to be dead yet, a new one, an enrolment. */
const CONNECTIONS_PER_SILO = 4;
/** Nothing is kept in memory; zero would mean three quarters of the machine. */
const MEMORY_STORE_BYTES = 1024 * 1024;

/** Older servers refuse the whole configuration for this word. */
function hasSyncInterval(version: string): boolean {
  const [major, minor] = majorMinor(version);
  return major > 2 || (major === 2 && minor >= 10);
}

function check({ server, silos, maxStoreBytes, port }: NatsConfigOptions): void {
  const names = silos.map(({ name }) => name);
  for (const name of names) requireSiloName(name);
  if (new Set(names).size < names.length) throw new SpecError('Two silos have the same name. Choose another.');
  const keys = [server, ...silos.flatMap(({ key, enrolKey }) => [key, enrolKey])].filter((key) => key !== null);
  for (const key of keys) {
    if (!isPublicKey(key)) throw new ShapeError('Expected public keys in the configuration, found something else.');
  }
  if (new Set(keys).size < keys.length) throw new ShapeError('The same key is in the configuration twice.');
  if (!Number.isSafeInteger(maxStoreBytes) || maxStoreBytes < 1) {
    throw new SpecError(`Expected a number of bytes that JetStream may store, found ${maxStoreBytes}.`);
  }
  if (!Number.isInteger(port) || port < -1 || port === 0 || port > 65_535) {
    throw new SpecError(`Expected a port from 1 to 65535, found ${port}.`);
  }
}

function hostAndPort({ host, port }: NatsConfigOptions): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

interface Account {
  readonly account: string;
  readonly key: string;
  readonly may: Permissions;
}

/** Pulling tasks gives many answers, everything else one. */
function exported(subject: string): string {
  const many = subject.startsWith('$JS.API.CONSUMER.MSG.NEXT.') ? ', response: stream' : '';
  return `      { service: ${quoted(subject)}${many} }`;
}

function accountOf({ account, key, may: { publish, subscribe } }: Account): string {
  const imports = publish.map(
    (subject) => `      { service: { account: ${FEDERATION}, subject: ${quoted(subject)} } }`,
  );
  return `  ${account} {
    users: [{ nkey: ${key}, permissions: {
      publish: { allow: [${publish.map(quoted).join(', ')}] }
      subscribe: { allow: [${subscribe.map(quoted).join(', ')}] }
    } }]
    imports: [
${imports.join('\n')}
    ]
  }`;
}

/** A string of the configuration's grammar. Control characters, which it cannot hold, are refused. */
function quoted(text: string): string {
  if (/\p{Cc}/u.test(text)) {
    throw new SpecError('A path or address for nats-server.conf has control characters. Choose another.');
  }
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
