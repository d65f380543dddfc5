import { expect, test } from 'vitest';
import { madeUpRun } from '../../test/report-runs.ts';
import type { OutlierFile } from '../experiments/outlier-file.ts';
import type { SpecInput } from '../experiments/spec.ts';
import { groupRuns } from './run-groups.ts';
import { outliersSection, outliersTable, outlierTests } from './outliers-section.ts';
import { cellText } from './table.ts';

/** As far as a report reads it: whatever is asked for is `value`. */
function outliers(value: number): OutlierFile {
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
  const silo = { membershipByReconstruction: foreign, spaces: [space('pixels')] };
  return { models: { silo, global: null } } as unknown as OutlierFile;
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
  expect(table?.rows.map((row) => row.slice(1, 4).map(cellText))).toEqual([
    ['silo', 'pixels', '92.0 ± 1.6 %'],
    ['silo', 'pixels', '22.0 ± 1.6 %'],
  ]);
  const tests = outlierTests(groups);
  const [first] = tests?.rows ?? [];
  expect(first?.slice(1).map(cellText)).toEqual([
    ...['silo', 'pixels', 'reproduced', '92.0 ± 1.6 %', '22.0 ± 1.6 %', '−70.0 points', '0.0079', '5 and 5'],
  ]);
  expect(outliersSection(groups)?.blocks).toHaveLength(2);
});

test('one seed has no test, and runs without foreign images have no section', () => {
  const [, , , , , , , p] = outlierTests(groupsOf([0.9], [0.2]))?.rows[0] ?? [];
  expect(cellText(p)).toBe('–');
  expect(outliersSection(groupRuns([madeUpRun('runs/none')]).groups)).toBeNull();
});
