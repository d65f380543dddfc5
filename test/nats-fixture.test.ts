// The server that other tests start: that it stands, and comes back.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEEDS_NATS, natsServer, startTestNats, type TestNats } from './nats-fixture.ts';

describe.skipIf(!natsServer)(`a nats-server for tests${NEEDS_NATS}`, () => {
  let nats: TestNats;
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b'] });
  });
  afterAll(() => nats.close());

  it('lets its server and its silos talk, also after kill -9', async () => {
    const notices: string[] = [];
    const back = [open(), open()];
    const server = await nats.connectServer(({ type }) => type === 'reconnected' && back[0]?.resolve());
    const silo = await nats.connectSilo('a', ({ type }) => {
      notices.push(type);
      if (type === 'reconnected') back[1]?.resolve();
    });
    server.subscribe('fl.hello.*', {
      callback: (_error, message) => {
        message.respond(`welcome ${message.string()}`);
      },
    });
    await server.flush();
    expect((await silo.request('fl.hello.a', 'a')).string()).toBe('welcome a');
    await nats.kill();
    await nats.restart();
    await Promise.all(back.map(({ promise }) => promise));
    await server.flush();
    expect((await silo.request('fl.hello.a', 'again', { timeout: 5000 })).string()).toBe('welcome again');
    expect(notices).toEqual(expect.arrayContaining(['old-server', 'disconnected', 'reconnected']));
  });
});

/** A promise that is resolved from outside. */
function open(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
