import { describe, expect, test } from 'vitest';
import { departuresOf, releaseOf, wholeOf } from '../../test/federation-on-nats.ts';
import { NEEDS_NATS, natsServer } from '../../test/nats-fixture.ts';
import { federations, outcomeOf, playOnce, task, uploadOf } from '../../test/net-fixture.ts';
import { AbortedError } from '../errors.ts';

describe.skipIf(!natsServer)(`A silo that was away at the end of a run${NEEDS_NATS}`, () => {
  const open = federations();

  test('hears of it when the server is gone for good, and forgets what was committed', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    await playOnce(federation, hub, a, 1);
    await federation.commit(hub, 1, [uploadOf('a', 1)]);
    await hub.end();
    await hub.close();
    const agent = federation.agent(a);
    expect(await agent.result).toBe('ended');
    expect(agent.events.map(({ kind }) => kind)).not.toContain('welcome');
    expect(await departuresOf(a)).toEqual(['1 leaving', '1 delivered', '1 committed']);
    expect(a.trained).toEqual([1]);
  });

  test.each(['asked for more', 'stopped in the middle of more'])('hears of it although it was %s', async (how) => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    await playOnce(federation, hub, a, 1);
    await federation.commit(hub, 1, [uploadOf('a', 1)]);
    const deadline = new AbortController();
    const late = outcomeOf(hub.port('a').play(task(2), { signal: deadline.signal }));
    if (how !== 'asked for more') {
      let begin = () => {};
      const began = new Promise<void>((resolve) => {
        begin = resolve;
      });
      const play = (_: number, { signal }: { readonly signal: AbortSignal }) => {
        begin();
        return new Promise<never>((_done, fail) => {
          signal.addEventListener('abort', () => fail(new AbortedError('Stopped.')));
        });
      };
      const agent = federation.agent(a, { play });
      await began;
      await agent.stop();
    } else await federation.seen('task-sent');
    deadline.abort();
    expect(await late).toBeInstanceOf(AbortedError);
    await hub.end();
    await hub.close();
    expect(await federation.agent(a).result).toBe('ended');
    expect(a.trained).toEqual([1]);
    expect(await departuresOf(a)).toEqual(['1 leaving', '1 delivered', '1 committed']);
  });

  test('trains nothing without a server that lets it in', async () => {
    const { federation, a } = await open('a');
    const hub = await federation.openHub();
    await playOnce(federation, hub, a, 1);
    await federation.commit(hub, 1, [uploadOf('a', 1)]);
    void outcomeOf(hub.port('a').play(task(2)));
    await federation.seenWhere((event) => event.kind === 'task-sent' && event.round === 2);
    await hub.close();
    const agent = federation.agent(a);
    await agent.seen('committed', 1);
    await agent.seen('server-away');
    expect(a.trained).toEqual([1]);
    const again = await federation.openHub();
    expect(await wholeOf(again.port('a').play(task(2)))).toEqual(await wholeOf(releaseOf('a', 2)));
  });
});
