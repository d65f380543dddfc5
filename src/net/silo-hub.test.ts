import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  departuresOf,
  PLAN,
  QUICK,
  releaseOf,
  testFederation,
  type TestFederation,
} from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from '../../test/nats-fixture.ts';
import { temporaryFolder } from '../../test/small-silos.ts';
import { AbortedError, AccessError, LostPeerError, PrivacyError, ReleaseError, ShapeError, StateError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { sealMessage, type Signer } from './envelope.ts';
import { createIdentity } from './identity.ts';
import type { AgentEvent } from './net-events.ts';
import { openOutbox } from './outbox.ts';
import { updateSubject } from './subjects.ts';

const ROOT = temporaryFolder();
const task = (round: number) => ({ kind: 'train-own', run: 'trial', round }) as const;
const uploadOf = (silo: string, round: number) => ({ silo, round, sha256: releaseOf(silo, round).decoder.sha256 });

describe.skipIf(!natsServer)(`over a real nats-server${NEEDS_NATS}`, () => {
  let nats: TestNats;
  let federation: TestFederation;
  const open = async (...names: string[]) => {
    federation = await testFederation(nats, ROOT, names);
    return { federation, a: federation.silo('a') };
  };
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b', 'c'] });
  });
  afterEach(() => federation.closeAll());
  afterAll(() => nats.close());

  test('a task goes out, a release comes back, is committed, and leaves nothing behind at the silo', async () => {
    const { a } = await open('a');
    const hub = await federation.openHub();
    const agent = federation.agent(a);
    for (const round of [1, 2]) {
      const upload = await hub.port('a').play(task(round));
      expect(upload).toEqual(releaseOf('a', round));
      expect(readdirSync(join(a.folder, 'outbox'))).toHaveLength(1);
      await federation.commit(hub, round, [uploadOf('a', round)]);
      await agent.seen('committed', round);
    }
    await hub.end();
    expect(await agent.result).toBe('ended');
    const steps = ['leaving', 'delivered', 'committed'];
    expect(await departuresOf(a)).toEqual([1, 2].flatMap((round) => steps.map((step) => `${round} ${step}`)));
    expect(readdirSync(join(a.folder, 'outbox'))).toEqual([]);
    expect(await federation.messagesIn('OBJ_up-a')).toBe(0);
    expect(a.trained).toEqual([1, 2]);
  });

  test('silos work at the same time, and a hub asks for what it has already only once', async () => {
    await open('a', 'b', 'c');
    const hub = await federation.openHub();
    for (const name of ['a', 'b', 'c']) federation.agent(federation.silo(name));
    const play = (name: string) => hub.port(name).play(task(1));
    const uploads = await Promise.all(['a', 'b', 'c'].map(play));
    expect(uploads).toEqual(['a', 'b', 'c'].map((name) => releaseOf(name, 1)));
    expect(await Promise.all(['a', 'b', 'c'].map(play))).toEqual(uploads);
    expect(federation.hubEvents.filter(({ kind }) => kind === 'task-sent')).toHaveLength(3);
  });

  describe('a silo that stops', () => {
    const steps = ['played', 'kept', 'leaving', 'uploaded', 'delivered'] as const;
    test.each(steps)('after "%s" goes on from there, and trains once', async (step) => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const playing = hub.port('a').play(task(1));
      const stop = new AbortController();
      const emit = ({ kind }: AgentEvent) => {
        if (kind === step) stop.abort();
      };
      expect(await federation.agent(a, { emit, signal: stop.signal }).result).toBeInstanceOf(AbortedError);
      const agent = federation.agent(a);
      expect(await playing).toEqual(releaseOf('a', 1));
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      await agent.seen('committed', 1);
      expect(a.trained).toEqual([1]);
      expect(readdirSync(join(a.folder, 'outbox'))).toEqual([]);
      expect(federation.hubEvents.filter(({ kind }) => kind === 'release-announced')).toHaveLength(1);
    });

    test('in the middle of training gives the task back, and is told to the next process at once', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const playing = hub.port('a').play(task(1));
      const first = federation.agent(a, {
        play: (_, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new AbortedError('stopped')))),
      });
      await first.seen('task');
      await first.stop();
      expect(await first.result).toBeInstanceOf(AbortedError);
      federation.agent(a);
      expect(await playing).toEqual(releaseOf('a', 1));
    });

    test('while its server committed hears of it when it is back, though the message came before it', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const first = federation.agent(a);
      await hub.port('a').play(task(1));
      await first.stop();
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      const agent = federation.agent(a);
      await agent.seen('committed', 1);
      expect(await departuresOf(a)).toEqual(['1 leaving', '1 delivered', '1 committed']);
    });
  });

  describe('a server that starts again', () => {
    test('knows what silos announced before, and asks for nothing twice', async () => {
      const { a } = await open('a');
      const first = await federation.openHub();
      federation.agent(a);
      await first.port('a').play(task(1));
      await first.close();
      const second = await federation.openHub();
      federation.hubEvents.length = 0;
      expect(await second.port('a').play(task(1))).toEqual(releaseOf('a', 1));
      expect(federation.hubEvents.some(({ kind }) => kind === 'task-sent')).toBe(false);
      await federation.commit(second, 1, [uploadOf('a', 1)]);
      expect(await second.port('a').play(task(2))).toEqual(releaseOf('a', 2));
      expect(a.trained).toEqual([1, 2]);
    });

    test('asks again for what was asked and not answered; the silo trains once', async () => {
      const { a } = await open('a');
      const first = await federation.openHub();
      const lost = first.port('a').play(task(1)).catch((error: unknown) => error);
      await federation.seen('task-sent');
      await first.close();
      expect(await lost).toBeInstanceOf(AbortedError);
      const second = await federation.openHub();
      const playing = second.port('a').play(task(1));
      const agent = federation.agent(a);
      expect(await playing).toEqual(releaseOf('a', 1));
      await agent.seen('delivered', 1);
      expect(a.trained).toEqual([1]);
    });

    test('tells what the last one committed and did not live to tell', async () => {
      const { a } = await open('a');
      const first = await federation.openHub();
      const agent = federation.agent(a);
      await first.port('a').play(task(1));
      await first.close();
      federation.committed.set('a', [uploadOf('a', 1)]);
      await federation.openHub();
      await agent.seen('committed', 1);
      expect(readdirSync(join(a.folder, 'outbox'))).toEqual([]);
    });

    test('answers a round that it committed from its own file, and says so where that is gone', async () => {
      const { a } = await open('a');
      const first = await federation.openHub();
      const agent = federation.agent(a);
      await first.port('a').play(task(1));
      await federation.commit(first, 1, [uploadOf('a', 1)]);
      await agent.seen('committed', 1);
      await first.close();
      const second = await federation.openHub();
      expect(await second.port('a').play(task(1))).toEqual(releaseOf('a', 1));
      expect(a.trained).toEqual([1]);
    });
  });

  test('nats-server is killed and started again while everybody works: nothing is lost, nothing counts twice', async () => {
    const { a } = await open('a');
    const hub = await federation.openHub();
    const agent = federation.agent(a, {
      play: async (round) => {
        await nats.kill();
        const back = nats.restart();
        a.done.set(round, releaseOf('a', round));
        a.trained.push(round);
        if (round === 2) await back;
        return releaseOf('a', round);
      },
    });
    for (const round of [1, 2]) {
      expect(await hub.port('a').play(task(round))).toEqual(releaseOf('a', round));
      await federation.commit(hub, round, [uploadOf('a', round)]);
      await agent.seen('committed', round);
    }
    expect(a.trained).toEqual([1, 2]);
    const announced = federation.hubEvents.filter(({ kind }) => kind === 'release-announced');
    expect(announced).toHaveLength(2);
  });

  describe('what is not right', () => {
    /** A release as its silo would sign it, changed, and published. */
    async function publishRelease(change: object, signer: Signer, silo = 'a') {
      const { nc } = federation;
      const { decoder, privacy } = releaseOf('a', 1);
      const { onnx, ...facts } = decoder;
      const parts = [{ sha256: contentHash(onnx), sizeBytes: onnx.length }];
      const nonce = contentHash('nobody asked');
      const body = { run: 'trial', plan: PLAN, silo: 'a', round: 1, nonce, decoder: facts, privacy, parts, ...change };
      const subject = updateSubject(silo);
      const bytes = sealMessage(signer, { subject, kind: 'release', body: body as never });
      await jetstream(nc).publish(subject, bytes);
    }

    test.each([
      ['of another silo', { silo: 'b' }, 'sender'],
      ['of a round that was not asked for', { round: 9 }, 'not-asked'],
      ['with a nonce of its own making', {}, 'not-asked'],
    ])('a notice %s is dropped and told of', async (_, change, reason) => {
      const { a } = await open('a', 'b');
      const hub = await federation.openHub();
      await publishRelease(change, a.identity);
      await federation.seen('message-dropped');
      expect(federation.hubEvents.find(({ kind }) => kind === 'message-dropped')).toMatchObject({ reason });
      federation.agent(a);
      expect(await hub.port('a').play(task(1))).toEqual(releaseOf('a', 1)); // and harms nobody
    });

    test('a notice of another run or plan is passed over', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      await publishRelease({ run: 'other' }, a.identity);
      await publishRelease({ plan: contentHash('other') }, a.identity);
      federation.agent(a);
      await hub.port('a').play(task(1));
      expect(federation.hubEvents.filter(({ kind }) => kind === 'release-announced')).toHaveLength(1);
    });

    test('a notice that somebody else signed, or bytes that are none, are dropped; the hub goes on', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      await publishRelease({}, createIdentity().identity);
      const { nc } = federation;
      for (const bytes of ['', '{', '[]', '{"v":"align-fl/net@2"}', 'x'.repeat(66_000)]) {
        await jetstream(nc).publish('fl.up.a', bytes);
        nc.publish('fl.status.a', bytes);
        nc.publish('fl.hello.a', bytes, { reply: 'nowhere' });
      }
      await jetstream(nc).publish('fl.up.nobody', '{}');
      federation.agent(a);
      expect(await hub.port('a').play(task(1))).toEqual(releaseOf('a', 1));
      const reasons = federation.hubEvents.flatMap((event) => (event.kind === 'message-dropped' ? [event.reason] : []));
      expect(new Set(reasons)).toEqual(new Set(['signature', 'not-json', 'version', 'size', 'sender']));
    });

    test('a task that the server did not sign is dropped by the silo, which goes on', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const { nc } = federation;
      const body = { run: 'trial', plan: PLAN, round: 7, nonce: contentHash('') };
      await jetstream(nc).publish('fl.task.a', sealMessage(createIdentity().identity, { subject: 'fl.task.a', kind: 'train', body }));
      await jetstream(nc).publish('fl.task.a', 'nonsense');
      const agent = federation.agent(a);
      expect(await hub.port('a').play(task(1))).toEqual(releaseOf('a', 1));
      expect(agent.events.filter(({ kind }) => kind === 'message-dropped')).toHaveLength(2);
      expect(a.trained).toEqual([1]);
    });

    test('a decoder that inspection refuses is refused at the port, and its silo is told why', async () => {
      const { a } = await open('a');
      const inspect = async () => {
        throw new ReleaseError('No.', { reason: 'constant' });
      };
      const hub = await federation.openHub({ inspect });
      const agent = federation.agent(a);
      await expect(hub.port('a').play(task(1))).rejects.toMatchObject({ code: 'RELEASE', facts: { reason: 'constant' } });
      await agent.seen('refused', 1);
      expect(agent.events.find(({ kind }) => kind === 'refused')).toMatchObject({ code: 'RELEASE', reason: 'constant' });
      expect(await departuresOf(a)).toEqual(['1 leaving', '1 delivered', '1 refused']);
      await expect(hub.port('a').play(task(1))).rejects.toThrow(ReleaseError); // it stays so
      await hub.close();
      const kinder = await federation.openHub();
      expect(await kinder.port('a').play(task(1))).toEqual(releaseOf('a', 1));
    });

    test('weights never travel', async () => {
      await open('a');
      const hub = await federation.openHub();
      const given = { kind: 'train-given', run: 'trial', round: 1, weights: {} } as const;
      await expect(hub.port('a').play(given)).rejects.toThrow(ShapeError);
    });
  });

  describe('a silo that cannot', () => {
    test('is an error at the port with its code, and without its words; it may be asked again', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      let isOver = true;
      const agent = federation.agent(a, {
        play: async (round) => {
          if (isOver) throw new PrivacyError('Spent 7.31 of 8 on the 1234 records in /home/me.');
          return releaseOf('a', round);
        },
      });
      const error = await hub
        .port('a')
        .play(task(1))
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(PrivacyError);
      expect(error).toMatchObject({ facts: { code: 'PRIVACY', failed: true, silo: 'a', round: 1 } });
      expect(String(error)).not.toMatch(/7.31|1234|home/);
      expect(agent.events.find(({ kind }) => kind === 'failed')).toMatchObject({ message: expect.stringMatching('7.31') });
      isOver = false;
      expect(await hub.port('a').play(task(1))).toEqual(releaseOf('a', 1));
      expect(await departuresOf(a)).toEqual(['1 failed', '1 leaving', '1 delivered']);
    });

    test('leaves: its port says so, until it joins again', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const agent = federation.agent(a, { play: async () => new Promise(() => {}) });
      const playing = hub.port('a').play(task(1)).catch((thrown: unknown) => thrown);
      await agent.seen('task');
      agent.leave.abort();
      // play ignores its signal: leaving does not wait for it
      expect(await playing).toBeInstanceOf(LostPeerError);
      expect(await playing).toMatchObject({ facts: { left: true, silo: 'a' } });
      expect(await agent.result).toBe('left');
      await expect(hub.port('a').play(task(1))).rejects.toMatchObject({ facts: { left: true } });
      await hub.close();
      const second = await federation.openHub();
      await expect(second.port('a').play(task(1))).rejects.toMatchObject({ facts: { left: true } });
      federation.hubEvents.length = 0;
      federation.agent(a);
      await federation.seen('silo-here');
      expect(await second.port('a').play(task(1))).toEqual(releaseOf('a', 1));
    });

    test('is revoked: its port says so, and it is turned away', async () => {
      const { a } = await open('a', 'b');
      const hub = await federation.openHub();
      const agent = federation.agent(a, { play: async () => new Promise(() => {}) });
      const playing = hub.port('a').play(task(1)).catch((thrown: unknown) => thrown);
      await agent.seen('task');
      hub.removeSilo('a');
      expect(await playing).toMatchObject({ code: 'LOST_PEER', facts: { revoked: true } });
      await agent.stop();
      expect(await federation.agent(a).result).toMatchObject({ facts: { reason: 'REVOKED' } });
      federation.agent(federation.silo('b'));
      expect(await hub.port('b').play(task(1))).toEqual(releaseOf('b', 1));
    });
  });

  describe('hellos and statuses', () => {
    test('a second process of a silo is turned away while the first is there, and let in when it is gone', async () => {
      const { a } = await open('a');
      await federation.openHub();
      const first = federation.agent(a);
      await first.seen('welcome');
      const second = await federation.agent(a).result;
      expect(second).toBeInstanceOf(AccessError);
      expect(second).toMatchObject({ facts: { reason: 'ALREADY_CONNECTED' } });
      await first.stop();
      await federation.agent(a).seen('welcome');
    });

    test('a silo that lost its folder is not let in: its budget would be spent again', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const first = federation.agent(a);
      await hub.port('a').play(task(1));
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      await first.seen('committed', 1);
      await first.stop();
      a.done.clear();
      const lost = await federation.agent(a).result;
      expect(lost).toBeInstanceOf(PrivacyError);
      expect(lost).toMatchObject({ facts: { reason: 'LOST_STATE' } });
      expect(a.trained).toEqual([1]);
    });

    test('another minor version is not let in', async () => {
      const { a } = await open('a');
      await federation.openHub();
      expect(await federation.agent(a, { version: '0.2.0' }).result).toMatchObject({ facts: { reason: 'VERSION' } });
    });

    test('a silo waits for a server that is not there yet, and refuses a plan by throwing', async () => {
      const { a } = await open('a');
      const agent = federation.agent(a, {
        agree: async ({ planText }) => {
          throw new PrivacyError(`Not for ${planText}.`);
        },
      });
      await agent.seen('server-away');
      const hub = await federation.openHub();
      expect(await agent.result).toBeInstanceOf(PrivacyError);
      expect(a.trained).toEqual([]);
      await federation.seen('silo-away');
      expect(hub.statuses().has('a')).toBe(false);
    });

    test('its state and whole percents are heard, and its silence', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      const agent = federation.agent(a, {
        play: async (_, { onPercent }) => {
          onPercent(41.7);
          return new Promise(() => {});
        },
      });
      const playing = hub.port('a').play(task(1)).catch((thrown: unknown) => thrown);
      await federation.seenWhere((event) => event.kind === 'silo-status' && event.status.percent === 41);
      expect(hub.statuses().get('a')).toMatchObject({ state: 'training', round: 1, percent: 41 });
      await agent.stop();
      await federation.seen('silo-away');
      await hub.close();
      expect(await playing).toBeInstanceOf(AbortedError);
    });

    test('a paused silo begins nothing', async () => {
      const { a } = await open('a');
      const hub = await federation.openHub();
      let isPaused = true;
      const agent = federation.agent(a, { isPaused: () => isPaused });
      const playing = hub.port('a').play(task(1));
      await federation.seenWhere((event) => event.kind === 'silo-status' && event.status.state === 'paused');
      expect(agent.events.some(({ kind }) => kind === 'task')).toBe(false);
      isPaused = false;
      expect(await playing).toEqual(releaseOf('a', 1));
    });
  });

  test('what comes after its round was given up is there for the next one', async () => {
    const { a } = await open('a');
    const hub = await federation.openHub();
    const deadline = new AbortController();
    const playing = hub.port('a').play(task(1), { signal: deadline.signal });
    await federation.seen('task-sent');
    deadline.abort();
    await expect(playing).rejects.toThrow(AbortedError);
    expect(await hub.late('a')).toBeNull();
    federation.agent(a);
    await federation.seen('release-ready');
    expect(await hub.late('a')).toEqual(releaseOf('a', 1));
    await federation.commit(hub, 2, [uploadOf('a', 1)]);
    expect(await hub.late('a')).toBeNull();
  });

  test('a silo with a new key is asked again, and signs with that', async () => {
    const { a } = await open('a');
    const first = await federation.openHub();
    const old = federation.agent(a);
    await first.port('a').play(task(1));
    await old.stop();
    await first.close();
    const renewed = { ...a, identity: createIdentity().identity };
    const hub = await federation.openHub({ silos: new Map([['a', renewed.identity.publicKey]]) });
    federation.agent(renewed);
    expect(await hub.port('a').play(task(1))).toEqual(releaseOf('a', 1));
    expect(a.trained).toEqual([1]);
  });

  test('a damaged outbox stops the silo, and is not sent', async () => {
    const { a } = await open('a');
    await openOutbox(join(a.folder, 'outbox')).put(releaseOf('a', 1), { run: 'trial', plan: PLAN, nonce: contentHash('') });
    const [entry = ''] = readdirSync(join(a.folder, 'outbox'));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(a.folder, 'outbox', entry, 'decoder.onnx'), 'other');
    a.done.set(1, releaseOf('a', 1));
    await federation.openHub();
    expect(await federation.agent(a).result).toBeInstanceOf(StateError);
    expect(existsSync(join(a.folder, 'departures.jsonl'))).toBe(true);
    expect(await departuresOf(a)).toEqual([]);
  });

  test('no interval of the tests is longer than the broker waits for', () => {
    expect(QUICK.workingEveryMs * 3).toBeLessThanOrEqual(QUICK.ackWaitMs);
  });
});
