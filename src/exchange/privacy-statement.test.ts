import { describe, expect, test } from 'vitest';
import { SMALL_PRIVACY } from '../../test/small-silos.ts';
import { SpecError } from '../errors.ts';
import type { DpSgdOptions, DpSgdPlan } from '../privacy/dp-plan.ts';
import { declaredStatement, dpSgdStatement, lipschitzStatement, NO_PRIVACY } from './privacy-statement.ts';
import { privacyStatementSchema } from './privacy-statement-schema.ts';

const OPTIONS: DpSgdOptions = { ...SMALL_PRIVACY, clipping: 'fixed', clipNorm: 2 };
const PLAN: DpSgdPlan = { samplingRate: 0.1, expectedBatch: 100, stepsPerEpoch: 10, noiseMultiplier: 1.5, steps: 60 };
const SPENT = { epsilon: 3, rdp: 3.5, pld: 3 };

function statement(change: Partial<DpSgdOptions> = {}, spent = SPENT) {
  const options = { ...OPTIONS, ...change };
  return dpSgdStatement({ options, plan: PLAN, steps: 20, spent, nominalEpsilon: 2.5 });
}

test('without a mechanism nothing is claimed: epsilon without bound, in a form that JSON keeps', () => {
  expect(NO_PRIVACY).toMatchObject({ mechanism: 'none', guarantee: 'none', epsilon: 'Infinity', delta: null });
  expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(NO_PRIVACY)))).toEqual(NO_PRIVACY);
});

describe('what the maker of a decoder declares', () => {
  test('is told in the same words, as unverified, and is no guarantee', () => {
    const said = declaredStatement(' DP-SGD with Opacus, epsilon 1 at delta 1e-5 ');
    expect(said).toMatchObject({ mechanism: 'declared', guarantee: 'none', epsilon: null, delta: null });
    expect(said.text).toBe(
      'Declared by its maker, not verified by align-fl: "DP-SGD with Opacus, epsilon 1 at delta 1e-5"',
    );
    expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(said)))).toEqual(said);
    expect(privacyStatementSchema.safeParse({ ...said, epsilon: 1 }).success).toBe(false);
    expect(privacyStatementSchema.safeParse({ ...said, guarantee: 'epsilon-delta' }).success).toBe(false);
  });

  test.each([
    '',
    '  ',
    'two\nlines',
    '\u001b[31mred',
    'soft\u00adhyphen',
    'a\u200db',
    'a\u202eb',
    'a\u2028b',
    'x'.repeat(2001),
  ])('is one line of bounded length, unlike %j', (words) => {
    expect(() => declaredStatement(words)).toThrow(SpecError);
    const said = { ...declaredStatement('words'), declaration: words };
    expect(privacyStatementSchema.safeParse(said).success).toBe(false);
  });
});

describe('a statement of DP-SGD', () => {
  test('says all that a guarantee depends on, and survives JSON', () => {
    const whole = statement();
    expect(whole).toMatchObject({
      guarantee: 'epsilon-delta',
      epsilon: 3,
      delta: 1e-5,
      nominalEpsilon: null,
      neighbours: 'zero-out-one',
      unit: 'record',
      accountant: { rdp: 3.5, pld: 3 },
      sampling: { kind: 'poisson', rate: 0.1, expectedBatch: 100 },
      clipping: { kind: 'fixed', clipNorm: 2, quantile: null },
      noiseMultiplier: 1.5,
      steps: 20,
      noise: 'secure',
      mode: 'full',
    });
    expect(whole.text).toContain('(3, 0.00001)-differential privacy');
    expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
  });

  test('is refused where its epsilon contradicts its guarantee', () => {
    const bounded = statement();
    const none = statement({ noise: 'seeded' });
    for (const wrong of [
      { ...bounded, epsilon: 'Infinity', delta: null },
      { ...bounded, delta: null },
      { ...bounded, nominalEpsilon: 2.5 },
      { ...none, epsilon: 3, delta: 1e-5 },
      { ...none, nominalEpsilon: null },
      { ...none, guarantee: 'epsilon-delta' },
    ]) {
      expect(privacyStatementSchema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
    }
    expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(none)))).toEqual(none);
  });

  test('names the neighbours that a declared number of records gives', () => {
    expect(statement({ records: 1000 }).neighbours).toBe('add-or-remove-one');
  });

  test.each([
    ['the un-noised median as clip norm', { clipping: 'paper-unsound' as const }, /un-noised median/],
    ['an encoder without noise', { mode: 'decoder-only' as const }, /encoder learns without noise/],
    ['a seed that can be repeated', { noise: 'seeded' as const }, /for experiments only/],
  ])('claims nothing under %s, says why, and gives a nominal epsilon', (_, change, why) => {
    const none = statement(change);
    expect(none).toMatchObject({ guarantee: 'none', epsilon: 'Infinity', delta: null, nominalEpsilon: 2.5 });
    expect(none.text).toMatch(why);
    expect(none.text).toMatch(/^NO guarantee/);
  });

  test('claims nothing where the ledger holds unbounded training on the same records', () => {
    const none = statement({}, { epsilon: Infinity, rdp: Infinity, pld: Infinity });
    expect(none).toMatchObject({ guarantee: 'none', epsilon: 'Infinity', accountant: { rdp: 'Infinity' } });
    expect(none.text).toMatch(/ledger holds training without a guarantee/);
  });
});

describe('a statement of Lipschitz control', () => {
  test.each([
    [{ form: 'paper-penalty', weight: 1 }, 'posterior'],
    [{ form: 'jacobian-spectral', weight: 1, bound: 2 }, 'prior'],
    [{ form: 'jacobian-frobenius', weight: 1, bound: 2 }, 'prior'],
    [{ form: 'spectral-normalisation', bound: 2 }, null],
  ] as const)('is never a guarantee, says so first, and survives JSON: %j', (control, latents) => {
    const told = lipschitzStatement(control);
    expect(told).toMatchObject({ mechanism: 'lipschitz', guarantee: 'none', epsilon: 'Infinity', delta: null });
    expect(told.lipschitz).toEqual({
      form: control.form,
      weight: 'weight' in control ? 1 : null,
      bound: 'bound' in control ? 2 : null,
      latents,
      certificate: null,
    });
    expect(told.text).toMatch(/^NO formal privacy guarantee, epsilon is infinite/);
    expect(told.text).toMatch(/may reproduce images it was trained on/);
    expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(told)))).toEqual(told);
    expect(privacyStatementSchema.safeParse({ ...told, guarantee: 'epsilon-delta' }).success).toBe(false);
    expect(privacyStatementSchema.safeParse({ ...told, epsilon: 1 }).success).toBe(false);
  });

  test('beside DP-SGD neither adds to the guarantee nor takes from it', () => {
    const control = { form: 'paper-penalty', weight: 0.5 } as const;
    const both = dpSgdStatement({
      options: OPTIONS,
      plan: PLAN,
      steps: 20,
      spent: SPENT,
      nominalEpsilon: 2.5,
      lipschitz: control,
    });
    const { lipschitz, text, ...rest } = both;
    const { text: plainText, ...plain } = statement();
    expect(rest).toEqual(plain);
    expect(lipschitz).toMatchObject({ form: 'paper-penalty', weight: 0.5, latents: 'prior', certificate: null });
    expect(text.startsWith(plainText)).toBe(true);
    expect(text).toContain('no bound on how much images can change');
    expect(privacyStatementSchema.parse(JSON.parse(JSON.stringify(both)))).toEqual(both);
  });
});
