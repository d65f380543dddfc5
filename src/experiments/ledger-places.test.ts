import { isAbsolute, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ledgerDirOf, withFixedLedgers } from './ledger-places.ts';
import { parseSpec } from './parse-spec.ts';
import { findPreset } from './presets.ts';
import { runLayout } from './run-layout.ts';

const LAYOUT = runLayout('run');
const dpSgd = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 };
const specWith = (privacy: object) => parseSpec({ ...(findPreset('quickstart')?.spec as object), privacy });

describe('the ledger of a silo', () => {
  test.each([dpSgd, { mechanism: 'none' }])('lies where the spec says, under any mechanism: %o', (privacy) => {
    expect(ledgerDirOf(specWith({ ...privacy, ledgerDir: 'ledgers' }), LAYOUT, 'a')).toBe(join('ledgers', 'a'));
    for (const nowhere of [{}, { ledgerDir: null }]) {
      expect(ledgerDirOf(specWith({ ...privacy, ...nowhere }), LAYOUT, 'a')).toBe(join('run', 'silos', 'a'));
    }
  });

  test('lies beside an own folder of images', () => {
    const { data, privacy, silos } = specWith(dpSgd);
    const own = { privacy, silos, data: { ...data, source: { kind: 'folder', dir: 'mine' } as const } };
    expect(ledgerDirOf(own, LAYOUT, 'a')).toBe(join('mine', '.align-fl', 'a'));
    const file = { ...own, data: { ...data, source: { kind: 'folder', dir: join('mine', 'x.npz') } as const } };
    expect(ledgerDirOf(file, LAYOUT, 'a')).toBe(ledgerDirOf(own, LAYOUT, 'a')); // as by its folder
  });
});

test('a place that counts from the working directory is fixed; nothing else changes', () => {
  const spec = specWith({ ...dpSgd, ledgerDir: 'ledgers' });
  const fixed = withFixedLedgers(spec);
  expect(isAbsolute(fixed.privacy.ledgerDir as string)).toBe(true);
  expect(fixed).toEqual({ ...spec, privacy: { ...spec.privacy, ledgerDir: resolve('ledgers') } });
  expect(withFixedLedgers(fixed)).toEqual(fixed);
  for (const privacy of [dpSgd, { mechanism: 'none' }])
    expect(withFixedLedgers(specWith(privacy))).toEqual(specWith(privacy));
});

test('without a mechanism, a spec that names no place is what it always was', () => {
  expect(specWith({ mechanism: 'none' }).privacy).toEqual({ mechanism: 'none' });
});
