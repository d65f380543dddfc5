import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MessageError } from '../errors.ts';
import { openMessage, sealMessage } from './envelope.ts';
import { createIdentity } from './identity.ts';
import type { Body, Kind } from './messages.ts';

const { identity } = createIdentity();
const HASH = 'ab'.repeat(32);
const subject = 'fl.task.a';
const train: Body<'train'> = { run: 'trial', plan: HASH, round: 3, nonce: HASH };
const opening = { subject, from: identity.publicKey, kinds: ['train', 'committed'] as Kind[] };

const reasonOf = (bytes: Uint8Array, change: Partial<typeof opening> = {}): unknown => {
  try {
    openMessage(bytes, { ...opening, ...change });
    return 'opened';
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return error.facts['reason'];
  }
};
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const envelope = () =>
  JSON.parse(new TextDecoder().decode(sealMessage(identity, { subject, kind: 'train', body: train }))) as Record<
    string,
    string
  >;

describe('a message', () => {
  test('comes out as it went in, and is the same bytes each time', () => {
    const bytes = sealMessage(identity, { subject, kind: 'train', body: train });
    expect(openMessage(bytes, opening)).toEqual({ kind: 'train', body: train });
    expect(sealMessage(identity, { subject, kind: 'train', body: train })).toEqual(bytes);
  });

  test.each([
    ['by somebody else', {}, { from: createIdentity().identity.publicKey }, 'signature'],
    ['for another subject', {}, { subject: 'fl.task.b' }, 'signature'],
    ['of a kind that is not expected here', {}, { kinds: ['end'] as Kind[] }, 'kind'],
    ['under the name of another kind', { kind: 'committed' }, {}, 'signature'],
    ['with another body', { body: JSON.stringify({ ...train, round: 4 }) }, {}, 'signature'],
    ['of an unknown version', { v: 'align-fl/net@2' }, {}, 'version'],
    ['without a version', { v: undefined }, {}, 'version'],
    ['with something more', { more: 1 }, {}, 'envelope'],
    ['without a signature', { signature: '' }, {}, 'envelope'],
    ['with half a character', { body: '"\ud800"' }, {}, 'envelope'],
  ])('%s is dropped', (_, change, how, reason) => {
    expect(reasonOf(text({ ...envelope(), ...change }), how)).toBe(reason);
  });

  test('that is too large is dropped before it is parsed, and cannot be made', () => {
    expect(reasonOf(new Uint8Array(64 * 1024 + 1))).toBe('size');
    const body: Body<'refused'> = { ...refused, reason: 'x'.repeat(500) };
    expect(() => sealMessage(identity, { subject, kind: 'refused', body, maxBytes: 600 })).toThrow(MessageError);
  });

  test('signed by the right one, but not what its kind allows, is dropped with all its problems', () => {
    const lenient = { publicKey: identity.publicKey, sign: (bytes: Uint8Array) => identity.sign(bytes) };
    const body = JSON.stringify({ ...train, round: 0, run: '', more: true });
    const signed = new TextEncoder().encode(`align-fl/net@1\n${subject}\ntrain\n${body}`);
    const signature = Buffer.from(lenient.sign(signed)).toString('base64');
    const bytes = text({ v: 'align-fl/net@1', kind: 'train', body, signature });
    expect(reasonOf(bytes)).toBe('body');
    expect(() => openMessage(bytes, opening)).toThrow(/run.*round.*more/s);
  });

  test('of the wrong form cannot be made', () => {
    const body = { ...train, round: -1 };
    expect(() => sealMessage(identity, { subject, kind: 'train', body })).toThrow(MessageError);
  });
});

test('any bytes are a message or a MessageError, never another throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(reasonOf(bytes)).not.toBe('opened');
    }),
    { numRuns: 300, seed: 2 },
  );
});

test('any JSON in place of an envelope, a kind, a body or a signature is dropped', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom('v', 'kind', 'body', 'signature', 'more', null), (value, field) => {
      const changed = field === null ? value : { ...envelope(), [field]: value };
      expect(reasonOf(text(changed))).not.toBe('opened');
    }),
    { numRuns: 300, seed: 3 },
  );
});

test('a message with any one byte changed is dropped', () => {
  const bytes = sealMessage(identity, { subject, kind: 'train', body: train });
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const other = bytes.slice();
      other[at] = (other[at] ?? 0) ^ change;
      expect(reasonOf(other)).not.toBe('opened');
    }),
    { numRuns: 300, seed: 4 },
  );
});

test('JSON of great depth is dropped without harm', () => {
  expect(reasonOf(new TextEncoder().encode('['.repeat(60_000)))).toBe('not-json');
  expect(reasonOf(new TextEncoder().encode(`${'['.repeat(30_000)}${']'.repeat(30_000)}`))).toBe('version');
});

const refused = { run: 'trial', plan: HASH, round: 1, sha256: HASH, code: 'RELEASE', reason: '' };
