// Identities: what is signed can be verified, files are for one pair of eyes and never replaced, and seeds are repeated nowhere.

import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { decode } from '@nats-io/nkeys';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentity, identityOf, isPublicKey, loadIdentity, saveIdentity, verifySignature } from './identity.ts';

const BYTES = new TextEncoder().encode('what is signed');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'align-fl-identity-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('signatures', () => {
  it('are of one key and of these bytes', () => {
    const [a, b] = [createIdentity().identity, createIdentity().identity];
    const signature = a.sign(BYTES);
    const changed = signature.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
    expect(verifySignature(a.publicKey, BYTES, signature)).toBe(true);
    expect(verifySignature(b.publicKey, BYTES, signature)).toBe(false);
    expect(verifySignature(a.publicKey, BYTES.subarray(1), signature)).toBe(false);
    expect(verifySignature(a.publicKey, BYTES, changed)).toBe(false);
  });

  it('that are none, of keys that are none, are false and no error', () => {
    const { identity, seed } = createIdentity();
    expect(verifySignature(identity.publicKey, BYTES, new Uint8Array(63))).toBe(false);
    expect(verifySignature(identity.publicKey, BYTES, new Uint8Array(64))).toBe(false);
    for (const key of [
      '',
      'U',
      seed,
      identity.publicKey.slice(1),
      `${identity.publicKey.slice(0, 55)}!`,
      'U'.repeat(56),
    ]) {
      expect([key.length, verifySignature(key, BYTES, identity.sign(BYTES))]).toEqual([key.length, false]);
    }
    expect(isPublicKey(identity.publicKey.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')))).toBe(false);
  });
});

describe('what a broker asks to be signed', () => {
  it('is signed where it is a challenge of nats-server', () => {
    const { identity } = createIdentity();
    const { sig } = identity.authenticator()('0b3yRjKr_Zw-1aA') as { sig: string };
    expect(verifySignature(identity.publicKey, new TextEncoder().encode('0b3yRjKr_Zw-1aA'), decode(sig))).toBe(true);
  });

  it('is refused where it is a message, an enrolment, or anything else', () => {
    const { identity } = createIdentity();
    const body = JSON.stringify({ run: 'r', plan: 'a'.repeat(64), round: 7, nonce: 'b'.repeat(64) });
    const task = `align-fl/net@1\nfl.task.a\ntrain\n${body}`; // signed, it would be a task of the server
    const enrolment = JSON.stringify(['align-fl/enrol@1', 'request', 'f', 'a', identity.publicKey, 'n']);
    for (const challenge of [task, enrolment, '', 'short', 'abcdefgh\n', 'x'.repeat(65), 'with a space']) {
      expect(() => identity.authenticator()(challenge)).toThrow(/no challenge of a nats-server/);
    }
  });
});

describe('files', () => {
  it('hold an identity for one pair of eyes', async () => {
    const path = join(folder, 'key');
    const { identity, seed } = createIdentity();
    await saveIdentity(path, seed);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await loadIdentity(path)).publicKey).toBe(identity.publicKey);
  });

  it('are never replaced, also by two at once', async () => {
    const path = join(folder, 'key');
    const seeds = [createIdentity().seed, createIdentity().seed];
    const outcomes = await Promise.allSettled(seeds.map((seed) => saveIdentity(path, seed)));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const kept = await readFile(path, 'utf8');
    await expect(saveIdentity(path, createIdentity().seed)).rejects.toThrow(/exists already and is not replaced/);
    expect(await readFile(path, 'utf8')).toBe(kept);
  });

  it('that others may read, or that are damaged, are refused without a word of what is in them', async () => {
    const path = join(folder, 'key');
    const { seed } = createIdentity();
    await saveIdentity(path, seed);
    await chmod(path, 0o640);
    await expect(loadIdentity(path)).rejects.toThrow(/others may read it \(mode 640\).*chmod 600/);
    await chmod(path, 0o600);
    const damaged = `${seed.slice(0, 30)}${seed[30] === 'A' ? 'B' : 'A'}${seed.slice(31)}`;
    for (const text of ['', 'SU', damaged, seed.slice(0, -1), `${seed}${seed}`, 'x'.repeat(2000)]) {
      await writeFile(path, text, { mode: 0o600 });
      const error = await loadIdentity(path).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'STATE' });
      if (text.length > 10) expect(inspect(error, { depth: 9 })).not.toContain(text.slice(0, 10));
    }
    await expect(loadIdentity(join(folder, 'none'))).rejects.toMatchObject({ code: 'STATE' });
  });
});

it('an identity that is printed shows its public key only', () => {
  const { seed } = createIdentity();
  const identity = identityOf(seed);
  for (const text of [inspect(identity, { depth: 9, showHidden: true }), JSON.stringify(identity)]) {
    expect(text).toContain(identity.publicKey);
    expect(text).not.toContain(seed);
  }
});
