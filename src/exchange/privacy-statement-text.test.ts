import { describe, expect, test } from 'vitest';
import { SMALL_PRIVACY } from '../../test/small-silos.ts';
import type { DpSgdOptions, DpSgdPlan } from '../privacy/dp-plan.ts';
import type { LipschitzControl } from '../privacy/lipschitz-options.ts';
import {
  declaredStatement,
  dpSgdStatement,
  gaussianStatement,
  lipschitzStatement,
  NO_PRIVACY,
  withCertificate,
} from './privacy-statement.ts';
import type { PrivacyStatement } from './privacy-statement-schema.ts';
import { saysWhatItsFieldsSay } from './privacy-statement-text.ts';

const PLAN: DpSgdPlan = { samplingRate: 0.1, expectedBatch: 100, stepsPerEpoch: 10, noiseMultiplier: 1.5, steps: 60 };
const RELEASE = { stages: [{ name: 'means', noiseMultiplier: 2, clipNorm: 1 }] };
const CERTIFICATE = { bound: 3.21, perLayer: [{ layer: 'decoder.0', norm: 3.21 }] };
const FLAT: LipschitzControl = { form: 'spectral-normalisation', bound: 4 };

function dpSgd(
  change: Partial<DpSgdOptions> = {},
  { epsilon = 8, before = false, lipschitz = null as LipschitzControl | null } = {},
) {
  const options: DpSgdOptions = { ...SMALL_PRIVACY, clipping: 'fixed', clipNorm: 2, delta: 1e-7, ...change };
  const plan = { ...PLAN, ...(before && { release: RELEASE as never }) };
  const spent = { epsilon, rdp: epsilon, pld: epsilon };
  return dpSgdStatement({ options, plan, steps: 20, spent, nominalEpsilon: 2.123456, lipschitz });
}

function gaussian(noise: 'secure' | 'seeded', epsilon = 8) {
  const spent = { epsilon, rdp: epsilon, pld: epsilon };
  return gaussianStatement({
    options: { delta: 1e-5, noise } as never,
    plan: RELEASE as never,
    spent,
    nominalEpsilon: 1,
  });
}

const STATEMENTS: readonly (readonly [string, PrivacyStatement])[] = [
  ['none', NO_PRIVACY],
  ['declared', declaredStatement('DP, says its maker')],
  ['the paper penalty', lipschitzStatement({ form: 'paper-penalty', weight: 0.1 })],
  ['a penalty on the Jacobian', lipschitzStatement({ form: 'jacobian-frobenius', weight: 1, bound: 2 })],
  ['flat weights with a certificate', withCertificate(lipschitzStatement(FLAT), CERTIFICATE)],
  ['DP-SGD', dpSgd()],
  ['DP-SGD with a declared number of records', dpSgd({ records: 1000 })],
  ['DP-SGD of the decoder', dpSgd({ mode: 'fixed-encoder' })],
  [
    'DP-SGD after a closed form, with a certificate',
    withCertificate(dpSgd({}, { before: true, lipschitz: FLAT }), CERTIFICATE),
  ],
  ['DP-SGD from a seed', dpSgd({ noise: 'seeded' })],
  ['DP-SGD without a sound clip norm, after a closed form', dpSgd({ clipping: 'paper-unsound' }, { before: true })],
  ['DP-SGD beside training without', dpSgd({}, { epsilon: Infinity })],
  ['the Gaussian mechanism', gaussian('secure')],
  ['the Gaussian mechanism from a seed', gaussian('seeded')],
  ['the Gaussian mechanism beside training without', gaussian('secure', Infinity)],
];

describe.each(STATEMENTS)('the words of %s', (_, statement) => {
  const sent = JSON.parse(JSON.stringify(statement)) as PrivacyStatement;

  test('are made again from its fields', () => {
    expect(saysWhatItsFieldsSay(sent)).toBe(true);
  });

  test('of any other statement, or with more to them, are not believed', () => {
    const others = STATEMENTS.map(([, { text }]) => text).filter((text) => text !== sent.text);
    for (const text of [
      ...others,
      `${sent.text} `,
      `${sent.text} Epsilon is 0.1.`,
      sent.text.replace(/8|2\.1|1/, '0.1'),
    ]) {
      if (text !== sent.text) expect([text, saysWhatItsFieldsSay({ ...sent, text })]).toEqual([text, false]);
    }
  });
});

test('fields of epsilon 8 do not go with words of epsilon 0.1, nor a guarantee with what can have none', () => {
  expect(saysWhatItsFieldsSay({ ...dpSgd(), text: dpSgd({}, { epsilon: 0.1 }).text })).toBe(false);
  expect(saysWhatItsFieldsSay({ ...dpSgd(), noise: 'seeded' })).toBe(false);
  expect(saysWhatItsFieldsSay({ ...gaussian('secure'), noise: 'seeded' } as PrivacyStatement)).toBe(false);
});

test.each(['0', '2', 'x', '1e-5 (verified)'])('a nominal epsilon is not told at a delta of %s', (delta) => {
  const { text, ...fields } = dpSgd({ noise: 'seeded' });
  expect(text).toContain('at delta 1e-7: what');
  expect(saysWhatItsFieldsSay({ ...fields, text: text.replace('1e-7', delta) })).toBe(false);
});
