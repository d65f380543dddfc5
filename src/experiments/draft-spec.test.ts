import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { draftClosedForm, type DraftFacts, draftModel, draftPartition, draftSpec } from './draft-spec.ts';
import { parseSpec } from './parse-spec.ts';

const FACTS: DraftFacts = {
  name: 'no',
  path: 'my: images #1',
  silos: ['a', 'null'],
  task: 'represent',
  privacy: { mechanism: 'none' },
  shape: { channels: 3, height: 32, width: 32 },
  classNames: ['x', 'y'],
};

const GREY = { channels: 1, height: 28, width: 28 };
const GAUSSIAN = { mechanism: 'gaussian', epsilon: 8, delta: 1e-7 } as const;

describe('a draft', () => {
  it.each<readonly [string, Partial<DraftFacts>]>([
    ['without privacy', {}],
    ['with DP-SGD', { privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-7 } }],
    ['of generators that are computed', { task: 'classify' }],
    ['of generators that are released with noise', { task: 'classify', privacy: GAUSSIAN }],
    ['of generators that are trained', { task: 'classify', privacy: { ...GAUSSIAN, mechanism: 'dp-sgd' } }],
    ['of a small grey set', { shape: { channels: 1, height: 9, width: 9 } }],
  ])('%s is a spec of about a dozen lines that says in YAML just what it says, whatever the names', (_, change) => {
    const draft = draftSpec({ ...FACTS, ...change }, { kind: 'iid' }, { smallest: 40, largest: 60 });
    expect(parse(draft.text)).toEqual(draft.input);
    expect(parseSpec(parse(draft.text)).silos.map(({ name }) => name)).toEqual(['a', 'null']);
    const lines = draft.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.length).toBeLessThanOrEqual(12);
  });

  it('names its task only where it is not the default', () => {
    const lines = (task: DraftFacts['task']) =>
      draftSpec(
        { ...FACTS, task, privacy: { ...GAUSSIAN, mechanism: 'dp-sgd' } },
        { kind: 'iid' },
        { smallest: 40, largest: 60 },
      ).text.split('\n');
    expect(lines('classify').filter((line) => !lines('represent').includes(line))).toEqual([
      expect.stringMatching(/^task: classify +#/),
    ]);
  });

  it.each([
    [3, 3],
    [40, 4],
    [100, 8],
    [100_000, 128],
  ])(
    'gives a silo of %i images batches of %i: some steps an epoch, and never more than there are',
    (smallest, batch) => {
      const { input } = draftSpec(FACTS, { kind: 'iid' }, { smallest, largest: smallest });
      expect(input).toMatchObject({ local: { batchSize: batch } });
    },
  );
});

describe('the closed form of a draft', () => {
  const facts = {
    task: 'classify',
    privacy: { mechanism: 'none' },
    shape: GREY,
    classNames: FACTS.classNames,
  } as const;
  const closed = (change: Partial<DraftFacts>, smallest = 3000) =>
    draftClosedForm({ ...facts, ...change }, { kind: 'iid' }, { smallest, largest: smallest });

  it('has as many Gaussians a class as there are images for, and one where records are private', () => {
    expect(closed({})).toEqual({ components: 10, frequencies: 12, rank: 24 }); // 1,500 images of each class
    expect(closed({}, 90)).toEqual({ components: 1, frequencies: 12, rank: 48 });
    expect(closed({}, 1e6)?.components).toBe(40);
    expect(closed({ privacy: GAUSSIAN }, 1e6)?.components).toBe(1);
  });

  it('keeps no more frequencies than there are, and no more products than memory takes', () => {
    expect(closed({ shape: { channels: 1, height: 8, width: 28 } })?.frequencies).toBe(8);
    const many = { shape: FACTS.shape, classNames: Array<string>(100).fill('x') }; // 432 numbers an image
    expect(closed(many, 1e6)?.components).toBe(Math.floor(2 ** 26 / (100 * 432 ** 2)));
  });

  it('is not there where something is trained', () => {
    expect(closed({ task: 'represent' })).toBeNull();
    expect(closed({ privacy: { ...GAUSSIAN, mechanism: 'dp-sgd' } })).toBeNull();
  });
});

describe('the partition of a draft', () => {
  it('deals the classes that occur, nearly as many to each silo, where there are enough', () => {
    expect(draftPartition(3, [0, 1, 4, 5, 6, 9, 11])).toEqual({
      kind: 'class-disjoint',
      classes: [
        [0, 1, 4],
        [5, 6],
        [9, 11],
      ],
    });
    expect(draftPartition(2, [0, 1])).toEqual({ kind: 'class-disjoint', classes: [[0], [1]] });
  });

  it('deals all classes to all silos where there are fewer classes than silos', () => {
    expect(draftPartition(3, [0, 1]).kind).toBe('dirichlet');
    expect(draftPartition(1, [0, 1]).kind).toBe('iid');
  });
});

it.each([
  [28, 32, { kind: 'conv', channels: [16, 32], latent: 16 }],
  [30, 32, { kind: 'conv', channels: [32], latent: 16 }],
  [33, 32, { kind: 'mlp', hidden: [256, 128], latent: 16 }],
])('the model of a draft for %i x %i pixels halves them as often as they can be', (height, width, model) => {
  expect(draftModel({ channels: 1, height, width })).toEqual(model);
});
