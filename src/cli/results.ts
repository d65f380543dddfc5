// The table at the end of a run: ALIGN-FL beside its baselines, the paper's numbers, and the controls.

import type { Metrics, Summary } from '../experiments/summary.ts';
import { formatBytes, formatPercent, formatSeconds } from '../report/format.ts';
import { textTable } from '../report/text-table.ts';

/** The table and the lines under it. */
export function resultsText(summary: Summary): string {
  const { paper } = summary;
  const rows = [
    ...summary.strategies.map(({ strategy, final }) => [
      { align: 'ALIGN-FL', fedavg: 'FedAvg' }[strategy] ?? strategy,
      ...scores(final),
      paperText(paper?.[strategy as 'align' | 'fedavg']?.accuracy),
      paperText(paper?.[strategy as 'align' | 'fedavg']?.f1Weighted),
    ]),
    ...summary.controls.map(({ name, metrics }) => [`control: ${name}`, ...scores(metrics), null, null]),
  ];
  const columns = [
    { header: 'representation', align: 'left' as const },
    { header: 'accuracy, all', align: 'right' as const },
    { header: 'F1, all', align: 'right' as const },
    { header: "accuracy, paper's split", align: 'right' as const },
    { header: "F1, paper's split", align: 'right' as const },
    { header: 'reconstruction MSE', align: 'right' as const },
    { header: 'paper: accuracy', align: 'right' as const },
    { header: 'paper: F1', align: 'right' as const },
  ];
  const main = summary.strategies[0];
  const uploads = main?.silos.reduce((sum, { uploadBytes }) => sum + uploadBytes.total, 0) ?? 0;
  return [
    textTable(columns, rows),
    '',
    `Probe: logistic regression on the global encoder's codes of ${summary.dataSet.test} held-out real images; mean ± deviation over random splits.`,
    ...(paper ? [`Paper: ${paper.source}.`] : []),
    `Left the silos under ${main?.strategy}: ${formatBytes(uploads)} in all. Time: ${times(summary)}.`,
    'Privacy: none. No mechanism was applied; decoders may reveal training images.',
  ].join('\n');
}

// --- internal ---

function scores(metrics: Metrics): (string | null)[] {
  const { probeFullTest: full, probePaperSplit: split, reconstructionMse: mse } = metrics;
  const percent = ({ mean, sd }: { mean: number; sd: number }) => formatPercent(mean, { std: sd });
  return [
    percent(full.accuracy),
    percent(full.f1Weighted),
    split ? percent(split.accuracy) : null,
    split ? percent(split.f1Weighted) : null,
    mse === null ? null : mse.toFixed(4),
  ];
}

function paperText(fraction: number | null | undefined): string | null {
  return fraction === null || fraction === undefined ? null : formatPercent(fraction, { digits: 2 });
}

function times(summary: Summary): string {
  return summary.strategies
    .map(
      ({ strategy, secondsPerStage: s }) =>
        `${strategy} ${formatSeconds(s.total)} (silos ${formatSeconds(s.silos)}, server ${formatSeconds(s.server)})`,
    )
    .join(', ');
}
