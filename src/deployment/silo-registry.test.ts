import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/small-silos.ts';
import { SpecError, StateError } from '../errors.ts';
import { createIdentity } from '../net/identity.ts';
import {
  accessOf,
  isTaken,
  newRegistry,
  readRegistry,
  registered,
  saveRegistry,
  withInvite,
  withKey,
  withoutKey,
  withoutUsedInvite,
} from './silo-registry.ts';

const ROOT = temporaryFolder();
const newKey = () => createIdentity().identity.publicKey;
const [invite, key, second] = [newKey(), newKey(), newKey()] as const;

describe('the registry of silos', () => {
  test('follows a silo from its invite to its key, and leaves others alone', () => {
    const invited = withInvite(newRegistry(['a', 'b']), 'a', invite);
    expect(registered(invited, 'a')).toMatchObject({ key: null, invite, usedInvite: null });
    const joined = withKey(invited, 'a', key);
    // The invite may still hear its answer, and is worth nothing else.
    expect(registered(joined, 'a')).toMatchObject({ key, invite: null, usedInvite: invite });
    expect(registered(withoutUsedInvite(joined, 'a'), 'a')).toMatchObject({ key, usedInvite: null });
    expect(registered(joined, 'b')).toEqual(registered(newRegistry(['b']), 'b'));
  });

  test('keeps the key that is in use until a new invite is used, and never takes the old one again', () => {
    const joined = withKey(withInvite(newRegistry(['a']), 'a', invite), 'a', key);
    const again = withInvite(joined, 'a', newKey());
    expect(registered(again, 'a').key).toBe(key);
    const rotated = withKey(again, 'a', second);
    expect(registered(rotated, 'a')).toMatchObject({ key: second, formerKeys: [key] });
    expect(isTaken(rotated, key)).toBe(true);
    expect(isTaken(rotated, newKey())).toBe(false);
  });

  test('knows nothing of a revoked silo but that its key is worth nothing', () => {
    const revoked = withoutKey(withKey(newRegistry(['a']), 'a', key), 'a', 'revoked');
    expect(registered(revoked, 'a')).toMatchObject({ key: null, invite: null, formerKeys: [key] });
  });

  test('knows how a silo is gone, until it is back', () => {
    const left = withoutKey(withKey(newRegistry(['a']), 'a', key), 'a', 'left');
    expect(accessOf(registered(left, 'a'))).toBe('left');
    const invited = withInvite(left, 'a', newKey());
    expect(accessOf(registered(invited, 'a'))).toBe('invited');
    const back = withKey(invited, 'a', newKey());
    expect(accessOf(registered(back, 'a'))).toBe('in');
    expect(accessOf(registered(withoutKey(back, 'a', 'revoked'), 'a'))).toBe('revoked');
  });

  test('is read as it was written, and refused where somebody else wrote in it', async () => {
    const path = join(ROOT, 'silos.json');
    const registry = withKey(newRegistry(['a', 'b']), 'a', key);
    await saveRegistry(path, registry);
    expect(await readRegistry(path)).toEqual(registry);
    writeFileSync(path, JSON.stringify({ ...registry, silos: [{ ...registry.silos[0], key: 'mine' }] }));
    await expect(readRegistry(path)).rejects.toThrow(StateError);
  });

  test('names those that there are where one is unknown', () => {
    expect(() => withInvite(newRegistry(['a', 'b']), 'c', invite)).toThrow(SpecError);
    expect(() => registered(newRegistry(['a', 'b']), 'c')).toThrow('It has: a, b.');
  });
});
