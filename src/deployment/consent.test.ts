import { describe, expect, test } from 'vitest';
import { drawDigits } from '../data/drawn-digits.ts';
import { type ImageSet, selectImages } from '../data/image-set.ts';
import { seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import type { PrivacyStatement } from '../exchange/privacy-statement-schema.ts';
import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import type { Spec } from '../experiments/spec.ts';
import { siloConfigOf, siloIn } from '../experiments/silo-configs.ts';
import { type Consent, consentLines } from './consent.ts';
import { draftFederation, type FederationPrivacy } from './draft-federation.ts';

const images = drawDigits({ key: seedKey('consent'), count: 300, classes: [3, 7] });

const planned = draftFederation({
  name: 'fed',
  silos: ['a', 'b'],
  task: 'represent',
  images: { shape: images.shape, classes: 10 },
  privacy: { mechanism: 'none' },
  test: null,
});

/** What silo a agrees to with these images. */
function consentTo(spec: Spec, set: ImageSet, more: Partial<Consent> = {}): Consent {
  return {
    federation: 'fed',
    silo: 'a',
    spec,
    plan: 'f'.repeat(64),
    before: null,
    planFile: '/home/plan-proposed.json',
    images: set,
    brought: null,
    config: siloConfigOf(spec, 'a', set, { stateDir: 'state', ledgerDir: 'ledger' }),
    budget: null,
    notes: [],
    ...more,
  };
}

function shown(
  task: 'represent' | 'classify',
  privacy: FederationPrivacy,
  budget: { epsilon: number; delta: number } | null = null,
  before: string | null = null,
  extra: object = {},
) {
  const draft = draftFederation({
    name: 'fed',
    silos: ['a', 'b'],
    task,
    images: { shape: images.shape, classes: 10 },
    privacy,
    test: null,
  });
  const spec = parseSpec({ ...draft, privacy: { ...draft.privacy, ...extra } });
  return consentLines(consentTo(spec, images, { budget, before })).join('\n');
}

describe('what an owner is shown', () => {
  test('without a mechanism: that nothing is claimed', () => {
    const text = shown('represent', { mechanism: 'none' });
    expect(text).toContain("Federation 'fed' asks silo 'a' to take part: 3 rounds with 2 silos.");
    expect(text).toContain('300 images of 1 x 28 x 28, by class: 3 (150), 7 (150)');
    expect(text).toContain('NOTHING: no mechanism bounds');
    expect(text).not.toContain('which classes');
    expect(text).not.toContain('HAS CHANGED');
    expect(shown('represent', { mechanism: 'none' }, null, 'e'.repeat(64))).toContain(
      'The plan HAS CHANGED: you agreed to eeeeeeeeeeeeeeee.',
    );
  });

  test('the budget of the plan, or the smaller one that the owner set', () => {
    const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } as const;
    expect(shown('represent', privacy)).toMatch(/epsilon 8 at delta 0.00001 for each record.*\n?.*allows epsilon 8/);
    expect(shown('represent', privacy, { epsilon: 2, delta: 1e-6 })).toContain('allows epsilon 2 at delta 0.000001');
  });

  test.each([
    ['dp-sgd', { noise: 'seeded' }, 'comes from the seed of the spec'],
    ['dp-sgd', { mode: 'decoder-only' }, 'The encoder learns without noise'],
    ['dp-sgd', { clipping: 'paper-unsound' }, 'un-noised median'],
    ['gaussian', { noise: 'seeded' }, 'comes from the seed of the spec'],
  ] as const)('no guarantee where there is none: %s %o', (mechanism, extra, why) => {
    const task = mechanism === 'gaussian' ? 'classify' : 'represent';
    const text = shown(task, { mechanism, epsilon: 8, delta: 1e-5 }, null, null, extra);
    expect(text).toMatch(/claimed of its privacy: NOTHING: /);
    expect(text).toContain(why);
    expect(text).not.toContain('epsilon 8');
  });

  test('whether the number of images becomes public', () => {
    const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } as const;
    const line = 'how many images there are (the plan makes their number public)';
    const [leaves, stays] = shown('represent', privacy).split('What never leaves it');
    expect(leaves).toContain(line);
    expect(stays).not.toContain('how many there are');
    const declared = shown('represent', privacy, null, null, { records: 300 });
    expect(declared).not.toContain(line);
    expect(declared).toContain('images, labels, how many there are, encoders');
    expect(declared).toContain('the code of an error when a round fails');
  });

  test('what the plan asks of those who train, beside what a decoder from elsewhere says of itself', () => {
    const privacy = { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-5 } as const;
    const brought = (statement: PrivacyStatement, asked: FederationPrivacy) => {
      const facts = { name: 'fed', silos: ['a', 'b'], task: 'represent', test: null } as const;
      const spec = draftFederation({ ...facts, images: { shape: images.shape, classes: 10 }, privacy: asked });
      const one = { brought: { dir: '/made', privacy: statement }, images: null, config: null };
      return consentLines(consentTo(spec, images, one)).join('\n');
    };
    const declared = brought(declaredStatement('Trained on open data.'), privacy);
    expect(declared).toMatch(
      /privacy: .*Trained on open data.*\n {2}the plan asks .*epsilon 8 at delta 0.00001.* nobody here/,
    );
    expect(brought(NO_PRIVACY, privacy)).toMatch(/\n {2}LESS than the plan asks .*epsilon 8 at delta 0.00001/);
    expect(brought(NO_PRIVACY, { mechanism: 'none' })).not.toContain('the plan asks');
  });

  test('where the plan can be read before anybody agrees', () => {
    expect(shown('represent', { mechanism: 'none' })).toContain('the whole of it lies in /home/plan-proposed.json');
  });

  test('one of a thing as one, and no control character of anybody', () => {
    const one = selectImages(images, [0], 'one');
    const spec = { ...planned, rounds: 1, local: { ...planned.local, epochs: 1, batchSize: 1 } };
    const strange = { federation: 'f\u001b[2Jed', notes: ['a\rb \u202ec'], brought: null };
    const text = consentLines({ ...consentTo(spec, one), ...strange });
    expect(text.join(' ')).toMatch(/: 1 round with 2 silos\..* 1 image of 1 x 28 x 28.*trained 1 epoch a round/);
    expect(text.every((line) => /^\P{C}*$/u.test(line))).toBe(true);
    expect(text[0]).toContain("Federation 'f [2Jed'");
  });

  test('the classes that become public', () => {
    const text = shown('classify', { mechanism: 'none' });
    expect(text).toContain('which classes it can draw: 3, 7');
    expect(text).toContain('1 round with');
    // What is private is offered for all classes: which ones there are would tell of the records.
    expect(shown('classify', { mechanism: 'gaussian', epsilon: 1, delta: 1e-5 })).toContain(
      'draw: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9',
    );
  });

  test('nothing to a silo that the plan does not have', () => {
    const spec = draftFederation({
      name: 'fed',
      silos: ['a'],
      task: 'represent',
      images: { shape: images.shape, classes: 10 },
      privacy: { mechanism: 'none' },
      test: null,
    });
    expect(() => siloIn(spec, 'z')).toThrow(SpecError);
  });
});
