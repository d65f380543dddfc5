import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { parseOverride } from './overrides.ts';
import { canonicalJson } from './spec-identity.ts';
import { parseSeeds, parseVary } from './sweep-values.ts';

describe('values to vary', () => {
  test.each([
    ['model.latent=2,8,16', ['2', '8', '16']],
    ['model.hidden=[512,256],[128]', ['[512,256]', '[128]']],
    ['model.hidden= [512, 256] , [] ', ['[512, 256]', '[]']],
    ['model={kind: mlp, latent: 2},{kind: conv, channels: [2, 4], latent: 2}', null],
    ['name="a,b",c', ['"a,b"', 'c']],
    [`name='it''s, so',it's`, [`'it''s, so'`, `it's`]],
    ['name="a\\",b",c', ['"a\\",b"', 'c']],
    ['data.foreign=null', ['null']],
  ])('%s', (text, expected) => {
    const { path, values } = parseVary(text);
    expect(path).toBe(text.slice(0, text.indexOf('=')));
    expect(values).toEqual(expected ?? ['{kind: mlp, latent: 2}', '{kind: conv, channels: [2, 4], latent: 2}']);
  });

  test('come back as they were, whatever JSON they are', () => {
    const leaf = fc.oneof(
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'grapheme-ascii', minLength: 1 }),
    );
    const value = fc.oneof(leaf, fc.array(leaf), fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.array(leaf)));
    fc.assert(
      fc.property(fc.uniqueArray(value, { minLength: 1, selector: canonicalJson }), (values) => {
        const written = parseVary(`a.b=${values.map((one) => JSON.stringify(one)).join(',')}`).values;
        expect(written.map((one) => parseOverride(`a=${one}`).value)).toEqual(values);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  test.each([
    ['model.latent', 'expected path=a,b,c'],
    ['=1,2', 'expected path=a,b,c'],
    ['seed=1,2', '--seeds 1,2,3'],
    ['a=1,,2', 'empty value'],
    ['a=', 'empty value'],
    ['a=[1,2', 'a ] is missing'],
    ['a=1],2', 'a ] too many'],
    ['a={b: [1}]', 'a } too many'],
    ['a="b,c', 'a " is not closed'],
    ['a=1,2,1', '1 is listed twice'],
    ['a=1,1.0', '1.0 is listed twice, also as 1'],
    ['a=b: c,d', 'in quotes'],
  ])('%s is refused: %s', (text, message) => {
    expect(() => parseVary(text)).toThrow(SpecError);
    expect(() => parseVary(text)).toThrow(message);
  });
});

describe('seeds', () => {
  test.each([
    ['1', [1]],
    ['3, 1,2', [3, 1, 2]],
    ['1-3,7', [1, 2, 3, 7]],
    ['0', [0]],
  ])('%s', (text, seeds) => expect(parseSeeds(text)).toEqual(seeds));

  test.each(['', '1,', 'x', '-1', '1.5', '3-1', '1-9999999', '1,1', '1-3,2'])('"%s" are refused', (text) => {
    expect(() => parseSeeds(text)).toThrow(/--seeds: /);
  });
});
