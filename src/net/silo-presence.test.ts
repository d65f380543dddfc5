// Who is there, as silos and server tell each other: hellos, what is denied, statuses, and how a silo ends.

import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { QUICK, releaseOf, type TestFederation, wholeOf } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { commitOnce, federations, outcomeOf, playOnce, task, uploadOf } from '../../test/net-fixture.ts';
import { AbortedError, AccessError, DataError, PrivacyError } from '../errors.ts';

describe.skipIf(!natsServer)(`Hellos and statuses over a real nats-server${NEEDS_NATS}`, () => {
  const open = federations();

  test('a second process of a silo is turned away while the first is there, and let in when it is gone', async () => {
    const { federation, a } = await open('a');
    await federation.openHub();
    const first = federation.agent(a);
    await first.seen('welcome');
    const second = await federation.agent(a).result;
    expect(second).toBeInstanceOf(AccessError);
    expect(second).toMatchObject({ facts: { reason: 'ALREADY_CONNECTED' } });
    await federation.seen('two-instances');
    await first.stop();
    await federation.agent(a).seen('welcome');
  });

  test('a second process after one that was killed is let in when that was silent for long enough, and alarms nobody', async () => {
    const { federation, a } = await open('a');
    await federation.openHub();
    const killed = federation.agent(a, { timing: { ...QUICK, statusEveryMs: 60_000 } }); // as silent as one
    await killed.seen('welcome');
    const second = federation.agent(a, { timing: { ...QUICK, otherInstanceMs: 10_000 } });
    await second.seen('denied');
    await second.seen('welcome');
    const alarms = federation.hubEvents.filter(({ kind }) => kind === 'two-instances' || kind === 'silo-denied');
    expect(alarms).toEqual([]);
  });

  /** The last status that the hub has heard of a silo that has ended: its agent has flushed what it said. */
  async function lastOf(federation: TestFederation, silo: string): Promise<string | undefined> {
    await federation.nc.flush();
    const states = federation.hubEvents.flatMap((event) =>
      event.kind === 'silo-status' && event.silo === silo ? [event.status.state] : [],
    );
    return states.at(-1);
  }

  test.each([
    ['paused', (stop: AbortController) => ({ pause: stop.signal })],
    ['stopped', (stop: AbortController) => ({ signal: stop.signal })],
  ])('a silo that is %s says so last', async (state, by) => {
    const { federation, a } = await open('a');
    await federation.openHub();
    const stop = new AbortController();
    const agent = federation.agent(a, by(stop));
    await agent.seen('welcome');
    stop.abort();
    expect(await agent.result).toBeInstanceOf(AbortedError);
    expect(await lastOf(federation, 'a')).toBe(state);
  });

  test.each([
    ['does not agree', new PrivacyError('Not agreed.'), 'declined'],
    ['gives no answer', new AbortedError('Stopped before an answer.'), 'stopped'],
    ['has no budget for it', new PrivacyError('Over budget.'), 'declined'],
    ['cannot read its images', new DataError('Gone.'), 'stopped'],
  ])('a silo whose owner or ledger declines says so last, and no other: one that %s', async (_, error, state) => {
    const { federation, a } = await open('a');
    await federation.openHub();
    expect(await federation.agent(a, { agree: () => Promise.reject(error) }).result).toBe(error);
    expect(await lastOf(federation, 'a')).toBe(state);
  });

  test('a silo that is known only after the run has ended hears of the end, too', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub({ silos: new Map() });
    await hub.end();
    hub.addSilo('a', a.identity.publicKey);
    expect(await federation.agent(a).result).toBe('ended');
  });

  test('a silo that leaves, and one whose run is over, say so last', async () => {
    const { federation, a } = await open('a', 'b');
    const hub = await federation.openHub();
    const leaving = federation.agent(a);
    await leaving.seen('welcome');
    leaving.leave.abort();
    expect(await leaving.result).toBe('left');
    expect(await lastOf(federation, 'a')).toBe('left');
    const agent = federation.agent(federation.silo('b'));
    await agent.seen('welcome');
    await hub.end();
    expect(await agent.result).toBe('ended');
    expect(await lastOf(federation, 'b')).toBe('done');
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
    hub.removeSilo('a', 'revoked');
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
