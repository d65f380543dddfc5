import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { departuresOf, PLAN, QUICK, releaseOf, wholeOf } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { commitOnce, federations, outcomeOf, playOnce, task, uploadOf } from '../../test/net-fixture.ts';
import { AbortedError, LostPeerError, MessageError, NumericalError, PrivacyError, StateError } from '../errors.ts';
import { contentHash } from '../storage/content-hash.ts';
import type { AgentEvent } from './net-events.ts';
import { openOutbox } from './outbox.ts';

describe.skipIf(!natsServer)(`A silo over a real nats-server${NEEDS_NATS}`, () => {
  const open = federations();

  describe('a silo that stops', () => {
    const steps = ['played', 'kept', 'leaving', 'uploaded', 'delivered'] as const;
    test.each(steps)('after "%s" goes on from there, and trains once', async (step) => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const playing = hub.port('a').play(task(1));
      const stop = new AbortController();
      const emit = ({ kind }: AgentEvent) => {
        if (kind === step) stop.abort();
      };
      expect(await federation.agent(a, { emit, signal: stop.signal }).result).toBeInstanceOf(AbortedError);
      const agent = federation.agent(a);
      expect(await wholeOf(playing)).toEqual(await wholeOf(releaseOf('a', 1)));
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      await agent.seen('committed', 1);
      expect(a.trained).toEqual([1]);
      expect(readdirSync(join(a.folder, 'outbox'))).toEqual([]);
      expect(federation.hubEvents.filter(({ kind }) => kind === 'release-announced')).toHaveLength(1);
    });

    test('in the middle of training gives the task back, and is told to the next process at once', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const playing = hub.port('a').play(task(1));
      const first = federation.agent(a, {
        play: (_, { signal }) =>
          new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(new AbortedError('stopped'))),
          ),
      });
      await first.seen('task');
      await first.stop();
      expect(await first.result).toBeInstanceOf(AbortedError);
      federation.agent(a);
      expect(await wholeOf(playing)).toEqual(await wholeOf(releaseOf('a', 1)));
    });

    test('while its server committed hears of it when it is back, though the message came before it', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      await playOnce(federation, hub, a, 1);
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      const agent = federation.agent(a);
      await agent.seen('committed', 1);
      expect(await departuresOf(a)).toEqual(['1 leaving', '1 delivered', '1 committed']);
    });
  });

  describe('a silo that cannot', () => {
    test('is an error at the port with its code, and without its words; it may be asked again', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      let isOver = true;
      const agent = federation.agent(a, {
        play: async (round) => {
          if (isOver) throw new PrivacyError('Spent 7.31 of 8 on the 1234 records in /home/me.');
          return releaseOf('a', round);
        },
      });
      const error = await outcomeOf(hub.port('a').play(task(1)));
      expect(error).toBeInstanceOf(PrivacyError);
      expect(error).toMatchObject({ facts: { code: 'PRIVACY', failed: true, silo: 'a', round: 1 } });
      expect(String(error)).not.toMatch(/7.31|1234|home/);
      expect(agent.events.find(({ kind }) => kind === 'failed')).toMatchObject({
        message: expect.stringMatching('7.31'),
      });
      isOver = false;
      expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
      expect(await departuresOf(a)).toEqual(['1 failed', '1 leaving', '1 delivered']);
    });

    test('says so once more where the task comes twice, and tries another time for another task alone', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const tried: number[] = [];
      const play = async (round: number) => {
        tried.push(round);
        throw new NumericalError('diverged');
      };
      const stop = new AbortController();
      const first = federation.agent(a, {
        play,
        signal: stop.signal,
        // Noted, and neither told nor acknowledged.
        emit: ({ kind }) => void (kind === 'failed' && stop.abort()),
      });
      const playing = outcomeOf(hub.port('a').play(task(1)));
      expect(await first.result).toBeInstanceOf(AbortedError);
      expect(await departuresOf(a)).toEqual(['1 failed']);
      federation.agent(a, { play });
      expect(await playing).toMatchObject({ facts: { code: 'NUMERICAL', failed: true } });
      expect(tried).toEqual([1]);
      expect(await outcomeOf(hub.port('a').play(task(1)))).toMatchObject({ facts: { code: 'NUMERICAL' } });
      expect(tried).toEqual([1, 1]);
    });

    test('leaves: its port says so and its key is worth nothing, until it is invited again', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const agent = federation.agent(a, { play: async () => new Promise(() => {}) });
      const playing = outcomeOf(hub.port('a').play(task(1)));
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
      const back = second.port('a').back?.(new AbortController().signal);
      expect(await federation.agent(a).result).toMatchObject({ facts: { reason: 'REVOKED' } });
      second.addSilo('a', a.identity.publicKey); // any key does here
      await back;
      federation.agent(a);
      expect(await wholeOf(second.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    });

    test('gives a release that fits into no message: its round fails alone, and is not trained again', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const agent = federation.agent(a, {
        play: async (round) => {
          if (!a.done.has(round)) a.trained.push(round);
          const release = releaseOf('a', round);
          a.done.set(round, release);
          return round === 1 ? { ...release, privacy: { ...release.privacy, text: 'a\u202eb' } } : release;
        },
      });
      for (const _ of ['asked', 'asked again']) {
        const failed = await outcomeOf(hub.port('a').play(task(1)));
        expect(failed).toBeInstanceOf(MessageError);
        expect(failed).toMatchObject({ facts: { code: 'MESSAGE', failed: true } });
      }
      expect(await departuresOf(a)).toEqual(['1 failed', '1 failed']);
      expect(await wholeOf(hub.port('a').play(task(2)))).toEqual(await wholeOf(releaseOf('a', 2)));
      expect(a.trained).toEqual([1, 2]);
      await agent.stop();
    });

    test.each(['left', 'revoked'] as const)(
      '%s before the server started: its port says so at once, until it is invited again',
      async (how) => {
        const { federation, a } = await open('a');
        const hub = await federation.openHub({ silos: new Map(), gone: new Map([['a', how]]) });
        await expect(hub.port('a').play(task(1))).rejects.toMatchObject({ facts: { [how]: true } });
        hub.addSilo('a', a.identity.publicKey);
        federation.agent(a);
        expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
      },
    );

    test('is revoked: its port says so, and it is turned away', async () => {
      const { federation, a } = await open('a', 'b');
      const hub = await federation.openHub();
      const agent = federation.agent(a, { play: async () => new Promise(() => {}) });
      const playing = outcomeOf(hub.port('a').play(task(1)));
      await agent.seen('task');
      hub.removeSilo('a', 'revoked');
      expect(await playing).toMatchObject({ code: 'LOST_PEER', facts: { revoked: true } });
      await agent.stop();
      expect(await federation.agent(a).result).toMatchObject({ facts: { reason: 'REVOKED' } });
      federation.agent(federation.silo('b'));
      expect(await wholeOf(hub.port('b').play(task(1)))).toEqual(await wholeOf(releaseOf('b', 1)));
    });
  });

  test('what was noted as committed is removed from an outbox that still has it, and does not leave again', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    await commitOnce(federation, hub, a, 1);
    const again = { run: 'trial', plan: PLAN, nonce: contentHash('') };
    await openOutbox(join(a.folder, 'outbox')).put(releaseOf('a', 1), again); // as if killed before it was removed
    const agent = federation.agent(a);
    expect(await wholeOf(hub.port('a').play(task(2)))).toEqual(await wholeOf(releaseOf('a', 2)));
    await agent.seen('delivered', 2);
    expect(readdirSync(join(a.folder, 'outbox'))).toHaveLength(1);
    expect((await departuresOf(a)).filter((line) => line.startsWith('1 '))).toHaveLength(3);
  });

  test('is greeted again when its server has begun another plan, and agrees to that', async () => {
    const { federation, a } = await open('a');
    const first = await federation.openHub();
    const agreed: string[] = [];
    const agent = federation.agent(a, { agree: async ({ planText }) => void agreed.push(planText) });
    await first.port('a').play(task(1));
    await first.close();
    const text = '{"rounds":3}';
    const second = await federation.openHub({ plan: { sha256: contentHash(text), text }, committedSoFar: () => [] });
    expect(await wholeOf(second.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    await agent.seen('delivered', 1);
    expect(agreed).toEqual(['{"rounds":2}', text]);
  });

  test('a damaged outbox stops the silo, and is not sent', async () => {
    const { federation, a } = await open('a');
    await openOutbox(join(a.folder, 'outbox')).put(releaseOf('a', 1), {
      run: 'trial',
      plan: PLAN,
      nonce: contentHash(''),
    });
    const [entry = ''] = readdirSync(join(a.folder, 'outbox'));
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
