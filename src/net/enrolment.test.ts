// A silo comes in, gets a new key, and is shut out, at the real nats-server, while the others go on undisturbed. And nowhere
// on the way is a secret to be seen.

import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from '../../test/nats-fixture.ts';
import { connectNats } from './connect.ts';
import { answerEnrolments, enrol, type EnrolmentDesk, requestEnrolment } from './enrolment.ts';
import { createIdentity, type Identity } from './identity.ts';
import { type Invite, readInvite, writeInvite } from './invite.ts';
import type { SiloAccess } from './nats-config.ts';
import { enrolInbox, siloInbox } from './nats-permissions.ts';
import { enrolSubject } from './subjects.ts';

const signal = new AbortController().signal;
const FEDERATION = 'test federation';

describe.skipIf(!natsServer)(`enrolment at the real nats-server${NEEDS_NATS}`, () => {
  let nats: TestNats;
  let server: NatsConnection;
  let desk: EnrolmentDesk;
  let counter: { close(): Promise<void> };
  const registry = new Map<string, SiloAccess>();
  const told: string[] = [];
  const seeds: string[] = [];
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['old'] });
    for (const one of nats.access) registry.set(one.name, one);
    server = await nats.connectServer();
    desk = {
      federation: FEDERATION,
      identity: nats.server,
      find: (silo) => registry.get(silo) ?? null,
      isKnownKey: (key) => [...registry.values()].some((one) => one.key === key || one.enrolKey === key),
      onEnrol: (silo, key) => {
        registry.set(silo, { name: silo, key, enrolKey: null });
        told.push(`enrolled ${silo}`);
        return Promise.resolve();
      },
      onAnswered: async (silo) => {
        told.push(`answered ${silo}`);
        await nats.setSilos([...registry.values()]);
      },
      onRefused: (silo, why) => void told.push(`refused ${silo}: ${why}`),
    };
    counter = answerEnrolments(server, desk);
    await server.flush();
  });
  afterAll(async () => {
    await counter?.close();
    await nats?.close();
  });

  /** A new invite, known to the nats-server. */
  async function invite(silo: string): Promise<Invite> {
    const { identity, seed } = createIdentity();
    seeds.push(seed);
    const before = registry.get(silo);
    registry.set(silo, { name: silo, key: before?.key ?? null, enrolKey: identity.publicKey });
    await nats.setSilos([...registry.values()]);
    const line = writeInvite({
      federation: FEDERATION,
      silo,
      address: nats.address,
      server: nats.server.publicKey,
      enrolSeed: seed,
    });
    return readInvite(line);
  }
  const own = (): Identity => {
    const { identity, seed } = createIdentity();
    seeds.push(seed);
    return identity;
  };
  const asInvited = (one: Invite) =>
    connectNats(one.address, { identity: one.enrol, inboxPrefix: enrolInbox(one.silo), name: 'enrolling' });
  const asSilo = (silo: string, identity: Identity, onNotice: (notice: { readonly type: string }) => void = () => {}) =>
    connectNats(nats.address, { identity, inboxPrefix: siloInbox(silo), name: silo, onNotice, reconnectMs: 50 });

  it('lets in who was invited, once; the same key may ask again, another one finds the invite used', async () => {
    const one = await invite('a');
    const [mine, other] = [own(), own()];
    await enrol(one, mine, { signal });
    expect(registry.get('a')).toEqual({ name: 'a', key: mine.publicKey, enrolKey: null });
    await enrol(one, mine, { signal });
    expect(told.filter((line) => line === 'enrolled a')).toHaveLength(1);
    await expect(enrol(one, other, { signal })).rejects.toMatchObject({
      facts: { reason: 'invite-used' },
    });
    await expect(asInvited(one)).rejects.toMatchObject({ facts: { reason: 'unknown-key' } });
    expect(registry.get('a')?.key).toBe(mine.publicKey);
  });

  it('of two keys at once one gets in, and the other is told that the invite was used', async () => {
    const one = await invite('b');
    const keys = [own(), own()];
    const connections = await Promise.all(keys.map(() => asInvited(one)));
    const outcomes = await Promise.allSettled(
      keys.map((key, i) => requestEnrolment(connections[i] as NatsConnection, one, key, { signal, timeoutMs: 1000 })),
    );
    await Promise.all(connections.map((nc) => nc.close()));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [winner] = keys.filter((_, i) => outcomes[i]?.status === 'fulfilled');
    expect(registry.get('b')?.key).toBe(winner?.publicKey);
    await (await asSilo('b', winner as Identity)).close();
  });

  it('gives a silo a new key: the old one is shut out and its connections end, and nobody else notices', async () => {
    const [first, second] = [own(), own()];
    await enrol(await invite('c'), first, { signal });
    const others: string[] = [];
    const otherOne = await nats.connectSilo('old', ({ type }) => others.push(type));
    const refused = new Promise<void>((done) => {
      void asSilo('c', first, ({ type }) => type === 'refused' && done());
    });
    await enrol(await invite('c'), second, { signal });
    await refused;
    expect(registry.get('c')?.key).toBe(second.publicKey);
    await expect(asSilo('c', first)).rejects.toMatchObject({ facts: { reason: 'unknown-key' } });
    await (await asSilo('c', second)).close();
    await otherOne.flush();
    expect(others.filter((type) => type !== 'old-server')).toEqual([]);
  });

  it('refuses, signed and in words, what is not in order', async () => {
    const one = await invite('d');
    const nc = await asInvited(one);
    const stranger = { ...one, enrol: own() };
    const ask = (as: Invite, key: Identity) => requestEnrolment(nc, as, key, { signal, timeoutMs: 2000 });
    await expect(ask(stranger, own())).rejects.toMatchObject({ code: 'ACCESS', facts: { refusal: 'SIGNATURE' } });
    for (const taken of [nats.silo('old'), nats.server, one.enrol]) {
      await expect(ask(one, taken)).rejects.toMatchObject({ facts: { refusal: 'KEY_TAKEN' } });
    }
    await nc.close();
    expect(told).toContain('refused d: SIGNATURE');
  });

  it('believes no answer but one signed by the server of the invite', async () => {
    const one = await invite('e');
    const nc = await asInvited(one);
    const elsewhere = { ...one, server: own().publicKey };
    const asked = requestEnrolment(nc, elsewhere, own(), { signal, timeoutMs: 5000 });
    await expect(asked).rejects.toMatchObject({ code: 'ACCESS', facts: { reason: 'answer' } });
    await nc.close();
  });

  it('says whether the server is away, and passes over whatever is no request', async () => {
    const one = await invite('f');
    const nc = await asInvited(one);
    const subject = enrolSubject('f');
    for (const junk of ['', '{', '[]', '{"v":"align-fl/enrol@1"}', 'x'.repeat(100_000)])
      nc.publish(subject, junk, { reply: '_INBOX_enrol_f.1' });
    await nc.flush();
    await counter.close();
    await server.flush();
    const asked = requestEnrolment(nc, one, own(), { signal, timeoutMs: 300 });
    await expect(asked).rejects.toMatchObject({
      code: 'LOST_PEER',
      message: expect.stringContaining('align-fl server start'),
    });
    counter = answerEnrolments(server, desk);
    await server.flush();
    await requestEnrolment(nc, one, own(), { signal });
    await nc.close();
  });

  it('leaves no seed in the configuration, the log, a file that others may read, or the list of processes', async () => {
    seeds.push(nats.serverSeed, nats.siloSeed('old'));
    const ps = spawnSync('ps', ['axeww', '-o', 'args'], { encoding: 'utf8' }).stdout ?? '';
    const command = await readFile(`/proc/${nats.pid()}/cmdline`, 'utf8').catch(() => '');
    const environment = await readFile(`/proc/${nats.pid()}/environ`, 'utf8').catch(() => '');
    const files = await readdir(nats.folder, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
    );
    expect(texts.length).toBeGreaterThan(3);
    expect(seeds.length).toBeGreaterThan(10);
    for (const text of [ps, command, environment, ...texts, ...told]) {
      for (const seed of seeds) expect(text.includes(seed)).toBe(false);
    }
  });
});
