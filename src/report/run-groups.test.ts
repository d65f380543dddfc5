// Which runs belong together, and what tells the others apart.

import { describe, expect, it } from 'vitest';
import { madeUpRun, type RunWish, smallSpec } from '../../test/report-runs.ts';
import { groupRuns } from './run-groups.ts';
import { settingWords } from './setting-words.ts';
import { differingSettings } from './spec-leaves.ts';

const DP = { mechanism: 'dp-sgd', epsilon: 10, delta: 1e-5 } as const;
/** Runs whose seeds and results differ. */
const runs = (...wishes: RunWish[]) =>
  wishes.map((wish, i) =>
    madeUpRun(`run-${i}`, { accuracies: { align: [i / 100] }, ...wish, spec: { seed: i, ...wish.spec } }),
  );

describe('groupRuns', () => {
  it('joins runs that differ in their seed only', () => {
    const { groups } = groupRuns(runs({}, {}, { spec: { rounds: 3 } }));
    expect(groups.map(({ id, seeds }) => ({ id, seeds }))).toEqual([
      { id: 'e1', seeds: [0, 1] },
      { id: 'e2', seeds: [2] },
    ]);
  });

  it('joins runs that also differ in what decides no number', () => {
    const other = { name: 'other', strategies: ['align', 'fedavg'], evaluation: { controls: false, gridImages: 0 } };
    const { groups } = groupRuns(
      runs({}, { spec: { ...other, engine: { silosAtOnce: 1 } } as RunWish['spec'] & object }),
    );
    expect(groups).toHaveLength(1);
  });

  it('keeps other strategies apart where all strategies share one privacy budget', () => {
    const both = { privacy: DP, strategies: ['align', 'fedavg'] } satisfies RunWish['spec'];
    expect(groupRuns(runs({ spec: { privacy: DP } }, { spec: both })).groups).toHaveLength(2);
  });

  it('counts the same result under the same seed once', () => {
    const [a, b] = [madeUpRun('a'), madeUpRun('b')];
    const { groups, repeated } = groupRuns([a, b]);
    expect(groups.map(({ runs: own }) => own)).toEqual([[a]]);
    expect(repeated).toEqual([b]);
  });

  it('counts another result under the same seed, as private noise gives it', () => {
    const [a, b] = [madeUpRun('a'), madeUpRun('b', { accuracies: { align: [0.1] } })];
    expect(groupRuns([a, b]).groups[0]?.runs).toEqual([a, b]);
  });

  it('names groups by name, and by what is set otherwise where names are the same', () => {
    const epsilon = (value: number): RunWish => ({ spec: { privacy: { ...DP, epsilon: value } } });
    const { groups } = groupRuns(runs({}, epsilon(1), epsilon(10), { spec: { name: 'single', rounds: 9 } }));
    expect(groups.map(({ label }) => label)).toEqual([
      'made-up: no privacy',
      'made-up: dp-sgd, epsilon 1',
      'made-up: dp-sgd, epsilon 10',
      'single',
    ]);
  });
});

describe('settingWords', () => {
  const dp = (changes: object) => smallSpec({ privacy: { ...DP, ...changes } });

  it('takes no more settings than tell the specs apart', () => {
    const specs = [smallSpec({ rounds: 2, local: { epochs: 4 } }), smallSpec({ rounds: 4, local: { epochs: 2 } })];
    expect(settingWords(specs)).toEqual(['rounds 2', 'rounds 4']);
  });

  it('tells by what only some have where nothing else tells', () => {
    expect(settingWords([dp({}), dp({ records: 50 })])).toEqual(['', 'records 50']);
  });

  it('leaves out a setting that is told elsewhere, and writes paths where names are the same', () => {
    const specs = [1, 2].flatMap((epochs) => [smallSpec({ local: { epochs } }), smallSpec({ server: { epochs } })]);
    expect(settingWords(specs)).toEqual(expect.arrayContaining(['local.epochs 1, server.epochs 20']));
    expect(settingWords([dp({}), dp({ epsilon: 5, mode: 'decoder-only' })], ['privacy.epsilon'])).toEqual([
      'mode full',
      'mode decoder-only',
    ]);
  });

  it('says nothing of a single spec', () => {
    expect(settingWords([smallSpec()])).toEqual(['']);
  });
});

describe('differingSettings', () => {
  it('names the path that --set takes, silos by name, and lists as a whole', () => {
    const a = smallSpec();
    const b = smallSpec({
      silos: [{ name: 'silo-a', model: { kind: 'mlp', hidden: [8], latent: 4 } }, { name: 'silo-b' }],
      model: { kind: 'mlp', hidden: [8, 4], latent: 2 },
    });
    expect(differingSettings([a, b])).toEqual([
      { path: 'model.hidden', values: ['[8]', '[8,4]'] },
      { path: 'silos.silo-a.model.kind', values: [undefined, 'mlp'] },
      { path: 'silos.silo-a.model.hidden', values: [undefined, '[8]'] },
      { path: 'silos.silo-a.model.latent', values: [undefined, 4] },
    ]);
  });
});
