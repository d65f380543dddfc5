// What a hub is told of the registry while other processes change it, and that nothing is told twice or lost.

import { mkdtemp, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { StateError } from '../errors.ts';
import { createIdentity } from '../net/identity.ts';
import { noteInRegistry } from './authority.ts';
import { draftFederation } from './draft-federation.ts';
import { initServer } from './init-server.ts';
import { inviteSilo, revokeSilo } from './invitations.ts';
import { followRegistry } from './registry-follower.ts';
import { serverLayout } from './server-folder.ts';
import { accessOf, readRegistry, registered, withKey } from './silo-registry.ts';

const ROOT = temporaryFolder();

async function followed() {
  const layout = serverLayout(join(await mkdtemp(join(ROOT, 'case-')), 'fed'));
  const images = { shape: { channels: 1, height: 8, width: 8 }, classes: 2 };
  const facts = { name: 'fed', silos: ['a', 'b', 'c'], task: 'represent', images, test: null } as const;
  const spec = draftFederation({ ...facts, privacy: { mechanism: 'none' } });
  const settings = { hosts: ['localhost'], listen: '127.0.0.1', port: 4222, quorum: null, deadlineMinutes: null };
  await initServer({ layout, spec, settings, now: new Date('2026-01-02T03:04:05Z') });
  const keyed = async (silo: string) => {
    const { publicKey } = createIdentity().identity;
    await noteInRegistry(layout, (registry) => withKey(registry, silo, publicKey));
    return publicKey;
  };
  const told: string[] = [];
  const hub = {
    addSilo: (name: string, key: string) => void told.push(`${name} is ${key}`),
    removeSilo: (name: string, how: string) => void told.push(`${name} ${how}`),
  };
  return { layout, keyed, hub, told };
}

test('a hub begins with the keys that are there, and hears of each change once', async () => {
  const { layout, keyed, hub, told } = await followed();
  const a = await keyed('a');
  await keyed('c');
  await revokeSilo(layout, 'c');
  const follower = await followRegistry(layout);
  expect([...follower.keys]).toEqual([['a', a]]);
  expect([...follower.gone]).toEqual([['c', 'revoked']]);
  await follower.tell(hub);
  expect(told).toEqual([]);
  const b = await keyed('b');
  await inviteSilo(layout, 'a', { again: true }); // its key counts until the invite is used
  await Promise.all([follower.tell(hub), follower.tell(hub)]);
  expect(told).toEqual([`b is ${b}`]);
  await revokeSilo(layout, 'a');
  await follower.tell(hub);
  expect(told.slice(1)).toEqual(['a revoked']);
});

test('a silo that left loses its key, and is not told of as revoked; what others changed meanwhile is not lost', async () => {
  const { layout, keyed, hub, told } = await followed();
  await keyed('a');
  await keyed('b');
  const follower = await followRegistry(layout);
  const forgetting = follower.forget('a');
  const looking = follower.tell(hub); // comes after
  await revokeSilo(layout, 'b');
  await Promise.all([forgetting, looking]);
  await follower.tell(hub);
  expect(told).toEqual(['a left', 'b revoked']);
  expect(registered(await readRegistry(layout.registry), 'a').key).toBeNull();
  expect([...(await followRegistry(layout)).gone]).toEqual([
    ['a', 'left'],
    ['b', 'revoked'],
  ]);
  const again = await keyed('a');
  await follower.tell(hub);
  expect(told.slice(2)).toEqual([`a is ${again}`]);
});

test('a farewell takes the key that it was signed with, and no other; who was revoked stays so', async () => {
  const { layout, keyed, hub, told } = await followed();
  for (const silo of ['a', 'b', 'c']) await keyed(silo);
  const follower = await followRegistry(layout);
  const [fresh] = [await keyed('a')]; // by another invite, at the same time
  await follower.forget('a');
  await revokeSilo(layout, 'b');
  await follower.forget('b');
  await inviteSilo(layout, 'c', { again: true }); // by somebody who heard of the farewell first
  await follower.forget('c');
  await follower.tell(hub);
  const { silos } = await readRegistry(layout.registry);
  expect(silos.map(({ key, gone }) => [key, gone])).toEqual([
    [fresh, null],
    [null, 'revoked'],
    [null, 'left'],
  ]);
  expect(silos.map(accessOf)).toEqual(['in', 'revoked', 'invited']);
  expect(told).toEqual([`a is ${fresh}`, 'b revoked', 'c left']);
});

test('a silo that was shut out before it had a key, or after it had left, is told of, too', async () => {
  const { layout, keyed, hub, told } = await followed();
  await keyed('b');
  const follower = await followRegistry(layout);
  await follower.forget('b');
  await follower.tell(hub);
  for (const silo of ['a', 'b']) await revokeSilo(layout, silo);
  await follower.tell(hub);
  await inviteSilo(layout, 'a', { again: false });
  await follower.tell(hub); // an invite alone is no return
  const a = await keyed('a');
  await follower.tell(hub);
  expect(told).toEqual(['b left', 'a revoked', 'b revoked', `a is ${a}`]);
  expect(await follower.forget('b')).toBeNull();
});

test('a farewell whose key could not be withdrawn everywhere is one all the same', async () => {
  const { layout, keyed, hub, told } = await followed();
  await keyed('a');
  const follower = await followRegistry(layout);
  await rename(layout.settings, `${layout.settings}.away`); // nats-server.conf cannot be written
  await expect(follower.forget('a')).rejects.toThrow(StateError);
  await follower.tell(hub);
  await follower.idle(); // what fails is told to its caller alone
  expect(told).toEqual(['a left']);
});
