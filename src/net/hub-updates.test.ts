import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { departuresOf, PLAN, QUICK, releaseOf, type TestFederation, wholeOf } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { federations, task } from '../../test/net-fixture.ts';
import { ReleaseError, ShapeError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import { sealMessage, type Signer } from './envelope.ts';
import { createIdentity } from './identity.ts';
import type { ReleaseHeader } from './messages.ts';
import { splitIntoParts, uploadParts } from './parts.ts';
import { updateSubject } from './subjects.ts';

/** A release as its silo would sign it, changed, and published. */
async function publishRelease({ nc }: TestFederation, change: object, signer: Signer) {
  const { decoder, privacy } = releaseOf('a', 1);
  const { bytes: _, ...facts } = decoder;
  const onnx = await decoder.bytes();
  const parts = [{ sha256: contentHash(onnx), sizeBytes: onnx.length }];
  const nonce = contentHash('nobody asked');
  const body = { run: 'trial', plan: PLAN, silo: 'a', round: 1, nonce, decoder: facts, privacy, parts, ...change };
  const subject = updateSubject('a');
  const bytes = sealMessage(signer, { subject, kind: 'release', body: body as never });
  await jetstream(nc).publish(subject, bytes);
}

describe.skipIf(!natsServer)(`What is not right, over a real nats-server${NEEDS_NATS}`, () => {
  const open = federations();

  test.each([
    ['of another silo', { silo: 'b' }, 'sender'],
    ['of a round that was not asked for', { round: 9 }, 'not-asked'],
    ['with a nonce of its own making', {}, 'not-asked'],
  ])('a notice %s is dropped and told of', async (_, change, reason) => {
    const { federation, a } = await open('a', 'b');
    const hub = await federation.openHub();
    await publishRelease(federation, change, a.identity);
    await federation.seen('message-dropped');
    expect(federation.hubEvents.find(({ kind }) => kind === 'message-dropped')).toMatchObject({ reason });
    federation.agent(a);
    expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1))); // and harms nobody
  });

  test('a notice of another run or plan is passed over', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    await publishRelease(federation, { run: 'other' }, a.identity);
    await publishRelease(federation, { plan: contentHash('other') }, a.identity);
    federation.agent(a);
    await hub.port('a').play(task(1));
    expect(federation.hubEvents.filter(({ kind }) => kind === 'release-announced')).toHaveLength(1);
  });

  test('a notice that somebody else signed, or bytes that are none, are dropped; the hub goes on', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    await publishRelease(federation, {}, createIdentity().identity);
    const { nc } = federation;
    for (const bytes of ['', '{', '[]', '{"v":"align-fl/net@2"}', 'x'.repeat(66_000)]) {
      await jetstream(nc).publish('fl.up.a', bytes);
      nc.publish('fl.status.a', bytes);
      nc.publish('fl.hello.a', bytes, { reply: 'nowhere' });
    }
    await jetstream(nc).publish('fl.up.nobody', '{}');
    federation.agent(a);
    expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    const reasons = federation.hubEvents.flatMap((event) => (event.kind === 'message-dropped' ? [event.reason] : []));
    expect(new Set(reasons)).toEqual(new Set(['signature', 'not-json', 'version', 'size', 'sender']));
  });

  test('of what came before the server began it passes over what a former key has signed, and that alone', async () => {
    const { federation, a } = await open('a');
    const former = createIdentity().identity;
    await publishRelease(federation, {}, former);
    await publishRelease(federation, { silo: 'b' }, a.identity); // a lie, with the key of today
    await publishRelease(federation, {}, createIdentity().identity);
    const reasons = () =>
      federation.hubEvents.flatMap((event) => (event.kind === 'message-dropped' ? [event.reason] : []));
    await federation.openHub({ formerKeys: new Map([['a', [former.publicKey]]]) });
    expect(reasons()).toEqual(['sender', 'signature']);
    await publishRelease(federation, { round: 2 }, former);
    await federation.seenWhere(() => reasons().length === 3);
    expect(reasons().at(-1)).toBe('signature');
  });

  test('a task that the server did not sign is dropped by the silo, which goes on', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    const { nc } = federation;
    const body = { run: 'trial', plan: PLAN, round: 7, nonce: contentHash('') };
    await jetstream(nc).publish(
      'fl.task.a',
      sealMessage(createIdentity().identity, { subject: 'fl.task.a', kind: 'train', body }),
    );
    await jetstream(nc).publish('fl.task.a', 'nonsense');
    const agent = federation.agent(a);
    expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    expect(agent.events.filter(({ kind }) => kind === 'message-dropped')).toHaveLength(2);
    expect(a.trained).toEqual([1]);
  });

  test('a decoder that inspection refuses is refused at the port, and its silo is told why', async () => {
    const { federation, a } = await open('a');
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
    expect(await wholeOf(kinder.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
  });

  test('of several releases of one round the first that is sound counts, for ever, whatever comes after it', async () => {
    const { federation, a } = await open('a');
    const { nc, server } = federation;
    const sign = new TextEncoder().encode(['align-fl/nonce@1', PLAN, 1, 'a'].join('\n'));
    const nonce = contentHash(server.sign(sign)); // as if asked for
    const link = { nc, timing: QUICK, signal: new AbortController().signal };
    const offer = async (other: number) => {
      const { decoder } = releaseOf('a', other);
      const { bytes, ...facts } = decoder;
      const file = join(a.folder, `${other}.onnx`);
      writeFileSync(file, await bytes());
      const parts = splitIntoParts(await bytes());
      await uploadParts(link, 'a', file, parts);
      await publishRelease(federation, { nonce, decoder: facts, parts }, a.identity);
    };
    const shaOf = (other: number) => releaseOf('a', other).decoder.sha256;
    const inspected: string[] = [];
    const inspect = async (_: string, { decoder }: ReleaseHeader) => {
      inspected.push(decoder.sha256);
      await pause(100); // the others are announced meanwhile
      if (decoder.sha256 === shaOf(11)) throw new ReleaseError('No.', { reason: 'constant' });
    };
    const hub = await federation.openHub({ inspect });
    for (const other of [11, 12, 13]) await offer(other);
    const sound = { ...(await wholeOf(releaseOf('a', 12))), round: 1 };
    const answer = await hub.port('a').play(task(1));
    await offer(14);
    await federation.seenWhere((event) => event.kind === 'release-announced' && event.sha256 === shaOf(14));
    await pause(300);
    expect(await wholeOf(answer)).toEqual(sound);
    expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(sound);
    expect(inspected).toEqual([shaOf(11), shaOf(12)]);
    await hub.close();
    const next = await federation.openHub({ inspect });
    expect(await wholeOf(next.port('a').play(task(1)))).toEqual(sound);
    await federation.commit(next, 2, [{ silo: 'a', round: 2, sha256: shaOf(2) }]);
    expect(readdirSync(join(a.folder, '..', 'incoming'))).toEqual([]);
  });

  test('weights never travel', async () => {
    const { federation } = await open('a');
    const hub = await federation.openHub();
    const given = { kind: 'train-given', run: 'trial', round: 1, weights: {} } as const;
    await expect(hub.port('a').play(given)).rejects.toThrow(ShapeError);
  });
});
