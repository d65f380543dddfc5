// The paper's table beside ours: every number of it, ours where a run is comparable, and how far apart they are.

import { isComparable, learntFrom, PAPER_ROWS, type PaperRow } from '../experiments/paper-numbers.ts';
import { finalMetrics, metricSpread, strategiesOf } from './group-metrics.ts';
import { metricLabel } from './metric-labels.ts';
import type { Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import type { Spread } from './spread.ts';
import { type Cell, left, metricCell, numberCell, right, type Table } from './table.ts';

/** Null where no run is comparable to any row of the paper. */
export function paperSection(groups: readonly RunGroup[]): Section | null {
  const table = paperTable(groups);
  return table && { id: 'paper', title: "The paper's numbers beside ours", blocks: [{ kind: 'table', table }] };
}

/** A row for each number of the paper and each group that is comparable to it; null where there is no such group. */
export function paperTable(groups: readonly RunGroup[]): Table | null {
  const rows = PAPER_ROWS.map((row) => ({
    row,
    groups: groups.filter((group) => isComparable(row, group.spec) && strategiesOf(group).includes(row.strategy)),
  }));
  if (rows.every((one) => one.groups.length === 0)) return null;
  return {
    id: 'paper',
    title: "The paper's numbers beside ours",
    columns: [
      left('method'),
      left('metric'),
      right('paper'),
      right('ours'),
      right('ours − paper'),
      right("paper's 95 % interval"),
      right('runs'),
      left('ours learnt from'),
      left('experiment'),
    ],
    rows: rows.flatMap(({ row, groups: own }) =>
      METRICS.flatMap((metric) => {
        if (metric.of(row) === null) return [];
        return own.length === 0 ? [rowOf(row, metric, null)] : own.map((group) => rowOf(row, metric, group));
      }),
    ),
    notes: [
      'Paper: arXiv 2512.13316, MNIST, five silos with two digits each, latent size 2, one seed. Its accuracies are of 400 test images, so chance alone moves them by what the interval says (normal approximation); ours is on the same split of test images, averaged over random splits and seeds. The paper has up to 6,000 images a class, 5 or 10 rounds of 10 epochs, and 5,000 synthetic images, of each silo or in total: its text and its scripts differ.',
      "FIDs depend on the extractor, and the paper's is another: ours are to be compared with each other, and in order, not in value, with the paper's. Which F1 and FID of the paper belong to the Lipschitz row is inferred.",
    ],
  };
}

// --- internal ---

const METRICS = [
  { name: 'accuracy', path: 'probePaperSplit.accuracy', of: (row: PaperRow) => shareOf(row.accuracyPercent) },
  { name: 'weighted F1', path: 'probePaperSplit.f1Weighted', of: (row: PaperRow) => shareOf(row.f1WeightedPercent) },
  { name: 'FID', path: 'generation.fid', of: (row: PaperRow) => row.fid },
] as const;

/** Images that the paper scores. */
const PAPER_IMAGES = 400;

function shareOf(percent: number | null): number | null {
  return percent === null ? null : percent / 100;
}

function rowOf(row: PaperRow, { name, path, of }: (typeof METRICS)[number], group: RunGroup | null): Cell[] {
  const label = metricLabel(path);
  const theirs = of(row) as number;
  const halfWidth = name === 'accuracy' ? 1.96 * Math.sqrt((theirs * (1 - theirs)) / PAPER_IMAGES) : null;
  const spread = group && metricSpread(finalMetrics(group, row.strategy), path);
  const isShare = label.kind === 'share';
  return [
    row.method,
    name,
    numberCell(theirs, isShare ? `${(100 * theirs).toFixed(2)} %` : theirs.toFixed(2)),
    metricCell(label, spread),
    isShare && spread ? differenceCell(spread, theirs) : null, // FIDs of two extractors have no difference
    halfWidth === null ? null : numberCell(halfWidth, `± ${(100 * halfWidth).toFixed(1)}`),
    group && spread && numberCell(spread.count),
    group && spread && learntFromCell(group, row),
    group === null ? 'not among these runs' : spread === null ? `${group.label}: not measured` : group.label,
  ];
}

function learntFromCell({ spec }: RunGroup, { strategy }: PaperRow): Cell {
  const { words, isLess } = learntFrom(spec, strategy);
  return { text: isLess ? `LESS than the paper's: ${words}` : words, strong: isLess };
}

function differenceCell({ mean }: Spread, theirs: number): Cell {
  const difference = mean - theirs;
  const points = (100 * difference).toFixed(6); // without the last bits of the subtraction
  const text = Number(points).toFixed(1).replace('-', '−');
  return { text: `${difference > 0 ? '+' : ''}${text} points`, value: difference };
}
