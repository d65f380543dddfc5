import { expect, test } from 'vitest';
import { sweepTable } from './sweep-table.ts';

const scores = (strategy: string, accuracy: number, accuracyPaperSplit: number | null = null) => ({
  strategy,
  accuracy,
  accuracyPaperSplit,
  localLabelAccuracy: null,
  f1Weighted: accuracy / 2,
  reconstructionMse: 0.25,
  fid: 100 * accuracy,
  kid: null,
  precision: null,
  recall: null,
  density: null,
  coverage: null,
});

test('by hand: a row a combination, mean and sample deviation over the seeds that are complete', () => {
  const cells = [
    { values: { a: '1' }, seed: 1, scores: [scores('align', 0.5, 0.25), scores('fedavg', 0.25)] },
    { values: { a: '1' }, seed: 2, scores: [scores('align', 0.75), scores('fedavg', 0.25)] },
    { values: { a: '1' }, seed: 3, scores: null },
    { values: { a: '2' }, seed: 1, scores: [scores('align', 1)] },
    { values: { a: '3' }, seed: 1, scores: null },
  ];
  const table = sweepTable(cells);
  expect(table.map(({ values, seeds }) => [values['a'], seeds])).toEqual([
    ['1', [1, 2]],
    ['2', [1]],
    ['3', []],
  ]);
  const [align, fedavg] = table[0]?.strategies ?? [];
  expect(align).toMatchObject({ strategy: 'align', accuracy: { mean: 0.625, count: 2 } });
  expect(align?.accuracy?.sd).toBeCloseTo(Math.sqrt(2) / 8, 12); // sqrt(2 * 0.125^2 / 1)
  expect(align?.accuracyPaperSplit).toEqual({ mean: 0.25, sd: null, count: 1 });
  expect(fedavg?.accuracy).toEqual({ mean: 0.25, sd: 0, count: 2 });
  expect(fedavg?.accuracyPaperSplit).toBeNull();
  expect(align?.fid).toMatchObject({ mean: 62.5, count: 2 });
  expect(align?.kid).toBeNull();
  expect(table[1]?.strategies[0]?.accuracy).toEqual({ mean: 1, sd: null, count: 1 });
  expect(table[2]?.strategies).toEqual([]);
});
