import { describe, expect, test } from 'vitest';
import { SpecError } from '../errors.ts';
import { applyOverrides, parseOverride } from './overrides.ts';
import { parseSpec } from './parse-spec.ts';
import { answeredRound, decodersBy, lastRoundOf, plannedRounds, roundsOf, silosIn, workOf } from './participation.ts';
import { findPreset } from './presets.ts';
import { privacyOfSilo, type Spec, type SpecInput } from './spec.ts';
import { specHash } from './spec-identity.ts';
import { workPlan } from './work-plan.ts';

const BASE: SpecInput = {
  name: 'changing',
  rounds: 4,
  data: {
    source: { kind: 'drawn-digits', train: 200, test: 100 },
    partition: { kind: 'class-disjoint', classes: [[0, 1], [2, 3], [4, 5], [6]] },
  },
  silos: [
    { name: 'steady' },
    { name: 'joining', participation: { from: 3 } },
    { name: 'leaving', participation: { to: 2 } },
    { name: 'late', participation: { lateBy: 1 } },
  ],
  local: { epochs: 2, batchSize: 8 },
  server: { epochs: 3, batchSize: 8, images: 16 },
  strategies: ['align', 'fedavg', 'local-only'],
  privacy: { mechanism: 'none' },
};
const spec = (...sets: string[]): Spec => parseSpec(applyOverrides(BASE, sets.map(parseOverride)));
const silo = (name: string, whole = spec()) => whole.silos.find((one) => one.name === name) as Spec['silos'][number];
const answers = (name: string, strategy: Spec['strategies'][number]) =>
  [1, 2, 3, 4].map((round) => answeredRound(silo(name), strategy, round));

describe('a silo', () => {
  test('answers from the round in which it joins to the one in which it leaves, and late if it is late', () => {
    expect(answers('steady', 'align')).toEqual([1, 2, 3, 4]);
    expect(answers('joining', 'align')).toEqual([null, null, 3, 4]);
    expect(answers('leaving', 'fedavg')).toEqual([1, 2, null, null]);
    expect(answers('late', 'align')).toEqual([null, 1, 2, 3]); // its round 4 would come after the last
    expect(lastRoundOf(spec(), silo('late'), 'align')).toBe(3);
  });

  test('that is late is no part of an average, and is not asked to train for one', () => {
    expect(answers('late', 'fedavg')).toEqual([null, null, null, null]);
    expect(answers('late', 'local-only')).toEqual(answers('late', 'align'));
  });

  test('pays for the rounds that it trains, whatever the others do', () => {
    const whole = spec(); // local-only is read off align
    expect(whole.silos.map((one) => plannedRounds(whole, one))).toEqual([8, 4, 4, 3]);
    expect(roundsOf(whole, silo('joining'), 'align')).toBe(2);
  });

  test('that never takes part is nowhere', () => {
    const whole = spec('silos.late.participation=null');
    expect(plannedRounds(whole, silo('late', whole))).toBe(0);
    expect([decodersBy(whole, 1), decodersBy(whole, 4)]).toEqual([2, 3]);
    expect(silosIn(whole, 'align', 1).map(({ name }) => name)).toEqual(['steady', 'leaving']);
  });

  test('has its own privacy, from the default on with --set, and the ledgers of the default', () => {
    const sets = [
      'privacy={mechanism: dp-sgd, epsilon: 8, delta: 1e-5, ledgerDir: /l}',
      'silos.late.privacy.epsilon=2',
    ];
    const whole = spec(...sets, 'strategies=[align]');
    expect(privacyOfSilo(whole, silo('late', whole))).toEqual({ ...whole.privacy, epsilon: 2 });
    const bare = spec(...sets, 'strategies=[align]', 'silos.late.privacy={mechanism: none}');
    expect(privacyOfSilo(bare, silo('late', bare))).toEqual({ mechanism: 'none', ledgerDir: '/l' });
    expect(specHash(spec(...sets, 'strategies=[align]', 'silos.late.privacy.ledgerDir=/elsewhere'))).toBe(
      specHash(spec(...sets, 'strategies=[align]', 'silos.late.privacy.ledgerDir=null')),
    );
  });
});

test('the plan of work counts who trains, and decoders as they come', () => {
  // Of 200 images 40, 40, 40 and 20: 10, 10, 10 and 6 steps a round.
  const align = [20, 26, 26, 26]; // leaving is there in rounds 1 and 2, late from 2, joining from 3
  const fedavg = [20, 20, 20, 20];
  const siloSteps = [...align, ...fedavg].reduce((sum, steps) => sum + steps, 0) / 8;
  const server = (3 * 2 * (2 + 3 + 4 + 4)) / 4; // 16 images of each decoder, 8 a step, 3 epochs
  expect(workPlan(spec(), [40, 40, 40, 20])).toEqual({ siloSteps, serverSteps: { align: server, fedavg: 0 } });
});

test('what a silo does for align is what its generator says; for every other strategy it trains', () => {
  const sets = ['task=classify', 'silos.late.generator={kind: release, dir: /r}', 'generator.kind=linear-gaussian'];
  const whole = spec(...sets, 'silos.steady.generator.kind=vae');
  const works = (strategy: Spec['strategies'][number]) => whole.silos.map((one) => workOf(whole, one, strategy));
  expect(works('align')).toEqual(['trains', 'computes', 'computes', 'brings']);
  expect(new Set(works('fedavg'))).toEqual(new Set(['trains']));
  expect(plannedRounds(whole, silo('late', whole))).toBe(3 + 0 + 0); // local-only alone: an average goes on without who is late
  // Five looks for a closed form, nothing for what was brought, batches everywhere else.
  const closed = workPlan(spec(...sets, 'strategies=[align]'), [40, 40, 40, 20]);
  expect(closed.siloSteps).toBe(5 * ((4 + 2 + 2) / 4));
});

describe('participation is refused', () => {
  test.each([
    [
      'that ends before it begins',
      ['silos.joining.participation.to=2'],
      /silos\.1\.participation\.to: expected round 3/,
    ],
    ['beyond the run', ['silos.leaving.participation.to=5'], /silos\.2\.participation\.to: the run has 4 rounds/],
    ['that joins too late', ['silos.joining.participation.from=5'], /silos\.1\.participation\.from: .* round 5, but/],
    [
      'of which nothing would come',
      ['silos.late.participation.lateBy=4'],
      /silos\.3\.participation\.lateBy: .* round 5/,
    ],
    ['of misspelt keys', ['silos.late.participation={late: 1}'], /unknown key/],
    [
      'of nobody in the first round',
      ['silos.steady.participation.from=2', 'silos.leaving.participation.from=2', 'strategies=[align]'],
      /under align nothing comes from any silo in round 1: the pool would be empty/,
    ],
    [
      'of nobody in a later round, by an average',
      ['silos.steady.participation.to=2', 'silos.joining.participation.from=4'],
      /under fedavg .* in round 3/,
    ],
    [
      'of nobody at all',
      ['steady', 'joining', 'leaving', 'late'].map((name) => `silos.${name}.participation=null`),
      /silos: no silo ever takes part/,
    ],
    ['with too few images at first', ['server.batchSize=40'], /server\.images: 32 from the 2 decoders of round 1/],
    [
      'with a mechanism in parts',
      ['silos.late.privacy={mechanism: dp-sgd, epsilon: 3}'],
      /silos\.3\.privacy\.delta: missing/,
    ],
    [
      'with a setting of its own that does nothing',
      ['silos.late.privacy={mechanism: dp-sgd, epsilon: 3, delta: 1e-5, clipNorm: 2}'],
      /silos\.3\.privacy\.clipNorm: auto-s/,
    ],
  ])('%s', (_, sets, message) => {
    expect(() => spec(...sets)).toThrow(SpecError);
    expect(() => spec(...sets)).toThrow(message);
  });
});

test('a spec that says nothing of it is, to its hash, what it always was', () => {
  const quickstart = parseSpec(findPreset('quickstart')?.spec);
  expect(quickstart.silos[0]).toEqual({ name: 'silo-a' });
});
