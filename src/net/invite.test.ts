// Invites: what was written is read, and whatever happened to it on the way is told.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCertificates } from './certificates.ts';
import { createIdentity } from './identity.ts';
import { readInvite, writeInvite } from './invite.ts';

const server = createIdentity().identity.publicKey;
const { identity: enrol, seed: enrolSeed } = createIdentity();
let line: string;
let ca: string;
beforeAll(async () => {
  ca = (await createCertificates({ hosts: ['localhost'], now: new Date('2030-01-01') })).caPem;
  const address = { servers: ['tls://fl.example.org:4222', 'tls://[::1]:4222'], ca };
  line = writeInvite({ federation: 'hearts of Europe', silo: 'a', address, server, enrolSeed });
});

describe('an invite', () => {
  it('is one line that says where, whom to believe, and who is invited', () => {
    expect(line).toMatch(/^align-fl-invite:[\w-]+\.[0-9a-f]{12}$/);
    expect(line.length).toBeLessThan(2000);
    const read = readInvite(line);
    expect(read).toMatchObject({ federation: 'hearts of Europe', silo: 'a', server, address: { ca } });
    expect(read.address.servers).toEqual(['tls://fl.example.org:4222', 'tls://[::1]:4222']);
    expect(read.enrol.publicKey).toBe(enrol.publicKey);
    expect(inspect(read, { depth: 9 })).not.toContain(enrolSeed);
  });

  it('is read through the line breaks and spaces of a mail program', () => {
    expect(readInvite(` ${line.replaceAll(/(.{76})/g, '$1\r\n ')}\n`).silo).toBe('a');
  });

  it('says so wherever it was cut, and repeats nothing', () => {
    for (let end = 0; end < line.length; end += 37) {
      const error = caught(line.slice(0, end));
      expect(error).toMatchObject({ code: 'ACCESS', facts: { reason: 'invite' } });
      expect(String(error)).toMatch(/^AccessError: This is not a whole invite: .*Copy the line again/);
      if (end > 50) expect(inspect(error, { depth: 9 })).not.toContain(line.slice(20, 50));
    }
  });

  it('says so whichever character was changed', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: line.length - 1 }),
        fc.constantFrom('A', 'z', '0', '-', '.', '=', 'ä', ''),
        (at, other) => {
          const mangled = `${line.slice(0, at)}${other}${line.slice(at + 1)}`;
          fc.pre(mangled !== line);
          expect(caught(mangled)).toMatchObject({ code: 'ACCESS' });
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('of anything at all is refused in words', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 300 }),
          fc.string().map((text) => `align-fl-invite:${text}`),
        ),
        (text) => {
          expect(caught(text)).toMatchObject({ code: 'ACCESS' });
        },
      ),
      { seed: 2, numRuns: 300 },
    );
    expect(String(caught('x'.repeat(20_000)))).toContain('at most');
  });

  it.each([
    ['another version', { v: 2 }, /version 2.*reads version 1/],
    ['an unknown field', { more: 1 }, /Unrecognized key/],
    ['a server without encryption', { servers: ['nats://x:1'] }, /tls:/],
    ['a name that no silo has', { silo: 'A.>' }, /is no name of a silo/],
    ['a key that is none', { server: 'U' }, /server is no public key/],
    ['a seed that is none', { enrol: 'SUAB' }, /enrol is no key/],
  ])('with %s is refused with the reason', (_what, change, words) => {
    const content = { ...contentOf(line), ...change };
    expect(String(caught(sealed(content)))).toMatch(words);
    expect(String(caught(sealed(content)))).not.toContain(enrolSeed);
  });
});

// --- internal ---

function caught(text: string): unknown {
  try {
    readInvite(text);
  } catch (error) {
    return error;
  }
  throw new Error(`was read: ${text.slice(0, 50)}`);
}

function contentOf(text: string): object {
  const body = text.slice('align-fl-invite:'.length).split('.')[0] ?? '';
  return JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
}

/** A line with a right checksum, whatever is in it. */
function sealed(content: object): string {
  const body = Buffer.from(JSON.stringify(content)).toString('base64url');
  const sum = createHash('sha256').update(`align-fl-invite:${body}`).digest('hex').slice(0, 12);
  return `align-fl-invite:${body}.${sum}`;
}
