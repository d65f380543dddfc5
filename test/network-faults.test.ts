// What else goes wrong between machines, in real processes: cut connections, two processes of one silo, lost and restored
// folders, stops on request. docs/reliability.md tells what becomes of each.

import { cpSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../scripts/set-up.mjs';
import { inviteSilo } from '../src/deployment/invitations.ts';
import { readSettings } from '../src/deployment/server-folder.ts';
import { runLayout } from '../src/experiments/run-layout.ts';
import { readInvite, writeInvite } from '../src/net/invite.ts';
import { parseSpec } from '../src/index.ts';
import { readLedger } from '../src/privacy/ledger.ts';
import { spentOf } from '../src/privacy/ledger-charges.ts';
import { contentHash } from '../src/storage/content-hash.ts';
import { undisturbed, undisturbedLedgers } from './kill-checks.ts';
import { federationsIn, hashesIn, SHORT } from './killed-federation.ts';
import { NEEDS_FAULTS, triesFaults } from './nats-fixture.ts';
import { temporaryFolder } from './small-silos.ts';
import { TWO_SILOS } from './two-silos.ts';

const ROOT = temporaryFolder();
const LIMIT_MS = 240_000;

const SPEC = parseSpec({
  ...TWO_SILOS,
  name: 'faulty',
});

/** A decoder of two parts at one silo. */
const LARGE = parseSpec({
  ...SPEC,
  name: 'large',
  silos: [{ name: 'north', model: { kind: 'mlp', hidden: [1600], latent: 2 } }, { name: 'east' }],
});

const DELTA = 1e-5;
/** With a budget that is exactly right for its rounds. */
const PRIVATE = parseSpec({
  ...SPEC,
  name: 'faulty-private',
  rounds: 3,
  privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: DELTA, noise: 'secure' },
});

const federations = federationsIn(ROOT);
const proxies: Server[] = [];

beforeAll(() => setUp(resolve(import.meta.dirname, '..')), LIMIT_MS);
afterAll(async () => {
  await federations.close();
  for (const proxy of proxies) proxy.close();
});

describe.skipIf(!triesFaults)(`a federation over TLS${NEEDS_FAULTS}`, () => {
  test.concurrent(
    'lets one process be a silo, and one that was stopped or restored go on, but none that lost what it gave away',
    async () => {
      const federation = await federations.make(SPEC);
      await federation.keepBroker();
      let server = federation.start('server');
      let north = federation.start('north');
      await federation.seen((line) => line.who === 'north' && line.step === 'delivered');

      const second = await federation.start('north', { invite: null }).end;
      expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/^STATE: Another process works/) });

      const home = federation.home('north').root;
      const copy = `${home}-copy`;
      cpSync(home, copy, { recursive: true });
      for (const name of readdirSync(copy)) if (name.startsWith('work-lock')) rmSync(join(copy, name));
      const timing = { ...SHORT, otherInstanceMs: 2_000 };
      const twin = await federation.start('north', { invite: null, folder: copy, timing }).end;
      expect(twin).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ACCESS: Another process/) });

      for (const one of [north, server]) {
        one.child.kill('SIGTERM');
        expect(await one.end).toMatchObject({ code: 130, stderr: expect.stringMatching(/^ABORTED/) });
      }
      server = federation.start('server');

      rmSync(home, { recursive: true });
      const invite = async () => (await inviteSilo(federation.server, 'north', { again: true })).line;
      const lost = await federation.start('north', { invite: await invite() }).end;
      expect(lost).toMatchObject({ code: 1, stderr: expect.stringMatching(/^PRIVACY: .*Put back the folder/) });

      rmSync(home, { recursive: true });
      cpSync(copy, home, { recursive: true });
      rmSync(federation.home('north').identity); // the new invite made the old key worth nothing
      north = federation.start('north', { invite: await invite() });
      const east = federation.start('east');
      expect(await Promise.all([server.end, north.end, east.end])).toMatchObject([
        { code: 0 },
        { code: 0 },
        { code: 0 },
      ]);
      expect(hashesIn(federation.server.run)).toEqual(await undisturbed(ROOT, SPEC));
    },
    LIMIT_MS,
  );

  test.concurrent.each(['training', 'delivered'])(
    'lets a private silo that lost its folder in again by its ledger, and not without; nothing is paid for twice (%s)',
    async (step) => {
      const federation = await federations.make(PRIVATE);
      await federation.keepBroker();
      const server = federation.start('server');
      const east = federation.start('east');
      const strike = { who: 'north', step, round: 2, target: 'self' } as const;
      expect(await federation.start('north', { strikes: [strike] }).end).toMatchObject({ signal: 'SIGKILL' });

      const [home, ledger] = [federation.home('north').root, federation.ledger('north')];
      const invite = async () => (await inviteSilo(federation.server, 'north', { again: true })).line;
      rmSync(home, { recursive: true });
      renameSync(ledger, `${ledger}-gone`);
      const lost = await federation.start('north', { invite: await invite() }).end;
      expect(lost).toMatchObject({ code: 1, stderr: expect.stringMatching(/^PRIVACY: .*Put back the folder/) });

      rmSync(home, { recursive: true });
      renameSync(`${ledger}-gone`, ledger);
      const north = federation.start('north', { invite: await invite() });
      expect(await Promise.all([server.end, north.end, east.end])).toMatchObject([
        { code: 0 },
        { code: 0 },
        { code: 0 },
      ]);
      expect(federation.log().some((line) => line.step === 'silo-let-in-by-ledger' && line.silo === 'north')).toBe(
        true,
      );

      const { entries } = await readLedger(ledger);
      const files = [1, 2, 3].map((round) => readFileSync(runLayout(federation.server.run).decoder(round, 'north')));
      expect(entries.map(({ round, sealed }) => [round, sealed?.sha256])).toEqual(
        files.map((file, i) => [i + 1, contentHash(file)]),
      );
      const due = await readLedger(join(await undisturbedLedgers(ROOT, PRIVATE), 'north'));
      expect(spentOf(entries, DELTA)).toEqual(spentOf(due.entries, DELTA));
    },
    LIMIT_MS,
  );

  test.concurrent(
    'goes on after a connection that was cut in mid-upload, and after a kill there with the parts that are missing',
    async () => {
      const federation = await federations.make(LARGE);
      await federation.keepBroker();
      const proxy = await proxyTo((await readSettings(federation.server)).port);
      const { line } = await inviteSilo(federation.server, 'north', { again: false });
      const invite = inviteVia(line, proxy.port);
      const server = federation.start('server');
      const east = federation.start('east');
      let north = federation.start('north', { invite });
      const leaving = (round: number) =>
        federation.seen(({ who, step, round: at }) => who === 'north' && step === 'leaving' && at === round);

      await leaving(1);
      await proxy.afterSent(2 * 2 ** 20);
      proxy.cut();

      await leaving(2);
      await proxy.afterSent(4.5 * 2 ** 20); // the first part is whole
      north.child.kill('SIGKILL');
      await north.end;
      const before = proxy.sent();
      north = federation.start('north', { invite });
      expect(await Promise.all([server.end, north.end, east.end])).toMatchObject([
        { code: 0 },
        { code: 0 },
        { code: 0 },
      ]);
      expect(proxy.sent() - before).toBeLessThan(3 * 2 ** 20);
      expect(hashesIn(federation.server.run)).toEqual(await undisturbed(ROOT, LARGE));
    },
    LIMIT_MS,
  );
});

// --- internal ---

/** The same invite with another port, as where a silo reaches its server through something. */
function inviteVia(line: string, port: number): string {
  const { federation, silo, address, server } = readInvite(line);
  const [, content = ''] = /:([\w-]+)\./.exec(line) ?? [];
  const { enrol: enrolSeed } = JSON.parse(Buffer.from(content, 'base64url').toString()) as { enrol: string };
  return writeInvite({
    federation,
    silo,
    address: { ...address, servers: [`tls://localhost:${port}`] },
    server,
    enrolSeed,
  });
}

interface Proxy {
  readonly port: number;
  /** Bytes from clients so far. */
  sent(): number;
  /** Resolves when so many bytes more have come from clients. */
  afterSent(bytes: number): Promise<void>;
  /** Drops all connections; new ones are let through. */
  cut(): void;
}

async function proxyTo(port: number): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let sent = 0;
  const server = createServer((client) => {
    const broker = connect(port, '127.0.0.1');
    const pair = [client, broker] as const;
    pairs.add(pair);
    client.on('data', (part: Buffer) => (sent += part.length));
    client.pipe(broker).pipe(client);
    for (const one of pair) {
      one
        .on('error', () => {})
        .on('close', () => {
          pairs.delete(pair);
          for (const other of pair) other.destroy();
        });
    }
  });
  proxies.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    sent: () => sent,
    async afterSent(bytes) {
      const until = sent + bytes;
      while (sent < until) await pause(2);
    },
    cut() {
      for (const pair of pairs) for (const one of pair) one.destroy();
    },
  };
}
