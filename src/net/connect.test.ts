// Connecting to the real server, rightly and in every wrong way: each is told as what it is.

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from '../../test/nats-fixture.ts';
import { createCertificates } from './certificates.ts';
import { type ConnectionNotice, connectNats, type ServerAddress } from './connect.ts';
import { createIdentity, type Identity } from './identity.ts';

const servers: Server[] = [];
afterEach(() => Promise.all(servers.splice(0).map((one) => new Promise((done) => one.close(done)))));

/** A server that says `greeting` to everybody, and what it hears. */
async function fakeServer(greeting: string): Promise<{ readonly url: string; readonly heard: string[] }> {
  const heard: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => heard.push(bytes.toString('latin1')));
    if (greeting !== '') socket.write(greeting);
  });
  server.on('close', () => {});
  const close = server.close.bind(server);
  server.close = (done) => {
    for (const socket of sockets) socket.destroy();
    return close(done);
  };
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return { url: `tls://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, heard };
}

const attempt = (address: ServerAddress, identity: Identity = createIdentity().identity) =>
  connectNats(address, { identity, inboxPrefix: '_INBOX_a', name: 'a', timeoutMs: 700 });
const INFO = { server_id: 'x', version: '2.10.0', max_payload: 1024, proto: 1, jetstream: true, nonce: 'abc' };

describe('a server that cannot be talked to', () => {
  const anyAuthority = async () => (await createCertificates({ hosts: ['localhost'], now: new Date() })).caPem;

  it('is not there', async () => {
    const address = { servers: ['tls://127.0.0.1:1'], ca: await anyAuthority() };
    await expect(attempt(address)).rejects.toMatchObject({
      code: 'LOST_PEER',
      message: expect.stringMatching(/^Nobody answers/),
    });
  });

  it('offers no encryption: nothing is sent to it, not even the key', async () => {
    const { url, heard } = await fakeServer(`INFO ${JSON.stringify(INFO)}\r\n`);
    const refused = attempt({ servers: [url], ca: await anyAuthority() });
    await expect(refused).rejects.toMatchObject({ code: 'ACCESS', facts: { reason: 'plaintext' } });
    expect(heard).toEqual([]);
  });

  it('says nothing, or no word of NATS', async () => {
    for (const greeting of ['', 'HTTP/1.1 400 Bad Request\r\n\r\n']) {
      const { url } = await fakeServer(greeting);
      await expect(attempt({ servers: [url], ca: await anyAuthority() })).rejects.toMatchObject({ code: 'LOST_PEER' });
    }
  });

  it('wants something signed that is no challenge: it gets no signature', async () => {
    const { caPem, certPem, keyPem } = await createCertificates({ hosts: ['127.0.0.1'], now: new Date() });
    const heard: string[] = [];
    const nonce = 'align-fl/net@1\nfl.task.a\ntrain\n{}';
    const server = createServer((socket) => {
      socket.write(`INFO ${JSON.stringify({ ...INFO, tls_required: true, auth_required: true, nonce })}\r\n`);
      const tls = new TLSSocket(socket, {
        isServer: true,
        secureContext: createSecureContext({ cert: certPem, key: keyPem }),
      });
      for (const one of [socket, tls]) one.on('error', () => {});
      tls.on('data', (bytes) => heard.push(bytes.toString('latin1')));
    });
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const url = `tls://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    await expect(attempt({ servers: [url], ca: caPem })).rejects.toMatchObject({
      code: 'ACCESS',
      facts: { reason: 'challenge' },
    });
    expect(heard.join('')).not.toContain('sig');
  });

  it('has an address that is none', async () => {
    for (const url of ['http://x:1', 'tls://', 'ws://x', 'tls://a b:1', 'tls://user@x:1']) {
      await expect(attempt({ servers: [url], ca: '' })).rejects.toMatchObject({ code: 'SPEC' });
    }
  });
});

describe.skipIf(!natsServer)(`the real nats-server${NEEDS_NATS}`, () => {
  let nats: TestNats;
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b'] });
  });
  afterAll(() => nats?.close());

  it('lets in who is known, by IP address and by name, with a warning where it is old', async () => {
    const notices: ConnectionNotice[] = [];
    const port = nats.address.servers[0]?.split(':').at(-1);
    for (const host of ['127.0.0.1', 'localhost']) {
      const address = { ...nats.address, servers: [`tls://${host}:${port}`] };
      const onNotice = (notice: ConnectionNotice) => void notices.push(notice);
      const nc = await connectNats(address, { identity: nats.silo('a'), inboxPrefix: '_INBOX_a', name: 'a', onNotice });
      expect(nc.info?.tls_required).toBe(true);
      await nc.close();
    }
    const old = /^2\.(9|10|11\.(\d|1[0-4])$)/.test(natsServer?.version ?? '');
    expect(notices.some(({ type }) => type === 'old-server')).toBe(old);
  });

  it('does not let in strangers: no identity, an unknown key, a key of nobody', async () => {
    const options = { servers: [...nats.address.servers], tls: { ca: nats.address.ca }, reconnect: false };
    await expect(connect(options)).rejects.toThrow(/authorization violation/i);
    await expect(connect({ ...options, user: 'a', pass: 'a' })).rejects.toThrow(/authorization violation/i);
    await expect(attempt(nats.address)).rejects.toMatchObject({ code: 'ACCESS', facts: { reason: 'unknown-key' } });
    const known = nats.silo('a');
    const impostor: Identity = {
      ...known,
      authenticator: () => (nonce) => {
        const sig = createIdentity().identity.sign(new TextEncoder().encode(nonce));
        return { nkey: known.publicKey, sig: Buffer.from(sig).toString('base64url') };
      },
    };
    await expect(attempt(nats.address, impostor)).rejects.toMatchObject({ facts: { reason: 'unknown-key' } });
  });

  it('takes no plaintext: whoever goes on without encryption is cut off', async () => {
    const socket = createConnection(Number(nats.address.servers[0]?.split(':').at(-1)), '127.0.0.1');
    let said = '';
    socket
      .on('error', () => {})
      .on('data', (bytes) => {
        said += bytes.toString('latin1');
        if (said.endsWith('\r\n'))
          socket.write(`CONNECT {"nkey":"${nats.silo('a').publicKey}","verbose":true}\r\nPING\r\n`);
      });
    await new Promise((done) => socket.once('close', done));
    expect(said).toContain('"tls_required":true');
    expect(said).not.toMatch(/PONG|\+OK/);
  });

  it('is not believed under another authority, nor by a name that its certificate does not have', async () => {
    const { caPem } = await createCertificates({ hosts: ['127.0.0.1'], now: new Date() });
    const wrong = attempt({ ...nats.address, ca: caPem }, nats.silo('a'));
    await expect(wrong).rejects.toMatchObject({ code: 'ACCESS', facts: { reason: 'unknown-authority' } });
    const port = nats.address.servers[0]?.split(':').at(-1);
    const elsewhere = attempt({ ...nats.address, servers: [`tls://127.0.0.2:${port}`] }, nats.silo('a'));
    // Where only 127.0.0.1 is listened on, 127.0.0.2 does not answer at all.
    await expect(elsewhere).rejects.toMatchObject({ code: expect.stringMatching(/ACCESS|LOST_PEER/) });
  });

  it('is not believed when its certificate has run out', async () => {
    const past = await createCertificates({ hosts: ['127.0.0.1'], now: new Date('2020-01-01') });
    const old = await startTestNats({ silos: ['a'], certificates: past });
    try {
      await expect(attempt(old.address, old.silo('a'))).rejects.toMatchObject({ facts: { reason: 'expired' } });
    } finally {
      await old.close();
    }
    const other = await startTestNats({
      silos: ['a'],
      certificates: await createCertificates({ hosts: ['10.1.2.3', 'fl.example.org'], now: new Date() }),
    });
    try {
      const refused = attempt(other.address, other.silo('a'));
      await expect(refused).rejects.toMatchObject({ code: 'ACCESS', facts: { reason: 'wrong-name' } });
    } finally {
      await other.close();
    }
  });

  it('closes the connection of whoever was revoked, after three refusals, and says why', async () => {
    const told: ConnectionNotice[] = [];
    const others: ConnectionNotice[] = [];
    const a = await nats.connectSilo('a', (notice) => told.push(notice));
    const b = await nats.connectSilo('b', (notice) => others.push(notice));
    await nats.setSilos(nats.access.map((one) => (one.name === 'a' ? { ...one, key: null } : one)));
    await a.closed();
    expect(told.at(-1)).toMatchObject({ type: 'refused', message: expect.stringContaining('new invite') });
    await b.flush();
    expect(others.filter(({ type }) => type !== 'old-server')).toEqual([]);
    await expect(attempt(nats.address, nats.silo('a'))).rejects.toMatchObject({ facts: { reason: 'unknown-key' } });
    await nats.setSilos(nats.access);
  });

  it('is left when the signal says so', async () => {
    const stop = new AbortController();
    const who = { identity: nats.silo('b'), inboxPrefix: '_INBOX_b', name: 'b', signal: stop.signal };
    const nc = await connectNats(nats.address, who);
    stop.abort();
    await nc.closed();
    await expect(connectNats(nats.address, who)).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('is never told a seed, nor is an error', async () => {
    const error = await attempt({ ...nats.address, servers: ['tls://127.0.0.1:1'] }, nats.silo('a')).catch(
      (one: unknown) => one,
    );
    expect(inspect(error, { depth: 9 })).not.toContain(nats.siloSeed('a'));
  });
});
