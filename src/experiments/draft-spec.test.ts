import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type DraftFacts, draftModel, draftPartition, draftSpec } from './draft-spec.ts';
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

describe('a draft', () => {
  it.each<readonly [string, Partial<DraftFacts>]>([
    ['without privacy', {}],
    ['with DP-SGD', { privacy: { mechanism: 'dp-sgd', epsilon: 8, delta: 1e-7 } }],
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
      draftSpec({ ...FACTS, task }, { kind: 'iid' }, { smallest: 40, largest: 60 }).text.split('\n');
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
