import { expect, test } from 'vitest';
import { madeUpRun } from '../../test/report-runs.ts';
import type { OutlierFile } from '../experiments/outlier-file.ts';
import type { SpecInput } from '../experiments/spec.ts';
import { groupRuns } from './run-groups.ts';
import { outliersSection, outliersTable, outlierTests } from './outliers-section.ts';
import { cellText } from './table.ts';

/** As far as a report reads it: whatever is asked for is `value`. */
function outliers(value: number, judged: { strategy?: string; synthetic?: number } = {}): OutlierFile {
  const share = { share: value };
  const estimate = { estimate: value };
  const foreign = { foreign: { auc: estimate, difference: estimate } };
  const space = (name: string) => ({
    space: name,
    reproduction: {
      members: { reproduced: share, recognised: share },
      heldOut: { reproduced: share },
      separation: estimate,
    },
    discriminator: { synthetic: { looksForeign: share } },
    nearestSynthetic: foreign,
    membershipByDistance: foreign,
  });
  const { strategy = 'align', synthetic = 1000 } = judged;
  const silo = { images: { synthetic }, membershipByReconstruction: foreign, spaces: [space('pixels')] };
  return { strategy, silo: 'silo-a', models: { silo, global: null } } as unknown as OutlierFile;
}

const LIPSCHITZ: SpecInput['privacy'] = { mechanism: 'lipschitz', lipschitzWeight: 1 };

function groupsOf(without: readonly number[], having: readonly number[]) {
  const run = (value: number, seed: number, privacy?: SpecInput['privacy']) => ({
    ...madeUpRun(`runs/${seed}`, { spec: { seed, ...(privacy && { privacy }) }, accuracies: { align: [seed / 1000] } }),
    outliers: outliers(value),
  });
  return groupRuns([
    ...without.map((value, i) => run(value, i + 1)),
    ...having.map((value, i) => run(value, i + 1, LIPSCHITZ)),
  ]).groups;
}

test('each experiment has its means over seeds, and a test against the one without a mechanism', () => {
  const groups = groupsOf([0.9, 0.91, 0.92, 0.93, 0.94], [0.2, 0.21, 0.22, 0.23, 0.24]);
  const table = outliersTable(groups);
  expect(table?.rows.map((row) => row.slice(1, 5).map(cellText))).toEqual([
    ['ALIGN-FL', 'silo', 'pixels', '92.0 ± 1.6 %'],
    ['ALIGN-FL', 'silo', 'pixels', '22.0 ± 1.6 %'],
  ]);
  const tests = outlierTests(groups);
  const [first] = tests?.rows ?? [];
  expect(first?.slice(1).map(cellText)).toEqual([
    ...['made-up: no privacy', 'ALIGN-FL', 'silo', 'pixels', 'reproduced'],
    ...['92.0 ± 1.6 %', '22.0 ± 1.6 %', '−70.0 points', '0.0079', '5 and 5'],
  ]);
  expect(outliersSection(groups)?.blocks).toHaveLength(2);
});

test('one seed has no test, and runs without foreign images have no section', () => {
  const p = outlierTests(groupsOf([0.9], [0.2]))?.rows[0]?.at(-2);
  expect(cellText(p)).toBe('–');
  expect(outliersSection(groupRuns([madeUpRun('runs/none')]).groups)).toBeNull();
});

test('models of other strategies, and other counts of synthetic images, are never averaged', () => {
  const run = (seed: number, judged: Parameters<typeof outliers>[1]) => ({
    ...madeUpRun(`runs/${seed}`, { spec: { seed }, accuracies: { align: [seed / 10], fedavg: [seed / 10] } }),
    outliers: outliers(seed / 10, judged),
  });
  const runs = [run(1, {}), run(2, { strategy: 'fedavg' }), run(3, { synthetic: 5000 }), run(4, {})];
  const { columns, rows } = outliersTable(groupRuns(runs).groups) as NonNullable<ReturnType<typeof outliersTable>>;
  expect(columns[4]?.header).toBe('judged');
  expect(rows.map((row) => [row[1], row[4], row[5], row.at(-1)].map((cell) => cellText(cell)))).toEqual([
    ['ALIGN-FL', 'silo-a, 1000 synthetic images', '25.0 ± 21.2 %', '2'],
    ['ALIGN-FL', 'silo-a, 5000 synthetic images', '30.0 %', '1'],
    ['FedAvg', 'silo-a, 1000 synthetic images', '20.0 %', '1'],
  ]);
});

test('an experiment stands beside the one without a mechanism that is most like it', () => {
  const run = (value: number, spec: Partial<SpecInput>) => ({
    ...madeUpRun(`runs/${value}`, { spec, accuracies: { align: [value] } }),
    outliers: outliers(value),
  });
  const { groups } = groupRuns([
    run(0.1, { rounds: 1 }),
    run(0.2, { rounds: 2, server: { images: 700 } }),
    run(0.3, { rounds: 2 }),
    run(0.4, { rounds: 2, privacy: LIPSCHITZ }),
  ]);
  const [first] = outlierTests(groups)?.rows ?? [];
  expect(cellText(first?.[1])).toBe(groups[2]?.label);
  expect(cellText(first?.[6])).toBe('30.0 %');
});
