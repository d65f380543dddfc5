// docs/errors.md has exactly one entry for each code an error can carry, with both of its questions answered.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as errors from '../src/errors.ts';
import { CERTIFICATE_REFUSALS } from '../src/exchange/lipschitz-certificate.ts';
import { REASONS } from '../src/exchange/refusal.ts';
import { TRANSFER_REFUSALS } from '../src/net/download.ts';
import { TRIAL_REFUSALS } from '../src/server/guarded-trial.ts';

const text = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
const entries = text
  .split(/^## /m)
  .slice(1)
  .map((entry) => ({ code: /^`([A-Z_]+)`/.exec(entry)?.[1], entry }));

/** Code and name of every class that can be thrown. */
const thrown = Object.values(errors)
  .filter((value) => typeof value === 'function' && value !== errors.AlignError)
  .map((value) => new (value as typeof errors.SpecError)('a message'))
  .map(({ code, name }) => ({ code: String(code), name }));

test('every code has one entry, and every entry a code', () => {
  const codesOf = (list: readonly { readonly code: string | undefined }[]) =>
    list.map(({ code }) => code ?? 'none').sort(byText);
  expect(codesOf(entries)).toEqual(codesOf(thrown));
});

test.each(thrown)('the entry of $code names $name, says when it comes and what to do', ({ code, name }) => {
  const entry = entries.find((one) => one.code === code)?.entry ?? '';
  expect(entry).toContain(`\`${name}\``);
  expect(entry).toMatch(/^\*\*When:\*\* \S.{20}/m);
  expect(entry).toMatch(/^\*\*What to do:\*\* \S.{20}/m);
});

test('the entry of RELEASE lists every reason for which a decoder is refused, and no other', () => {
  const entry = entries.find(({ code }) => code === 'RELEASE')?.entry ?? '';
  const listed = [...entry.matchAll(/^\| `([a-z-]+)` \| \S/gm)].map(([, reason = '']) => reason);
  expect(listed.sort(byText)).toEqual(
    [...Object.keys(REASONS), ...CERTIFICATE_REFUSALS, ...TRIAL_REFUSALS, ...Object.keys(TRANSFER_REFUSALS)].sort(
      byText,
    ),
  );
});

test('reasons are given through the two functions whose reasons are listed', () => {
  const room = new URL('../src/exchange/', import.meta.url);
  const makers = readdirSync(room).filter(
    (name) => !name.endsWith('.test.ts') && readFileSync(new URL(name, room), 'utf8').includes('new ReleaseError('),
  );
  expect(makers.sort(byText)).toEqual(['lipschitz-certificate.ts', 'refusal.ts']);
});

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
