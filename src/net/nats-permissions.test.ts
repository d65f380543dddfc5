// What one key may do, tried with the real server: its own work passes, and everything of others and of the server is refused.

import { AckPolicy, jetstream, jetstreamManager, type JetStreamManager, StorageType } from '@nats-io/jetstream';
import { Objm } from '@nats-io/obj';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from '../../test/nats-fixture.ts';
import { type ConnectionNotice, connectNats } from './connect.ts';
import { createIdentity } from './identity.ts';
import { enrolInbox, enrolPermissions, siloPermissions } from './nats-permissions.ts';

describe.skipIf(!natsServer)(`permissions at the real nats-server${NEEDS_NATS}`, () => {
  let nats: TestNats;
  let jsm: JetStreamManager;
  let server: NatsConnection;
  let a: NatsConnection;
  let b: NatsConnection;
  const noticesOfA: ConnectionNotice[] = [];
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b', 'enrol-a'] });
    server = await nats.connectServer();
    jsm = await jetstreamManager(server);
    await jsm.streams.add({ name: 'TASKS', subjects: ['fl.task.*'], storage: StorageType.File, allow_direct: true });
    await jsm.streams.add({ name: 'UPDATES', subjects: ['fl.up.*'], storage: StorageType.File, allow_direct: true });
    for (const silo of ['a', 'b']) {
      const own = { durable_name: silo, filter_subject: `fl.task.${silo}`, ack_policy: AckPolicy.Explicit };
      await jsm.consumers.add('TASKS', { ...own, max_ack_pending: 1 });
      await new Objm(server).create(`up-${silo}`, { storage: StorageType.File });
    }
    a = await nats.connectSilo('a', (notice) => noticesOfA.push(notice));
    b = await nats.connectSilo('b');
    await (await new Objm(b).open('up-b', false)).putBlob({ name: 'secret' }, new Uint8Array(1000));
    await jetstream(server).publish('fl.task.b', 'a task of b');
    await jetstream(server).publish('fl.up.b', 'a notice of b');
  });
  afterAll(() => nats?.close());

  /** Which of `subjects` the server took from `nc`. */
  async function taken(nc: NatsConnection, notices: readonly ConnectionNotice[], subjects: readonly string[]) {
    const before = notices.length;
    const refused = () => notices.slice(before).flatMap((one) => (one.type === 'permission' ? [one.subject] : []));
    for (const subject of subjects) nc.publish(subject, '{}');
    nc.publish('the.last', '{}'); // refused, too, and in order
    await vi.waitFor(() => expect(refused()).toContain('the.last'), { timeout: 10_000, interval: 5 });
    const all = new Set(refused());
    return subjects.filter((subject) => !all.has(subject));
  }

  /** Whether the server refused to let `nc` hear `subject`. */
  async function isDeaf(nc: NatsConnection, subject: string): Promise<boolean> {
    const heard = nc.subscribe(subject);
    const outcome = heard.closed.then(() => true);
    await nc.flush();
    const refused = await Promise.race([outcome, nc.flush().then(() => false)]);
    heard.unsubscribe();
    return refused;
  }

  it('a silo does its own work', async () => {
    await jetstream(server).publish('fl.task.a', 'train');
    const consumer = await jetstream(a).consumers.get('TASKS', 'a');
    const task = await consumer.next({ expires: 5000 });
    task?.working();
    expect([task?.string(), task?.subject, await task?.ackAck()]).toEqual(['train', 'fl.task.a', true]);

    const store = await new Objm(a).open('up-a', false);
    const blob = { name: 'part-1', options: { max_chunk_size: 512 * 1024 } };
    const { size } = await store.putBlob(blob, new Uint8Array(1_200_000).fill(7));
    expect(size).toBe(1_200_000);
    const own = await jetstreamManager(a, { checkAPI: false });
    const { state } = await own.streams.info('OBJ_up-a', { subjects_filter: '$O.up-a.>' });
    expect(Object.values(state.subjects ?? {})).toEqual(expect.arrayContaining([3, 1]));
    expect(await store.info('part-1')).toMatchObject({ size: 1_200_000, chunks: 3 });
    expect(await (await new Objm(server).open('up-a')).getBlob('part-1')).toHaveLength(1_200_000);
    expect(await own.streams.purge('OBJ_up-a', { filter: '$O.up-a.C.orphan' })).toMatchObject({ success: true });

    const notice = await jetstream(a).publish('fl.up.a', 'done', { msgID: 'run/1/a/1' });
    expect([notice.stream, notice.duplicate]).toEqual(['UPDATES', false]);
    server.subscribe('fl.hello.a', { max: 1, callback: (_, message) => void message.respond('welcome') });
    const statuses = server.subscribe('fl.status.a', { max: 1 });
    await server.flush();
    expect((await a.request('fl.hello.a', '')).string()).toBe('welcome');
    a.publish('fl.status.a', 'idle');
    for await (const status of statuses) expect(status.string()).toBe('idle');
    expect(noticesOfA.filter(({ type }) => type === 'permission')).toEqual([]);
  });

  it('a silo may say nothing in the name of another one, or of the server', async () => {
    const subjects = [
      ...siloPermissions('b')
        .publish.filter((subject) => subject !== '$JS.API.INFO')
        .map(concrete),
      ...enrolPermissions('b').publish,
      ...enrolPermissions('a').publish,
      'fl.task.b',
      'fl.task.a',
      'fl.up.anything',
      '$O.up-b.M.c2VjcmV0',
      '$O.up-b.C.chunk',
      '_INBOX_b.1',
      '_INBOX.1',
      '_INBOX_enrol_a.1',
      ...['TASKS', 'UPDATES', 'OBJ_up-b', 'OBJ_up-a', 'KV_rounds', 'NEW']
        .flatMap((stream) => [
          ...['CREATE', 'UPDATE', 'DELETE', 'SNAPSHOT', 'RESTORE', 'LEADER.STEPDOWN'].map(
            (verb) => `STREAM.${verb}.${stream}`,
          ),
          `STREAM.MSG.DELETE.${stream}`,
          ...(stream === 'OBJ_up-a' ? [] : ['INFO', 'PURGE', 'MSG.GET'].map((verb) => `STREAM.${verb}.${stream}`)),
          `DIRECT.GET.${stream}`,
          `DIRECT.GET.${stream}.fl.task.b`,
          ...['CREATE', 'DURABLE.CREATE', 'DELETE', 'INFO', 'MSG.NEXT'].map(
            (verb) => `CONSUMER.${verb}.${stream}.mine`,
          ),
          `CONSUMER.CREATE.${stream}`,
          `CONSUMER.CREATE.${stream}.a.fl.task.b`,
          `CONSUMER.LIST.${stream}`,
          `CONSUMER.NAMES.${stream}`,
        ])
        .map((verb) => `$JS.API.${verb}`),
      '$JS.API.CONSUMER.DELETE.TASKS.a',
      '$JS.API.CONSUMER.CREATE.TASKS.a',
      '$JS.API.CONSUMER.DURABLE.CREATE.TASKS.a',
      '$JS.API.STREAM.LIST',
      '$JS.API.STREAM.NAMES',
      '$JS.API.ACCOUNT.PURGE.$G',
      '$JS.ACK.TASKS.b.1.1.1.1.0',
      '$JS.ACK.UPDATES.a.1.1.1.1.0',
      '$KV.rounds.one',
      '$SYS.REQ.SERVER.PING',
      '$SYS.REQ.USER.INFO.more',
      '$SRV.PING',
      'anything',
    ];
    expect(new Set(subjects).size).toBeGreaterThan(100);
    expect(await taken(a, noticesOfA, subjects)).toEqual([]);
  });

  it.each([
    '>',
    'fl.>',
    'fl.task.a',
    'fl.task.b',
    'fl.up.*',
    'fl.hello.*',
    'fl.hello.a',
    'fl.status.b',
    'fl.enrol.b',
    '_INBOX.>',
  ])('a silo may not hear %s', async (subject) => {
    expect(await isDeaf(a, subject)).toBe(true);
  });

  it.each(['_INBOX_b.>', '_INBOX_enrol_a.>', '*.>', '$JS.>', '$O.up-b.>', '$O.up-a.>', '$SYS.>', '$KV.>', '_R_.>'])(
    'a silo may not hear %s either',
    async (subject) => {
      expect(await isDeaf(a, subject)).toBe(true);
    },
  );

  it('a silo hears its own inbox, also where its name looks like that of an enrolment', async () => {
    expect(await isDeaf(a, '_INBOX_a.x')).toBe(false);
    const alike = await nats.connectSilo('enrol-a');
    expect(await isDeaf(alike, `${enrolInbox('a')}.>`)).toBe(true);
  });

  it('headers that could empty a stream, or change who asks, do nothing', async () => {
    const rollup = headers();
    rollup.set('Nats-Rollup', 'all');
    const before = (await jsm.streams.info('UPDATES')).state.messages;
    await expect(jetstream(a).publish('fl.up.a', 'mine', { headers: rollup })).rejects.toThrow(/rollup/i);
    expect((await jsm.streams.info('UPDATES')).state.messages).toBe(before);
    const spoofed = headers();
    spoofed.set('Nats-Request-Info', JSON.stringify({ acc: '$G', user: nats.server.publicKey }));
    a.publish('$JS.API.STREAM.PURGE.TASKS', '', { headers: spoofed });
    expect(await taken(a, noticesOfA, [])).toEqual([]);
    expect((await jsm.streams.info('TASKS')).state.messages).toBeGreaterThan(0);
  });

  it('answers that are led astray, to subjects that the silo may not say, arrive nowhere', async () => {
    const tasks = (await jsm.streams.info('TASKS')).state;
    const uploads = (await jsm.streams.info('OBJ_up-b')).state;
    const said = 'words of a';
    const stored = headers();
    stored.set('Nats-Request-Info', JSON.stringify({ acc: '$G' }));
    const { seq } = await jetstream(a).publish('$O.up-a.C.bait', '', { headers: stored });
    const get = JSON.stringify({ seq });
    for (const reply of ['PURGE.TASKS', 'DELETE.TASKS', 'PURGE.OBJ_up-b', 'DELETE.OBJ_up-b'].map(
      (one) => `$JS.API.STREAM.${one}`,
    )) {
      a.publish('$JS.API.INFO', '', { reply });
      a.publish('$O.up-a.C.bait', said, { reply });
      a.publish('$JS.API.STREAM.MSG.GET.OBJ_up-a', get, { reply });
      a.publish('$JS.API.STREAM.INFO.OBJ_up-a', '', { reply });
    }
    await a.flush();
    await jetstream(a).publish('fl.up.a', 'after all that');
    await jsm.getAccountInfo();
    expect((await jsm.streams.info('TASKS')).state).toMatchObject({
      messages: tasks.messages,
      first_seq: tasks.first_seq,
    });
    expect((await jsm.streams.info('OBJ_up-b')).state).toMatchObject({
      messages: uploads.messages,
      first_seq: uploads.first_seq,
    });

    for (const reply of ['fl.task.b', 'fl.up.b', '$O.up-b.C.x', 'fl.status.b', '$JS.API.STREAM.PURGE.TASKS']) {
      await jetstream(a).publish('$O.up-a.C.bait', said);
      a.publish('$O.up-a.C.bait', said, { reply });
      a.publish('$JS.API.STREAM.MSG.GET.OBJ_up-a', get, { reply });
      a.publish('$JS.API.CONSUMER.MSG.NEXT.TASKS.a', '', { reply });
    }
    await a.flush();
    await jetstream(a).publish('fl.up.a', 'and after this, too');
    expect((await jsm.streams.info('TASKS')).state.last_seq).toBe(tasks.last_seq);
    expect((await jsm.streams.info('OBJ_up-b')).state.last_seq).toBe(uploads.last_seq);
    const updates = await jsm.streams.info('UPDATES', { subjects_filter: 'fl.up.b' });
    expect(updates.state.subjects).toEqual({ 'fl.up.b': 1 });
  });

  it('who is only invited reaches the enrolment of its own name, and nothing else', async () => {
    const { identity } = createIdentity();
    const invited = [...nats.access, { name: 'c', key: null, enrolKey: identity.publicKey }];
    await nats.setSilos(invited);
    const notices: ConnectionNotice[] = [];
    const onNotice = (notice: ConnectionNotice) => void notices.push(notice);
    const c = await connectNats(nats.address, { identity, inboxPrefix: enrolInbox('c'), name: 'c', onNotice });
    try {
      server.subscribe('fl.enrol.*', { max: 1, callback: (_, message) => void message.respond('heard') });
      await server.flush();
      expect((await c.request('fl.enrol.c', '')).string()).toBe('heard');
      const others = [...siloPermissions('c').publish, ...siloPermissions('a').publish].map(concrete);
      expect(await taken(c, notices, [...others, 'fl.enrol.a', 'fl.enrol.d', 'fl.task.c'])).toEqual([]);
      for (const subject of ['>', '_INBOX.>', '_INBOX_c.>', '_INBOX_a.>', 'fl.enrol.c', 'fl.enrol.*']) {
        expect([subject, await isDeaf(c, subject)]).toEqual([subject, true]);
      }
    } finally {
      await c.close();
      await nats.setSilos(nats.access);
    }
  });

  it('nothing of b was touched by all that', async () => {
    expect(await (await new Objm(server).open('up-b')).getBlob('secret')).toHaveLength(1000);
    expect((await jsm.consumers.info('TASKS', 'b')).delivered.stream_seq).toBe(0);
    const heardByB = await (await jetstream(b).consumers.get('TASKS', 'b')).next({ expires: 2000 });
    expect(heardByB?.string()).toBe('a task of b');
  });
});

// --- internal ---

/** A subject that the pattern allows. */
function concrete(pattern: string): string {
  return pattern.replace(/>$/, '1.1.1.1.0');
}
