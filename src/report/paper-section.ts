// The paper's table beside ours: every number of it, ours where a run is comparable, and how far apart they are.
//
// Source: ALIGN-FL, arXiv 2512.13316 (IEEE CyberC 2025), MNIST in five silos of two digits each, latent size 2. One seed;
// accuracies are k / 400. Which F1 and FID belong to the Lipschitz row is inferred.

import { paperNumbersFor } from '../experiments/paper-numbers.ts';
import type { Spec } from '../experiments/spec.ts';
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
  const rows = PAPER.map((row) => ({ row, groups: groups.filter((group) => isComparable(row, group)) }));
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
      left('experiment'),
    ],
    rows: rows.flatMap(({ row, groups: own }) =>
      METRICS.flatMap((metric) => {
        const theirs = row[metric.name];
        if (theirs === null) return [];
        return own.length === 0 ? [rowOf(row, metric, null)] : own.map((group) => rowOf(row, metric, group));
      }),
    ),
    notes: [
      "Paper: arXiv 2512.13316, MNIST, five silos with two digits each, latent size 2, one seed. Its accuracies are of 400 test images, so chance alone moves them by what the interval says (normal approximation); ours is on the same split of test images, averaged over random splits and seeds. Rounds and synthetic images are each run's own.",
      "FIDs depend on the extractor: ours are to be compared with each other, and in order, not in value, with the paper's. Which F1 and FID of the paper belong to the Lipschitz row is inferred.",
    ],
  };
}

// --- internal ---

interface PaperRow {
  readonly method: string;
  readonly strategy: string;
  /** Fractions. */
  readonly accuracy: number | null;
  readonly f1: number | null;
  readonly fid: number | null;
  /** Of a run whose data, silos and latent size are the paper's. */
  readonly hasPrivacy: (privacy: Readonly<Record<string, unknown>>) => boolean;
}

const isOpen: PaperRow['hasPrivacy'] = ({ mechanism }) => mechanism === 'none';

const PAPER: readonly PaperRow[] = [
  { method: 'FedAvg', strategy: 'fedavg', accuracy: 0.4375, f1: null, fid: 148.7, hasPrivacy: isOpen },
  { method: 'ALIGN-FL, no privacy', strategy: 'align', accuracy: 0.7425, f1: 0.7406, fid: 81.91, hasPrivacy: isOpen },
  {
    method: 'ALIGN-FL, Lipschitz penalty (weight 1)',
    strategy: 'align',
    accuracy: 0.6325,
    f1: 0.6001,
    fid: 98.46,
    hasPrivacy: ({ mechanism, lipschitzForm, lipschitzWeight }) =>
      mechanism === 'lipschitz' && lipschitzForm === 'paper-penalty' && lipschitzWeight === 1,
  },
  {
    method: 'ALIGN-FL, DP-SGD (epsilon 10)',
    strategy: 'align',
    accuracy: 0.5175,
    f1: null,
    fid: null,
    hasPrivacy: ({ mechanism, epsilon, delta, mode, lipschitzForm = null }) =>
      mechanism === 'dp-sgd' && epsilon === 10 && delta === 1e-5 && mode === 'full' && lipschitzForm === null,
  },
];

const METRICS = [
  { name: 'accuracy', path: 'probePaperSplit.accuracy' },
  { name: 'f1', path: 'probePaperSplit.f1Weighted' },
  { name: 'fid', path: 'fid' },
] as const;

/** Images that the paper scores. */
const PAPER_IMAGES = 400;

function isComparable(row: PaperRow, group: RunGroup): boolean {
  const { spec } = group;
  const withoutPrivacy: Pick<Spec, 'data' | 'model' | 'server' | 'privacy' | 'silos'> = {
    ...spec,
    privacy: { mechanism: 'none' },
  };
  return (
    paperNumbersFor(withoutPrivacy) !== null &&
    row.hasPrivacy({ ...spec.privacy }) &&
    strategiesOf(group).includes(row.strategy)
  );
}

function rowOf(row: PaperRow, { name, path }: (typeof METRICS)[number], group: RunGroup | null): Cell[] {
  const label = metricLabel(path);
  const theirs = row[name] as number;
  const halfWidth = name === 'accuracy' ? 1.96 * Math.sqrt((theirs * (1 - theirs)) / PAPER_IMAGES) : null;
  const spread = group && metricSpread(finalMetrics(group, row.strategy), path);
  const isShare = label.kind === 'share';
  return [
    row.method,
    name === 'accuracy' ? 'accuracy' : name === 'f1' ? 'weighted F1' : 'FID',
    numberCell(theirs, isShare ? `${(100 * theirs).toFixed(2)} %` : theirs.toFixed(2)),
    metricCell(label, spread),
    spread && differenceCell(spread, theirs, isShare),
    halfWidth === null ? null : numberCell(halfWidth, `± ${(100 * halfWidth).toFixed(1)}`),
    group && spread && numberCell(spread.count),
    group === null ? 'not among these runs' : spread === null ? `${group.label}: not measured` : group.label,
  ];
}

function differenceCell({ mean }: Spread, theirs: number, isShare: boolean): Cell {
  const difference = mean - theirs;
  const points = Number((100 * difference).toFixed(6)); // without the last bits of the subtraction
  const text = isShare ? points.toFixed(1) : difference.toFixed(2);
  return {
    text: `${difference > 0 ? '+' : ''}${text.replace('-', '−')}${isShare ? ' points' : ''}`,
    value: difference,
  };
}
