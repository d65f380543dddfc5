// A connection to the federation's nats-server: encrypted, to a server that the federation's own authority vouches for, kept
// up for ever. What can go wrong at the start is told as what to do next.

import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { connect, errors, type NatsConnection, type Status, type TlsOptions } from '@nats-io/transport-node';
import { AbortedError, AccessError, AlignError, DeviceError, LostPeerError, SpecError } from '../errors.ts';
import type { Identity } from './identity.ts';
import { majorMinor } from './nats-config.ts';

/** Where a federation's server is, and whose word its certificate needs. */
export interface ServerAddress {
  /** Such as tls://fl.example.org:4222; several are tried in turn. */
  readonly servers: readonly string[];
  /** Certificate of the federation's authority, PEM. */
  readonly ca: string;
}

/** What happens to a connection after it stood. */
export type ConnectionNotice =
  /** Works, but should not be trusted with production. */
  | { readonly type: 'old-server'; readonly version: string; readonly advice: string }
  | { readonly type: 'disconnected'; readonly server: string }
  | { readonly type: 'reconnected'; readonly server: string }
  /** The key is no longer accepted: revoked, or replaced by a newer one. The connection is closed. */
  | { readonly type: 'refused'; readonly message: string }
  /** This key may not do that; a bug, or the server's configuration is older than this program. */
  | { readonly type: 'permission'; readonly operation: string; readonly subject: string };

export interface ConnectOptions {
  readonly identity: Identity;
  /** First word of the subjects at which answers arrive; a silo may hear at its own only. */
  readonly inboxPrefix: string;
  /** Who this is, for the server's log. */
  readonly name: string;
  readonly signal?: AbortSignal;
  readonly onNotice?: (notice: ConnectionNotice) => void;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** Shortest pause before the connection is tried again, in milliseconds; the longest is twice that. */
  readonly reconnectMs?: number;
}

/**
 * Connects. A refused key is tried a few times: a nats-server that reads its configuration again, as it does whenever a silo
 * joins, refuses everybody for a moment. When it stands, the connection comes back by itself however long the server is away; it
 * is closed when `signal` aborts, and when the key is refused three times in a row.
 * Throws AccessError (the certificate or the key is not accepted, or there is no encryption; `facts.reason`), LostPeerError
 * (nobody answers), DeviceError (the server is too old, or without JetStream), AbortedError.
 */
export async function connectNats(address: ServerAddress, options: ConnectOptions): Promise<NatsConnection> {
  for (let tries = 1; ; tries++) {
    try {
      return await connectOnce(address, options);
    } catch (error) {
      const isRefused = error instanceof AccessError && error.facts['reason'] === 'unknown-key';
      if (!isRefused || tries === REFUSALS) throw error;
      await pause(tries * REFUSED_PAUSE_MS, undefined, { signal: options.signal }).catch(() => {}); // the next try says so
    }
  }
}

// --- internal ---

/** The oldest server that works. */
const LEAST_NATS_VERSION = '2.9.10';
/** The oldest server that is fit for production. */
const GOOD_NATS_VERSION = '2.11.15';

async function connectOnce(address: ServerAddress, options: ConnectOptions): Promise<NatsConnection> {
  const { signal, onNotice = () => {} } = options;
  if (signal?.aborted === true) throw new AbortedError('Stopped before connecting.');
  const hosts = address.servers.map(hostOf);
  const nc = await knock(address, options, hosts);
  try {
    signal?.throwIfAborted();
    checkServer(nc, onNotice);
  } catch (error) {
    await nc.close();
    throw error instanceof AlignError ? error : new AbortedError('Stopped while connecting.', {}, { cause: error });
  }
  const stop = () => void nc.close();
  signal?.addEventListener('abort', stop, { once: true });
  void nc.closed().then(() => signal?.removeEventListener('abort', stop));
  void watch(nc, onNotice);
  return nc;
}

const ATTEMPT_MS = 10_000;
const REFUSALS = 3;
const REFUSED_PAUSE_MS = 250;
const RECONNECT_MS = 500;

/** Only the federation's authority is trusted, and the certificate must name one of the addresses that we were given. */
function tlsOf(ca: string, hosts: readonly string[]): TlsOptions {
  const options = {
    ca,
    minVersion: 'TLSv1.3',
    // The client does not tell TLS which IP address it called, and names would be compared with "localhost".
    checkServerIdentity: (_host: string, certificate: PeerCertificate): Error | undefined => {
      const problems = hosts.map((host) => checkServerIdentity(host, certificate));
      return problems.includes(undefined) ? undefined : problems[0];
    },
  };
  return options;
}

function hostOf(server: string): string {
  const [, scheme, host] = /^(?:([a-z]+):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(?::\d{1,5})?\/?$/.exec(server) ?? [];
  if (host === undefined || (scheme !== undefined && scheme !== 'tls' && scheme !== 'nats')) {
    throw new SpecError(
      `Expected a server's address such as tls://fl.example.org:4222, found "${server.slice(0, 100)}".`,
    );
  }
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  return isIP(bare) === 0 ? bare.toLowerCase() : bare;
}

function checkServer(nc: NatsConnection, onNotice: (notice: ConnectionNotice) => void): void {
  const version = nc.info?.version ?? 'unknown';
  if (isOlder(version, LEAST_NATS_VERSION)) {
    throw new DeviceError(
      `The nats-server is version ${version}; at least ${LEAST_NATS_VERSION} is needed, ${GOOD_NATS_VERSION} or newer is ` +
        'recommended. Ask whoever runs it to install a newer one.',
      { version, least: LEAST_NATS_VERSION },
    );
  }
  if (nc.info?.jetstream !== true) {
    throw new DeviceError(
      'The nats-server runs without JetStream, which stores tasks and results. Start it with the nats-server.conf of the ' +
        'federation, and look into its log for why JetStream may have failed (most often a full disk).',
      { version },
    );
  }
  if (isOlder(version, GOOD_NATS_VERSION)) {
    const [major, minor] = majorMinor(version);
    const disk =
      major === 2 && minor < 10 ? 'has no sync_interval, so a power cut can lose two minutes of messages, and ' : '';
    const advice = `nats-server ${version} ${disk}has known security faults: for tests only. Production needs ${GOOD_NATS_VERSION} or newer.`;
    onNotice({ type: 'old-server', version, advice });
  }
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => /^v?(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? [0, 0, 0]);
  for (const [i, least] of (b ?? []).entries()) {
    const have = a?.[i] ?? 0;
    if (have !== least) return have < least;
  }
  return false;
}

/** The client's own connect, with errors that say what to do. */
async function knock(
  { servers, ca }: ServerAddress,
  { identity, inboxPrefix, name, timeoutMs = ATTEMPT_MS, reconnectMs = RECONNECT_MS }: ConnectOptions,
  hosts: readonly string[],
): Promise<NatsConnection> {
  try {
    return await connect({
      servers: [...servers],
      authenticator: identity.authenticator(),
      inboxPrefix,
      name,
      tls: tlsOf(ca, hosts),
      timeout: timeoutMs,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: reconnectMs,
      reconnectJitterTLS: reconnectMs,
      // Two refusals ever, even a week apart, would end the connection; `watch` counts those in a row.
      ignoreAuthErrorAbort: true,
      ignoreClusterUpdates: true,
      pingInterval: 20_000,
      maxPingOut: 3,
    });
  } catch (cause) {
    throw connectError(cause, { servers });
  }
}

function isViolation(error: unknown): error is Error {
  return error instanceof errors.AuthorizationError && /violation/i.test(error.message);
}

async function watch(nc: NatsConnection, onNotice: (notice: ConnectionNotice) => void): Promise<void> {
  let refusals = 0;
  for await (const status of nc.status() as AsyncIterable<Status>) {
    if (status.type === 'disconnect') onNotice({ type: 'disconnected', server: status.server });
    if (status.type === 'reconnect') {
      refusals = 0;
      onNotice({ type: 'reconnected', server: status.server });
    }
    if (status.type !== 'error') continue;
    const { error } = status;
    if (error instanceof errors.PermissionViolationError) {
      onNotice({ type: 'permission', operation: error.operation, subject: error.subject });
    }
    if (isViolation(error) && ++refusals === REFUSALS) {
      onNotice({ type: 'refused', message: NOT_ACCEPTED });
      await nc.close();
    }
  }
}

const NOT_ACCEPTED =
  'The server does not accept this key: it is unknown there, was revoked, or was replaced by a newer one. Ask who runs the ' +
  'federation for a new invite.';

const UNKNOWN_AUTHORITY = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

function connectError(cause: unknown, { servers }: Pick<ServerAddress, 'servers'>): AlignError {
  if (cause instanceof AlignError) return cause;
  const where = servers.join(', ');
  const words = cause instanceof Error ? cause.message : String(cause);
  const codes = new Set(causesOf(cause).map((one) => ('code' in one ? String(one.code) : '')));
  const has = (...wanted: readonly string[]) => wanted.some((code) => codes.has(code));
  const access = (reason: string, message: string) => new AccessError(message, { reason, servers }, { cause });

  if ([...codes].some((code) => UNKNOWN_AUTHORITY.has(code))) {
    return access(
      'unknown-authority',
      `The server at ${where} shows a certificate that is not of this federation's authority. Either it is another server ` +
        '(a proxy that opens encrypted connections looks like that, too), or its authority was made anew: then a new invite is needed.',
    );
  }
  if (has('ERR_TLS_CERT_ALTNAME_INVALID')) {
    return access(
      'wrong-name',
      `The certificate of the server at ${where} is of this federation, but not for this address: ${words}. Who runs it can ` +
        'make a certificate for this name, too.',
    );
  }
  if (has('CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID')) {
    return access(
      'expired',
      `The certificate of the server at ${where} is not valid today (${words}). Compare this machine's clock with the right ` +
        'time; if that is right, whoever runs the server has to renew its certificate.',
    );
  }
  if (words.includes("does not support 'tls'")) {
    return access(
      'plaintext',
      `The server at ${where} offers no encryption. It is not the federation's, or was started without its nats-server.conf. ` +
        'Nothing was sent.',
    );
  }
  if (isViolation(cause)) {
    return access('unknown-key', NOT_ACCEPTED);
  }
  if (
    has(
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    )
  ) {
    return access(
      'client-certificate',
      `The server at ${where} wants a certificate from us, which this federation does not use: it was not started with its ` +
        'nats-server.conf.',
    );
  }
  const late = cause instanceof errors.TimeoutError || cause instanceof errors.AuthorizationError;
  return new LostPeerError(
    late
      ? `The server at ${where} was reached, or swallowed the attempt, but did not finish the greeting in time. It may be ` +
          'overloaded, behind a firewall that drops packets, or want a client certificate (its log would say so). Try again.'
      : `Nobody answers at ${where} (${words || 'no reason given'}). Is the server running, is the address right, and may this ` +
          'machine reach that port?',
    { servers },
    { cause },
  );
}

/** An error and what caused it; errors of several addresses count as causes. */
function causesOf(error: unknown, depth = 0): readonly Error[] {
  if (!(error instanceof Error) || depth > 5) return [];
  const inner = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [];
  return [error, ...[error.cause, ...inner].flatMap((one) => causesOf(one, depth + 1))];
}
