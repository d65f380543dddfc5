import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { releaseOf } from '../../test/federation-on-nats.ts';
import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { withText } from '../exchange/privacy-statement-text.ts';
import { MessageError } from '../errors.ts';
import { openMessage, sealMessage } from './envelope.ts';
import { createIdentity } from './identity.ts';
import { plainWords } from './message-words.ts';
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
    seals: [{ round: 1, sha256: HASH }],
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

const ESCAPES = ['\u001b[2JNothing leaves this machine.', 'a\nb', 'a\u202eb', 'a\u2028b', 'a\u200db', 'a\u0000'];

test.each(ESCAPES)('no text for people has control characters: %j', (text) => {
  const { release, refused, failed, welcome, denied } = SOUND;
  const stages = [{ name: text, noiseMultiplier: 1, clipNorm: 1 }];
  const gaussian = withText({
    ...({ mechanism: 'gaussian', neighbours: 'add-or-remove-one', unit: 'record', stages, noise: 'secure' } as const),
    ...({ guarantee: 'epsilon-delta', epsilon: 1, delta: 1e-5, nominalEpsilon: null } as const),
  });
  const bodies = {
    refused: { ...refused, reason: text },
    failed: { ...failed, message: text },
    welcome: { ...welcome, federation: text },
    denied: { ...denied, message: text },
    release: { ...release, privacy: { ...privacy, text } },
  } as const;
  for (const [kind, body] of Object.entries(bodies)) {
    expect([kind, MESSAGES[kind as Kind].safeParse(body).success]).toEqual([kind, false]);
  }
  const named = (name: string) => ({ ...release, privacy: { ...gaussian, stages: [{ ...stages[0], name }] } });
  expect(MESSAGES.release.safeParse(named(text)).success).toBe(false);
  expect(MESSAGES.release.safeParse(named('means')).success).toBe(true);
  expect(MESSAGES.refused.safeParse({ ...refused, reason: plainWords(text) }).success).toBe(true);
});

test('what is cut in the middle of a character still goes into a message', () => {
  expect(plainWords(`${'x'.repeat(499)}\u{1f600}`)).toBe(`${'x'.repeat(499)} `);
});

test('a statement says no more in words than in its fields', () => {
  const saying = (statement: object) => MESSAGES.release.safeParse({ ...SOUND.release, privacy: statement }).success;
  const declared = declaredStatement('trained with noise');
  expect([saying(NO_PRIVACY), saying(declared)]).toEqual([true, true]);
  expect(saying({ ...NO_PRIVACY, text: 'epsilon 0.1' })).toBe(false);
  expect(saying({ ...declared, text: 'Verified by align-fl' })).toBe(false);
  expect(saying({ ...declared, declaration: 'trained with noise ' })).toBe(false);
  const stages = [{ name: 'means', noiseMultiplier: 1, clipNorm: 1 }];
  const gaussian = withText({
    ...({ mechanism: 'gaussian', neighbours: 'add-or-remove-one', unit: 'record', stages, noise: 'secure' } as const),
    ...({ guarantee: 'epsilon-delta', epsilon: 8, delta: 1e-5, nominalEpsilon: null } as const),
  });
  expect(saying(gaussian)).toBe(true);
  expect(saying({ ...gaussian, text: withText({ ...gaussian, epsilon: 0.1 }).text })).toBe(false);
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
