import { expect, test } from 'vitest';
import { madeUpRun } from '../../test/report-runs.ts';
import type { SiloSummary } from '../experiments/summary.ts';
import { lipschitzTable } from './lipschitz-table.ts';
import { groupRuns } from './run-groups.ts';
import type { RunRecord } from './run-record.ts';
import { cellText } from './table.ts';

type Decoder = SiloSummary['decoders'][number];

const decoder = (round: number, largest: number, bound: number | null): Decoder => ({
  round,
  sha256: 'ab'.repeat(32),
  bytes: 10,
  certificate: bound === null ? null : { bound, perLayer: [1.5, bound].map((norm) => ({ layer: 'w', norm })) },
  localLipschitz: { draws: 64, largest, mean: largest / 2 },
});

/** A run whose silos released these. */
function runWith(seed: number, decoders: readonly (readonly Decoder[])[]): RunRecord {
  const run = madeUpRun(`runs/${seed}`, { spec: { seed } });
  const strategies = run.summary.strategies.map((strategy) => ({
    ...strategy,
    silos: strategy.silos.map((silo, i) => ({ ...silo, decoders: [...(decoders[i] ?? [])] })),
  }));
  return { ...run, summary: { ...run.summary, strategies } };
}

test('a silo has the bound of its last certificate and the largest slope over seeds, or plainly no bound', () => {
  const runs = [
    runWith(0, [[decoder(1, 9, 9.5), decoder(2, 3, 3.5)], [decoder(2, 20, null)]]),
    runWith(1, [[decoder(2, 4, 3.25)], [decoder(2, 10, null)]]),
  ];
  const rows = lipschitzTable(groupRuns(runs).groups)?.rows.map((row) => row.map(cellText).slice(2));
  expect(rows).toEqual([
    ['silo-a', '3.5', '4', '2', '1.5 × 3.5 × 0.6667 (without weights)'],
    ['silo-b', 'no bound', '20', '10', '–'],
  ]);
});

test('runs in which no decoder left have no such table', () => {
  expect(lipschitzTable(groupRuns([runWith(0, [])]).groups)).toBeNull();
});
