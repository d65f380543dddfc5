import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { releaseOf } from '../../test/federation-on-nats.ts';
import { MessageError } from '../errors.ts';
import { openMessage, sealMessage } from './envelope.ts';
import { createIdentity } from './identity.ts';
import { type Body, type Kind, MESSAGES } from './messages.ts';

const { identity } = createIdentity();
const subject = 'fl.up.a';
const HASH = '0123456789abcdef'.repeat(4);
const { decoder, privacy } = releaseOf('a', 1);
const { bytes: _, ...facts } = decoder;
const onnx = await decoder.bytes();

const SOUND: { readonly [K in Kind]: Body<K> } = {
  train: { run: 'trial', plan: HASH, round: 1, nonce: HASH },
  committed: { run: 'trial', plan: HASH, round: 1, sha256: HASH },
  refused: { run: 'trial', plan: HASH, round: 1, sha256: HASH, code: 'RELEASE', reason: 'constant' },
  end: { run: 'trial', plan: HASH },
  release: {
    run: 'trial',
    plan: HASH,
    silo: 'a',
    round: 1,
    nonce: HASH,
    decoder: { ...facts, classes: null },
    privacy,
    parts: [{ sha256: HASH, sizeBytes: onnx.length }],
  },
  failed: { run: 'trial', plan: HASH, silo: 'a', round: 1, task: 7, code: 'PRIVACY', message: 'no' },
  left: { run: 'trial', silo: 'a', instance: 'x-1' },
  hello: {
    silo: 'a',
    instance: 'x-1',
    version: '0.1.0',
    state: { plan: null, round: null },
    pending: [{ round: 1, sha256: HASH }],
  },
  welcome: { run: 'trial', plan: HASH, planText: '{}', federation: 'f', since: 0 },
  denied: { code: 'REVOKED', message: 'no' },
  status: { silo: 'a', instance: 'x-1', state: 'training', round: 1, percent: 50 },
};
const KINDS = Object.keys(MESSAGES) as Kind[];

describe.each(KINDS)('%s', (kind) => {
  test('goes through', () => {
    const bytes = sealMessage(identity, { subject, kind, body: SOUND[kind] as never });
    expect(openMessage(bytes, { subject, from: identity.publicKey, kinds: [kind] })).toEqual({
      kind,
      body: SOUND[kind],
    });
  });

  test('with any one value changed at random goes through as it was changed, or is a MessageError', () => {
    const paths = pathsOf(SOUND[kind]);
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 }), (path, value) => {
        const body = JSON.stringify(changed(SOUND[kind], path, value));
        const signed = new TextEncoder().encode(`align-fl/net@1\n${subject}\n${kind}\n${body}`);
        const signature = Buffer.from(identity.sign(signed)).toString('base64');
        const bytes = new TextEncoder().encode(JSON.stringify({ v: 'align-fl/net@1', kind, body, signature }));
        try {
          const opened = openMessage(bytes, { subject, from: identity.publicKey, kinds: [kind] });
          expect(opened.body).toEqual(JSON.parse(body));
        } catch (error) {
          expect(error).toBeInstanceOf(MessageError);
        }
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  test('takes no field that it does not know', () => {
    const body = { ...SOUND[kind], more: 1 };
    expect(() => sealMessage(identity, { subject, kind, body: body as never })).toThrow(MessageError);
  });
});

test('a release is as long as its parts together', () => {
  const body = { ...SOUND.release, parts: [{ sha256: HASH, sizeBytes: onnx.length + 1 }] };
  expect(() => sealMessage(identity, { subject, kind: 'release', body })).toThrow(/as long/);
});

test('a status has whole percents and no place for more', () => {
  expect(MESSAGES.status.safeParse({ ...SOUND.status, percent: 50.5 }).success).toBe(false);
  expect(Object.keys(MESSAGES.status.shape).sort()).toEqual(['instance', 'percent', 'round', 'silo', 'state']);
});

function pathsOf(value: unknown): readonly string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  return Object.entries(value).flatMap(([key, inner]) => [[key], ...pathsOf(inner).map((path) => [key, ...path])]);
}

function changed(value: unknown, [key, ...rest]: readonly string[], to: unknown): unknown {
  if (key === undefined) return to;
  if (Array.isArray(value)) return value.map((one, i) => (String(i) === key ? changed(one, rest, to) : one));
  const fields = value as Readonly<Record<string, unknown>>;
  return { ...fields, [key]: changed(fields[key], rest, to) };
}
