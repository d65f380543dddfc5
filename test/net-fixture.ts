// What tests of the protocol begin with: a nats-server for the file, a federation for each test, a round that is over.

import { afterAll, afterEach, beforeAll } from 'vitest';
import type { ReleaseId } from '../src/net/net-events.ts';
import type { SiloHub } from '../src/net/silo-hub.ts';
import { releaseOf, type TestFederation, testFederation, type TestSilo } from './federation-on-nats.ts';
import { startTestNats, type TestNats } from './nats-fixture.ts';

/**
 * Called in a `describe`, starts a nats-server for its tests. What it returns opens a federation of silos called a, b or c at the
 * beginning of a test; it is closed at the end.
 */
export function federations() {
  let nats: TestNats;
  let federation: TestFederation | null = null;
  beforeAll(async () => {
    nats = await startTestNats({ silos: ['a', 'b', 'c'] });
  });
  afterEach(() => federation?.closeAll());
  afterAll(() => nats.close());
  return async (...names: string[]) => {
    federation = await testFederation(nats, nats.folder, names);
    return { nats, federation, a: federation.silo('a') };
  };
}

/** What a silo is asked for in a round. */
export const task = (round: number) => ({ kind: 'train-own', run: 'trial', round }) as const;

/** What a server commits when the silo has answered the task of a round. */
export function uploadOf(silo: string, round: number): ReleaseId {
  return { silo, round, sha256: releaseOf(silo, round).decoder.sha256 };
}

/** What `work` gives, or what it throws. */
export function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((thrown: unknown) => thrown);
}

/** The silo plays a round, and stops before anybody says that it is committed. */
export async function playOnce(federation: TestFederation, hub: SiloHub, silo: TestSilo, round: number) {
  const agent = federation.agent(silo);
  await hub.port(silo.name).play(task(round));
  await agent.stop();
}

/** The silo plays a round, hears that it is committed, and stops. */
export async function commitOnce(federation: TestFederation, hub: SiloHub, silo: TestSilo, round: number) {
  const agent = federation.agent(silo);
  await hub.port(silo.name).play(task(round));
  await federation.commit(hub, round, [uploadOf(silo.name, round)]);
  await agent.seen('committed', round);
  await agent.stop();
}
