// Sections of the report: what they say of given runs, and that they are not there where there is nothing to say.

import { describe, expect, it } from 'vitest';
import { dpStatement, generationScores, madeUpRun, type RunWish } from '../../test/report-runs.ts';
import { costsSection } from './costs-section.ts';
import { curvesSection } from './curves-section.ts';
import { diagnosticsSection } from './diagnostics-section.ts';
import { lossesSection } from './losses-section.ts';
import { paperTable } from './paper-section.ts';
import { gaussianStatement } from '../exchange/privacy-statement.ts';
import { planGaussianRelease } from '../privacy/gaussian-release.ts';
import { privacySection } from './privacy-section.ts';
import type { Figure, Section } from './report-blocks.ts';
import { resultsTable } from './results-section.ts';
import { roundsSection } from './rounds-section.ts';
import { groupRuns, type RunGroup } from './run-groups.ts';
import { cellText } from './table.ts';
import { csvTable } from './table-text.ts';

const groupsOf = (...wishes: RunWish[]): readonly RunGroup[] =>
  groupRuns(wishes.map((wish, i) => madeUpRun(`runs/${i}`, wish))).groups;
const rowsOf = (table: { readonly rows: readonly (readonly Parameters<typeof cellText>[0][])[] }) =>
  table.rows.map((row) => row.map(cellText));
const figuresOf = (section: Section | null): readonly Figure[] =>
  (section?.blocks ?? []).flatMap((block) => (block.kind === 'figures' ? block.figures : []));

const MNIST: RunWish['spec'] = {
  data: {
    source: { kind: 'mnist' },
    partition: { kind: 'class-disjoint', classes: [0, 2, 4, 6, 8].map((first) => [first, first + 1]) },
  },
  silos: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name })),
};
const dp = (epsilon: number): RunWish => ({
  spec: { privacy: { mechanism: 'dp-sgd', epsilon, delta: 1e-5 } },
  privacy: dpStatement(epsilon),
});

describe('resultsTable', () => {
  it('joins seeds, keeps strategies and controls apart, and leaves out what nobody measured', () => {
    const seeds = [0.7, 0.8].map((accuracy, seed) => ({
      spec: { seed },
      accuracies: { align: [accuracy], fedavg: [accuracy - 0.3] },
      controls: { 'pca-2': 0.45 },
    }));
    const table = resultsTable(groupsOf(...seeds));
    expect(rowsOf(table).map((row) => row.slice(1, 3))).toEqual([
      ['ALIGN-FL', '75.0 ± 7.1 %'],
      ['FedAvg', '45.0 ± 7.1 %'],
      ['control: pca-2', '45.0 ± 0.0 %'],
    ]);
    expect(rowsOf(table).map((row) => row.slice(-2))).toEqual(Array.from({ length: 3 }, () => ['2', '0, 1']));
  });

  it('counts a model once that two runs of one seed have in common, as with more strategies in one of them', () => {
    const controls = { 'pca-2': 0.45 };
    const table = resultsTable(
      groupsOf(
        { accuracies: { align: [0.7] }, controls },
        { accuracies: { align: [0.7], fedavg: [0.4] }, controls },
        { spec: { seed: 1 }, accuracies: { align: [0.8] }, controls },
      ),
    );
    expect(rowsOf(table).map((row) => [row[1], row[2], ...row.slice(-2)])).toEqual([
      ['ALIGN-FL', '75.0 ± 7.1 %', '2', '0, 1'],
      ['FedAvg', '40.0 %', '1', '0'],
      ['control: pca-2', '45.0 ± 0.0 %', '2', '0, 1'],
    ]);
  });

  it('has a column for a metric that was never heard of', () => {
    const table = resultsTable(
      groupsOf({ extraMetrics: { outliers: { reproducedShare: 0.25 }, generation: generationScores(12.345) } }),
    );
    const headers = table.columns.map(({ header }) => header);
    expect(headers).toEqual(expect.arrayContaining(['FID', 'outliers: reproduced share']));
    expect(rowsOf(table)[0]?.[headers.indexOf('FID')]).toBe('12.35');
    expect(rowsOf(table)[0]?.[headers.indexOf('outliers: reproduced share')]).toBe('25.0 %');
  });
});

describe('paperTable', () => {
  it('is not there where no run is comparable', () => {
    expect(paperTable(groupsOf({}))).toBeNull();
  });

  it('puts ours beside the number it is comparable to, with the difference in points', () => {
    const table = paperTable(
      groupsOf({
        spec: MNIST,
        accuracies: { align: [0.76], fedavg: [0.4] },
        extraMetrics: { generation: generationScores(90) },
      }),
    );
    const rows = rowsOf(table as NonNullable<typeof table>).map((row) => row.slice(0, 6));
    expect(table?.columns.map(({ header }) => header)).toContain('ours learnt from');
    expect(rows).toEqual(
      expect.arrayContaining([
        ['FedAvg', 'accuracy', '43.75 %', '40.0 %', '−3.8 points', '± 4.9'],
        ['ALIGN-FL, no privacy', 'accuracy', '74.25 %', '76.0 %', '+1.8 points', '± 4.3'],
        ['ALIGN-FL, no privacy', 'FID', '81.91', '90.00', '–', '–'],
        ['ALIGN-FL, DP-SGD (epsilon 10)', 'accuracy', '51.75 %', '–', '–', '± 4.9'],
      ]),
    );
  });

  it('says how much ours learnt from, and loudly where that is less than what the paper had', () => {
    const { data, silos } = MNIST as Required<NonNullable<RunWish['spec']>>;
    const few = { ...data, partition: { ...data.partition, perClass: 500 } };
    const cellOf = (spec: RunWish['spec']) => paperTable(groupsOf({ spec: { ...MNIST, ...spec } }))?.rows[2]?.at(-2);
    expect(cellOf({ rounds: 5 })).toEqual({
      text: 'all images, 5 rounds of 10 epochs; 25,000 synthetic a round',
      strong: false,
    });
    expect(cellOf({ data: few as typeof data, silos, server: { images: 500 } })).toEqual({
      text: "LESS than the paper's: 500 images a class, 2 rounds of 10 epochs; 2,500 synthetic a round",
      strong: true,
    });
  });

  it('compares private runs with the private number, and only with the privacy of the paper', () => {
    const privately = (epsilon: number) => ({ ...dp(epsilon), spec: { ...MNIST, ...dp(epsilon).spec } });
    const ours = (epsilon: number) => {
      const table = paperTable(groupsOf(privately(epsilon)));
      return table && rowsOf(table).filter((row) => row[3] !== '–');
    };
    expect(ours(10)?.map((row) => row.slice(0, 2))).toEqual([['ALIGN-FL, DP-SGD (epsilon 10)', 'accuracy']]);
    expect(ours(5)).toBeNull();
  });
});

describe('roundsSection', () => {
  it('has a chart for each metric with the numbers behind it', () => {
    const figures = figuresOf(roundsSection(groupsOf({ extraMetrics: { generation: generationScores(3) } })));
    expect(figures.map(({ id }) => id)).toEqual([
      'rounds-probefulltest-accuracy',
      'rounds-reconstructionmse',
      'rounds-generation-fid',
      'rounds-generation-kid',
      'rounds-generation-precision',
      'rounds-generation-recall',
      'rounds-generation-density',
      'rounds-generation-coverage',
    ]);
    expect(figures[0]?.data && csvTable(figures[0].data)).toBe(
      'series,round,probe accuracy,probe accuracy (sd),runs\r\nALIGN-FL,1,0.5,,1\r\nALIGN-FL,2,0.75,,1\r\n',
    );
  });

  it('says what stands for silos that train alone, whose time and traffic are told, too', () => {
    const strategies = ['align', 'local-only', 'centralised'] as const;
    const accuracies = Object.fromEntries(strategies.map((name) => [name, [0.4, 0.5]]));
    const groups = groupsOf({ spec: { strategies: [...strategies] }, accuracies });
    expect(JSON.stringify(roundsSection(groups)?.blocks[0])).toContain('each silo alone: the mean over the silos');
    const costs = JSON.stringify(costsSection(groups));
    expect(costs).toContain('each silo alone is read off');
    expect(costs).toContain('centralised, the images themselves');
    expect(JSON.stringify(costsSection(groupsOf({})))).not.toMatch(/silo alone|centralised/);
  });

  it('draws the losses of silos in the order of the spec, whoever was ready first', () => {
    const run = madeUpRun('runs/0', {});
    const losses = ['silo-b', 'silo-a'].flatMap((silo) =>
      [1, 2].map((epoch) => ({ strategy: 'align', silo, round: 1, epoch, term: 'loss', value: epoch })),
    );
    const [figure] = figuresOf(lossesSection(groupRuns([{ ...run, losses }]).groups));
    expect(figure?.data && csvTable(figure.data)).toMatch(/^series.*\r\nsilo-a.*\r\nsilo-a.*\r\nsilo-b/);
  });

  it('is not there for runs of one round, nor losses without events', () => {
    expect(roundsSection(groupsOf({ accuracies: { align: [0.5] } }))).toBeNull();
    expect(lossesSection(groupsOf({}))).toBeNull();
  });

  it('takes another chart where there are more series than looks', () => {
    const many = Array.from({ length: 9 }, (_, i) => ({ spec: { rounds: i + 1 } }));
    expect(figuresOf(roundsSection(groupsOf(...many))).map(({ id }) => id)).toContain(
      'rounds-probefulltest-accuracy-2',
    );
  });
});

describe('curvesSection', () => {
  it('draws utility over epsilon, with the run without privacy as a level', () => {
    const figures = figuresOf(curvesSection(groupsOf({}, dp(1), dp(5), dp(20))));
    expect(figures.map(({ id }) => id)).toEqual([
      'curve-privacy-epsilon-probefulltest-accuracy',
      'curve-privacy-epsilon-reconstructionmse',
    ]);
    const svg = figures[0]?.svg.markup ?? '';
    expect(svg).toContain('no privacy, 75.0 %');
    expect(svg).toContain('epsilon that was asked for 20');
    expect(svg).not.toContain('NO guarantee');
  });

  it('draws one level only, of the run without privacy that is most like the private ones', () => {
    const more: RunWish = { spec: { server: { images: 700 } }, accuracies: { align: [0.9] } };
    const svg = figuresOf(curvesSection(groupsOf(more, {}, dp(1), dp(5))))[0]?.svg.markup ?? '';
    expect(svg).toContain('no privacy, 75.0 %');
    expect(svg).not.toContain('90.0 %');
  });

  it('leaves out a strategy that was played at one value only', () => {
    const images = (count: number, ...names: string[]): RunWish => ({
      spec: { server: { images: count } },
      accuracies: Object.fromEntries(['align', ...names].map((name) => [name, [0.5]])),
    });
    const [figure] = figuresOf(curvesSection(groupsOf(images(100, 'fedavg'), images(200))));
    expect(figure?.data?.rows.map(([series]) => series)).toEqual(['ALIGN-FL', 'ALIGN-FL']);
  });

  it('says so where the epsilon on the axis is no guarantee', () => {
    const open = (epsilon: number): RunWish => ({ ...dp(epsilon), privacy: dpStatement(epsilon, 'none') });
    expect(figuresOf(curvesSection(groupsOf(open(1), open(5))))[0]?.svg.markup).toContain('NO guarantee');
  });

  it('draws no line between runs in which something else differs too', () => {
    const images = (count: number, rounds: number): RunWish => ({ spec: { rounds, server: { images: count } } });
    expect(curvesSection(groupsOf(images(100, 2), images(200, 3)))).toBeNull();
    expect(figuresOf(curvesSection(groupsOf(images(100, 2), images(200, 2))))).toHaveLength(2);
  });
});

describe('diagnosticsSection', () => {
  const averaging = (seen: boolean, classContrast: number) => ({
    latentOverlap: null,
    averaging: { seen, classContrast, sampleVariance: 0.2, images: 100, advice: 'Average nothing.' },
    outlierLeakage: null,
  });
  const tableIn = (section: Section | null) =>
    (section?.blocks ?? []).flatMap((block) => (block.kind === 'table' ? rowsOf(block.table) : []));

  it('counts the runs that show a signature, says what to do, and leaves out what was not told', () => {
    const seeds = [0.1, 0.3].map((contrast, seed) => ({
      spec: { seed },
      accuracies: { fedavg: [contrast] },
      diagnostics: averaging(seed === 0, contrast),
    }));
    const section = diagnosticsSection(groupsOf(...seeds));
    expect(tableIn(section).map((row) => row.slice(1))).toEqual([
      ['FedAvg', 'SEEN in 1 of 2', '20.0 ± 14.1 %', '20.0 ± 0.0 %'],
    ]);
    expect(JSON.stringify(section)).toContain('Average nothing.');
  });

  it('says that nothing shows, and is not there where nobody looked', () => {
    expect(JSON.stringify(diagnosticsSection(groupsOf({ diagnostics: averaging(false, 0.9) })))).toContain(
      'None of them',
    );
    expect(diagnosticsSection(groupsOf({}))).toBeNull();
  });
});

describe('privacySection', () => {
  const textOf = (section: Section) => JSON.stringify(section.blocks);

  it('tells in words how a closed form was released', () => {
    const plan = planGaussianRelease(
      { epsilon: 1, delta: 1e-5, clipNorm: 6, noise: 'secure' },
      { components: 1, pixels: 784 },
    );
    const options = { epsilon: 1, delta: 1e-5, clipNorm: 6, noise: 'secure' } as const;
    const spent = { epsilon: 1, rdp: 1, pld: 1 };
    const privacy = gaussianStatement({ options, plan, spent, nominalEpsilon: 1 });
    const text = textOf(privacySection(groupsOf({ privacy })));
    expect(text).toMatch(
      /"2 looks at the records: middle \(noise [\d.]+, clip norm 14\), moments \(noise [\d.]+, clip norm 6\); neighbours add-or-remove-one, noise secure"/,
    );
  });

  it('says plainly that there is no guarantee', () => {
    const text = textOf(privacySection(groupsOf({})));
    expect(text).toContain('There is NO privacy guarantee for any silo in these runs.');
    expect(text).toContain('{"text":"NO guarantee","strong":true}');
    expect(text).toContain('"silo-a, silo-b"');
  });

  it('takes no claim at all for the worst one', () => {
    const runs = [0, 1].map((seed) => madeUpRun(`runs/${seed}`, { ...dp(10), spec: { ...dp(10).spec, seed } }));
    for (const { silos } of runs[1]?.summary.strategies ?? []) for (const silo of silos) silo.epsilon = null;
    expect(textOf(privacySection(groupRuns(runs).groups))).toContain('"infinite"');
  });

  it('states what a guarantee is, of the run that spent most, and counts the others', () => {
    const text = textOf(
      privacySection(
        groupsOf({}, { ...dp(10), privacy: dpStatement(8) }, { ...dp(10), spec: { ...dp(10).spec, seed: 1 } }),
      ),
    );
    expect(text).toContain('NO privacy guarantee for 2 of 4 silos');
    expect(text).toContain('{"text":"10","value":10}');
    expect(text).not.toContain('{"text":"8","value":8}');
  });
});
