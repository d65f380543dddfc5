import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { departuresOf, QUICK, releaseOf, wholeOf } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { federations, outcomeOf, task, uploadOf } from '../../test/net-fixture.ts';
import { AbortedError, LostPeerError, PrivacyError } from '../errors.ts';
import { createIdentity } from './identity.ts';
import { splitIntoParts, uploadParts } from './parts.ts';

describe.skipIf(!natsServer)(`A server over a real nats-server${NEEDS_NATS}`, () => {
  const open = federations();

  test('a task goes out, a release comes back, is committed, and leaves nothing behind at the silo', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    const agent = federation.agent(a);
    for (const round of [1, 2]) {
      const upload = await hub.port('a').play(task(round));
      expect(await wholeOf(upload)).toEqual(await wholeOf(releaseOf('a', round)));
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

  test('a server that lost its folder, with releases that silos were told to forget, is told so by each', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    const agent = federation.agent(a);
    await hub.port('a').play(task(1));
    await federation.commit(hub, 1, [uploadOf('a', 1)]);
    await agent.seen('committed', 1);
    await hub.close();
    federation.committed.clear();
    federation.dropIncoming();
    const next = await federation.openHub();
    await expect(next.port('a').play(task(1))).rejects.toMatchObject({ code: 'STATE', facts: { code: 'COMMITTED' } });
    expect(a.trained).toEqual([1]);
  });

  test('silos work at the same time, and a hub asks for what it has already only once', async () => {
    const { federation } = await open('a', 'b', 'c');
    const hub = await federation.openHub();
    for (const name of ['a', 'b', 'c']) federation.agent(federation.silo(name));
    const play = (name: string) => hub.port(name).play(task(1));
    const uploads = await Promise.all(['a', 'b', 'c'].map((name) => wholeOf(play(name))));
    expect(uploads).toEqual(await Promise.all(['a', 'b', 'c'].map((name) => wholeOf(releaseOf(name, 1)))));
    expect(await Promise.all(['a', 'b', 'c'].map((name) => wholeOf(play(name))))).toEqual(uploads);
    expect(federation.hubEvents.filter(({ kind }) => kind === 'task-sent')).toHaveLength(3);
  });

  describe('a server that starts again', () => {
    test('knows what silos announced before, and asks for nothing twice', async () => {
      const { federation, a } = await open('a');
      const first = await federation.openHub();
      federation.agent(a);
      await first.port('a').play(task(1));
      await first.close();
      const second = await federation.openHub();
      federation.hubEvents.length = 0;
      expect(await wholeOf(second.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
      expect(federation.hubEvents.some(({ kind }) => kind === 'task-sent')).toBe(false);
      await federation.commit(second, 1, [uploadOf('a', 1)]);
      expect(await wholeOf(second.port('a').play(task(2)))).toEqual(await wholeOf(releaseOf('a', 2)));
      expect(a.trained).toEqual([1, 2]);
    });

    test('asks again for what was asked and not answered; the silo trains once', async () => {
      const { federation, a } = await open('a');
      const first = await federation.openHub();
      const lost = outcomeOf(first.port('a').play(task(1)));
      await federation.seen('task-sent');
      await first.close();
      expect(await lost).toBeInstanceOf(AbortedError);
      const second = await federation.openHub();
      const playing = second.port('a').play(task(1));
      const agent = federation.agent(a);
      expect(await wholeOf(playing)).toEqual(await wholeOf(releaseOf('a', 1)));
      await agent.seen('delivered', 1);
      expect(a.trained).toEqual([1]);
    });

    test('tells what the last one committed and did not live to tell', async () => {
      const { federation, a } = await open('a');
      const first = await federation.openHub();
      const agent = federation.agent(a);
      await first.port('a').play(task(1));
      await first.close();
      federation.committed.set('a', [uploadOf('a', 1)]);
      await federation.openHub();
      await agent.seen('committed', 1);
      expect(readdirSync(join(a.folder, 'outbox'))).toEqual([]);
    });

    test('tells that a round is committed again, and not a later one with an equal decoder', async () => {
      const { federation, a } = await open('a');
      const same = releaseOf('a', 1);
      const play = async (round: number) => {
        a.done.set(round, { ...same, round });
        return { ...same, round };
      };
      const first = await federation.openHub();
      const agent = federation.agent(a, { play });
      await first.port('a').play(task(1));
      await federation.commit(first, 1, [uploadOf('a', 1)]);
      await agent.seen('committed', 1);
      void outcomeOf(first.port('a').play(task(2)));
      await agent.seen('delivered', 2);
      await first.close();
      federation.hubEvents.length = 0;
      const second = await federation.openHub(); // its journal has round 1 only
      await second.commit(1, [uploadOf('a', 1)]);
      await wholeOf(second.port('a').play(task(2)));
      const told = federation.hubEvents.flatMap((event) => (event.kind === 'release-committed' ? [event.round] : []));
      expect(new Set(told)).toEqual(new Set([1]));
      expect(await departuresOf(a)).not.toContain('2 committed');
      await expect(second.commit(1, [{ ...uploadOf('a', 1), round: 2 }])).rejects.toThrow(/This is a bug/);
    });

    test('answers a round that it committed from its own file, and says so where that is gone', async () => {
      const { federation, a } = await open('a');
      const first = await federation.openHub();
      const agent = federation.agent(a);
      await first.port('a').play(task(1));
      await federation.commit(first, 1, [uploadOf('a', 1)]);
      await agent.seen('committed', 1);
      await first.close();
      const second = await federation.openHub();
      expect(await wholeOf(second.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
      expect(a.trained).toEqual([1]);
    });
  });

  test('nats-server is killed and started again while everybody works: nothing is lost, nothing counts twice', async () => {
    const { nats, federation, a } = await open('a');
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
      expect(await wholeOf(hub.port('a').play(task(round)))).toEqual(await wholeOf(releaseOf('a', round)));
      await federation.commit(hub, round, [uploadOf('a', round)]);
      await agent.seen('committed', round);
    }
    expect(a.trained).toEqual([1, 2]);
    const announced = federation.hubEvents.filter(({ kind }) => kind === 'release-announced');
    expect(announced).toHaveLength(2);
  });

  test('parts that the broker lost are asked for again, and uploaded from the outbox', async () => {
    const { federation, a } = await open('a');
    const first = await federation.openHub();
    const agent = federation.agent(a);
    await federation.seen('silo-here');
    await first.close();
    const jsm = await jetstreamManager(federation.nc);
    const asking = await federation.openHub({
      inspect: async () => {
        throw new Error('killed here');
      },
    });
    await expect(asking.port('a').play(task(1))).rejects.toThrow(/killed here/);
    await agent.seen('delivered', 1);
    await asking.close();
    await jsm.streams.purge('OBJ_up-a');
    federation.dropIncoming();
    const hub = await federation.openHub();
    expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    expect(a.trained).toEqual([1]);
  });

  test('a release that neither the broker nor a silo that lost its folder has any more is given up, and the next one comes', async () => {
    const { federation, a } = await open('a');
    const asking = await federation.openHub({
      inspect: async () => {
        throw new Error('killed here');
      },
    });
    const first = federation.agent(a);
    await expect(asking.port('a').play(task(1))).rejects.toThrow(/killed here/);
    await first.seen('delivered', 1);
    await first.stop();
    await asking.close();
    await (await jetstreamManager(federation.nc)).streams.purge('OBJ_up-a');
    federation.dropIncoming();
    rmSync(join(a.folder, 'outbox'), { recursive: true });
    a.done.clear();
    let hub = await federation.openHub();
    const lost = federation.agent(a, {
      seals: async () => [uploadOf('a', 1)],
      play: async (round) => {
        if (round === 1) throw new PrivacyError('It has left already.', { lost: true });
        return releaseOf('a', round);
      },
    });
    const why = { code: 'PRIVACY', facts: { failed: true, code: 'LOST_RELEASE' } };
    await expect(hub.port('a').play(task(1))).rejects.toMatchObject(why);
    await expect(hub.port('a').play(task(1))).rejects.toMatchObject(why);
    expect(await wholeOf(hub.port('a').play(task(2)))).toEqual(await wholeOf(releaseOf('a', 2)));

    // Nobody has it, says the silo; then its owner puts the folder back. What it told the server before counts no more.
    await lost.stop();
    await hub.close();
    federation.dropIncoming();
    for (const round of [1, 2]) a.done.set(round, releaseOf('a', round));
    hub = await federation.openHub();
    federation.hubEvents.length = 0;
    const playing = hub.port('a').play(task(1));
    playing.catch(() => {});
    await federation.seen('task-sent');
    federation.agent(a);
    expect(await wholeOf(playing)).toEqual(await wholeOf(releaseOf('a', 1)));
  });

  test('a silo that refuses for now has lost nothing: a release of which parts are missing is waited for', async () => {
    const { federation, a } = await open('a');
    const broken = async () => {
      throw new Error('killed here');
    };
    const asking = await federation.openHub({ inspect: broken });
    const first = federation.agent(a);
    await expect(asking.port('a').play(task(1))).rejects.toThrow(/killed here/);
    await first.stop();
    await asking.close();
    await (await jetstreamManager(federation.nc)).streams.purge('OBJ_up-a');
    federation.dropIncoming();
    rmSync(join(a.folder, 'outbox'), { recursive: true });
    const hub = await federation.openHub();
    const refusing = federation.agent(a, {
      play: async () => {
        throw new PrivacyError('The budget is spent.');
      },
    });
    const playing = hub.port('a').play(task(1));
    playing.catch(() => {});
    await federation.seen('silo-failed');
    await refusing.stop();
    const whole = releaseOf('a', 1);
    const link = { nc: federation.nc, timing: QUICK, signal: new AbortController().signal };
    const file = join(a.folder, 'decoder.onnx');
    const bytes = await whole.decoder.bytes();
    writeFileSync(file, bytes);
    await uploadParts(link, 'a', file, splitIntoParts(bytes));
    expect(await wholeOf(playing)).toEqual(await wholeOf(whole));
  });

  test('every message again, in any number, changes nothing', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    const agent = federation.agent(a);
    for (const round of [1, 2]) {
      await hub.port('a').play(task(round));
      await federation.commit(hub, round, [uploadOf('a', round)]);
      await agent.seen('committed', round);
    }
    const playing = hub.port('a').play(task(3));
    await agent.seen('delivered', 3);
    await playing;
    const before = await departuresOf(a);
    federation.hubEvents.length = 0;
    // Everything that both streams hold, once more and in order, as a broker that forgot what it had acknowledged would.
    const jsm = await jetstreamManager(federation.nc);
    for (const stream of ['TASKS', 'UPDATES']) {
      const { last_seq } = (await jsm.streams.info(stream)).state;
      for (let seq = 1; seq <= last_seq; seq++) {
        const message = await jsm.streams.getMessage(stream, { seq });
        if (message) await jetstream(federation.nc).publish(message.subject, message.data);
      }
    }
    expect(await wholeOf(hub.port('a').play(task(4)))).toEqual(await wholeOf(releaseOf('a', 4))); // behind all of it
    expect(a.trained).toEqual([1, 2, 3, 4]);
    expect(await departuresOf(a)).toEqual([...before, '4 leaving', '4 delivered']);
    expect(readdirSync(join(a.folder, 'outbox'))).toHaveLength(2);
    const kinds = new Set(federation.hubEvents.map(({ kind }) => kind));
    expect(kinds).not.toContain('release-refused');
    expect(federation.hubEvents.filter(({ kind }) => kind === 'release-announced')).toHaveLength(1);
  });

  test('a connection that is closed for good ends both sides', async () => {
    const { nats, federation, a } = await open('a');
    const own = await nats.connectServer();
    const hub = await federation.openHub({ nc: own });
    const line = await nats.connectSilo('a');
    const agent = federation.agent(a, { nc: line, play: async () => new Promise(() => {}) });
    const playing = outcomeOf(hub.port('a').play(task(1)));
    await agent.seen('task');
    await line.close();
    expect(await agent.result).toBeInstanceOf(LostPeerError);
    await own.close();
    expect(await playing).toBeInstanceOf(LostPeerError);
  });

  test('stopping is prompt while nothing comes, for a port and for a hub', async () => {
    const { federation } = await open('a');
    const hub = await federation.openHub();
    const stop = new AbortController();
    const one = hub.port('a').play(task(1), { signal: stop.signal });
    const other = hub.port('a').play(task(1));
    await federation.seen('task-sent');
    stop.abort();
    await expect(one).rejects.toThrow(AbortedError);
    const closing = hub.close();
    await expect(other).rejects.toThrow(AbortedError);
    await closing;
  });

  test('what comes after its round was given up is there for the next one', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    const deadline = new AbortController();
    const playing = hub.port('a').play(task(1), { signal: deadline.signal });
    await federation.seen('task-sent');
    deadline.abort();
    await expect(playing).rejects.toThrow(AbortedError);
    expect(await hub.port('a').late()).toBeNull();
    federation.agent(a);
    await federation.seen('release-ready');
    expect(await wholeOf(hub.port('a').late())).toEqual(await wholeOf(releaseOf('a', 1)));
    await federation.commit(hub, 2, [uploadOf('a', 1)]);
    expect(await hub.port('a').late()).toBeNull();
  });

  test('a silo with a new key is asked again, and signs with that', async () => {
    const { federation, a } = await open('a');
    const first = await federation.openHub();
    const old = federation.agent(a);
    await first.port('a').play(task(1));
    await old.stop();
    await first.close();
    const renewed = { ...a, identity: createIdentity().identity };
    const hub = await federation.openHub({ silos: new Map([['a', renewed.identity.publicKey]]) });
    federation.agent(renewed);
    expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    expect(a.trained).toEqual([1]);
  });
});
