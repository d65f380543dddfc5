import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { departuresOf, PLAN, QUICK, releaseOf, wholeOf } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { commitOnce, federations, outcomeOf, playOnce, task, uploadOf } from '../../test/net-fixture.ts';
import { AbortedError, AccessError, LostPeerError, NumericalError, PrivacyError, StateError } from '../errors.ts';
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

    test('leaves: its port says so, until it joins again', async () => {
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
      federation.hubEvents.length = 0;
      federation.agent(a);
      await federation.seen('silo-here');
      expect(await wholeOf(second.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    });

    test('came back before the server started again: it is listened for first', async () => {
      const { federation, a } = await open('a');
      const first = await federation.openHub();
      const gone = federation.agent(a);
      await gone.seen('welcome');
      gone.leave.abort();
      await federation.seen('silo-left');
      federation.hubEvents.length = 0;
      const back = federation.agent(a);
      await federation.seen('silo-here');
      await first.close();
      const second = await federation.openHub();
      expect(await wholeOf(second.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
      await back.stop();
    });

    test('was revoked before the server started: its port says so at once, until it is invited again', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub({ silos: new Map(), revoked: ['a'] });
      await expect(hub.port('a').play(task(1))).rejects.toMatchObject({ facts: { revoked: true } });
      hub.addSilo('a', a.identity.publicKey);
      federation.agent(a);
      expect(await wholeOf(hub.port('a').play(task(1)))).toEqual(await wholeOf(releaseOf('a', 1)));
    });

    test('is revoked: its port says so, and it is turned away', async () => {
      const { federation, a } = await open('a', 'b');
      const hub = await federation.openHub();
      const agent = federation.agent(a, { play: async () => new Promise(() => {}) });
      const playing = outcomeOf(hub.port('a').play(task(1)));
      await agent.seen('task');
      hub.removeSilo('a');
      expect(await playing).toMatchObject({ code: 'LOST_PEER', facts: { revoked: true } });
      await agent.stop();
      expect(await federation.agent(a).result).toMatchObject({ facts: { reason: 'REVOKED' } });
      federation.agent(federation.silo('b'));
      expect(await wholeOf(hub.port('b').play(task(1)))).toEqual(await wholeOf(releaseOf('b', 1)));
    });
  });

  describe('hellos and statuses', () => {
    test('a second process of a silo is turned away while the first is there, and let in when it is gone', async () => {
      const { federation, a } = await open('a');
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
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      await commitOnce(federation, hub, a, 1);
      a.done.clear();
      const lost = await federation.agent(a).result;
      expect(lost).toBeInstanceOf(PrivacyError);
      expect(lost).toMatchObject({ facts: { reason: 'LOST_STATE' } });
      expect(a.trained).toEqual([1]);
    });

    test('unless its ledger has a seal of each release that the server has; then it goes on with the next round', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const asked: boolean[] = [];
      const seals = async () => [{ round: 1, sha256: releaseOf('a', 1).decoder.sha256 }];
      const agree = async (_: unknown, isByLedger: boolean) => void asked.push(isByLedger);
      const first = federation.agent(a, { agree, seals: async () => expect.fail('shown to who did not ask') });
      await hub.port('a').play(task(1));
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      await first.seen('committed', 1);
      await first.stop();
      a.done.clear();
      const lost = federation.agent(a, { agree, seals });
      expect(await wholeOf(hub.port('a').play(task(2)))).toEqual(await wholeOf(releaseOf('a', 2)));
      expect(federation.hubEvents).toContainEqual({ kind: 'silo-let-in-by-ledger', silo: 'a', round: 1 });
      await lost.seen('delivered', 2);
      await lost.stop();
      a.done.clear();
      expect(await federation.agent(a, { seals }).result).toMatchObject({ facts: { reason: 'LOST_STATE' } }); // not of round 2
      expect([asked, a.trained]).toEqual([
        [false, true],
        [1, 2],
      ]);
    });

    test('and shows just those that the server named, or nothing where its ledger lacks one of them', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      await commitOnce(federation, hub, a, 1);
      await commitOnce(federation, hub, a, 2);
      a.done.clear();
      const seals = [1, 2, 3].map((round) => ({ round, sha256: releaseOf('a', round).decoder.sha256 }));
      const lacking = federation.agent(a, { seals: async () => seals.slice(1) });
      const error = await lacking.result;
      expect(error).toMatchObject({ facts: { reason: 'LOST_STATE' } });
      expect((error as Error).message).toMatch(/this silo has now has no seal of that of round 1\.$/);
      expect(lacking.events.map(({ kind }) => kind)).not.toContain('ledger-shown');
      const knowing = federation.agent(a, { seals: async () => seals });
      await knowing.seen('welcome');
      expect(knowing.events).toContainEqual({ kind: 'ledger-shown', seals: 2 });
    });

    test('nor is it when it was revoked and invited again meanwhile', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      await commitOnce(federation, hub, a, 1);
      hub.removeSilo('a');
      hub.addSilo('a', a.identity.publicKey);
      a.done.clear();
      expect(await federation.agent(a).result).toMatchObject({ facts: { reason: 'LOST_STATE' } });
    });

    test('is told again what the server committed since it started, where it missed that', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      await playOnce(federation, hub, a, 1);
      await federation.commit(hub, 1, [uploadOf('a', 1)]);
      await (await jetstreamManager(federation.nc)).streams.purge('TASKS'); // the broker lost it
      await federation.agent(a).seen('committed', 1);
    });

    test('another minor version is not let in', async () => {
      const { federation, a } = await open('a');
      await federation.openHub();
      expect(await federation.agent(a, { version: '0.2.0' }).result).toMatchObject({ facts: { reason: 'VERSION' } });
    });

    test('a silo waits for a server that is not there yet, and refuses a plan by throwing', async () => {
      const { federation, a } = await open('a');
      const agent = federation.agent(a, {
        agree: async ({ planText }) => {
          throw new PrivacyError(`Not for ${planText}.`);
        },
      });
      await agent.seen('server-away');
      await federation.openHub();
      expect(await agent.result).toBeInstanceOf(PrivacyError);
      expect(a.trained).toEqual([]);
      await federation.seen('silo-away');
    });

    test('its state and whole percents are heard, and its silence', async () => {
      const { federation, a } = await open('a');
      const hub = await federation.openHub();
      const agent = federation.agent(a, {
        play: async (_, { onPercent }) => {
          onPercent(41.7);
          return new Promise(() => {});
        },
      });
      const playing = outcomeOf(hub.port('a').play(task(1)));
      await federation.seenWhere(
        (event) =>
          event.kind === 'silo-status' &&
          event.status.percent === 41 &&
          event.status.state === 'training' &&
          event.status.round === 1,
      );
      await agent.stop();
      await federation.seen('silo-away');
      await hub.close();
      expect(await playing).toBeInstanceOf(AbortedError);
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
