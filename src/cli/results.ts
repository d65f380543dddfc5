// The table at the end of a run: ALIGN-FL beside its baselines, the paper's numbers, and the controls.

import { isJudged } from '../experiments/metrics.ts';
import type { Metrics, SiloSummary, Summary } from '../experiments/summary.ts';
import { formatBytes, formatPercent, formatSeconds } from '../report/format.ts';
import { statedEpsilon } from '../privacy/event-words.ts';
import { strategyLabel } from '../report/strategy-label.ts';
import { textTable } from '../report/text-table.ts';

/** The table and the lines under it. */
export function resultsText(summary: Summary): string {
  return [...scoreLines(summary), ...costLines(summary)].join('\n');
}

// --- internal ---

function scoreLines(summary: Summary): readonly string[] {
  if (summary.strategies.every(({ final }) => !isJudged(final))) {
    return ['Not judged: the server has no test images (data.source.testSource).'];
  }
  return summary.strategies[0]?.final.classification ? classifierLines(summary) : probeLines(summary);
}

/** Of `task: classify`. */
function classifierLines(summary: Summary): readonly string[] {
  const columns = [
    { header: 'classifier', align: 'left' as const },
    ...['accuracy', 'F1', 'own classes', 'to server a round'].map((header) => ({ header, align: 'right' as const })),
  ];
  const rows = summary.strategies.map(({ strategy, final: { classification: scores }, silos }) => [
    strategyLabel(strategy),
    scores && formatPercent(scores.accuracy),
    scores && formatPercent(scores.f1Weighted),
    scores && scores.localLabelAccuracy !== null ? formatPercent(scores.localLabelAccuracy) : null,
    formatBytes(largestUpload(silos)),
  ]);
  return [
    textTable(columns, rows),
    '',
    `Judged on ${summary.dataSet.test} held-out real images of all classes. 'own classes': on those of each silo's own classes alone,`,
    'mean over silos, which is what a silo sees that tests on images like its own. The last column: the most that a silo sent in',
    'a round; averaging sends as much back to it.',
  ];
}

/** Of `task: represent`. */
function probeLines(summary: Summary): readonly string[] {
  const { paper } = summary;
  const beside = (strategy: string) => {
    const numbers = paper?.[strategy as 'align' | 'fedavg'];
    return paper ? [paperText(numbers?.accuracy), paperText(numbers?.f1Weighted)] : [];
  };
  const generation = summary.strategies.flatMap(({ final }) => final.generation ?? [])[0] ?? null;
  const hasFid = generation !== null;
  const rows = [
    ...summary.strategies.map(({ strategy, final }) => [
      strategyLabel(strategy),
      ...scores(final, hasFid),
      ...beside(strategy),
    ]),
    ...summary.controls.map(({ name, metrics }) => [name, ...scores(metrics, hasFid)]),
  ];
  const columns = [
    { header: 'representation', align: 'left' as const },
    ...[
      ...['accuracy', 'F1', 'acc. split', 'F1 split', 'MSE'],
      ...(hasFid ? ['FID'] : []),
      ...(paper ? ['paper acc.', 'paper F1'] : []),
    ].map((header) => ({ header, align: 'right' as const })),
  ];
  return [
    textTable(columns, rows),
    '',
    `Probe: logistic regression on the global encoder's codes of ${summary.dataSet.test} held-out real images, mean ± deviation over`,
    "random splits (no ± for a single one); 'split' is the paper's: a fifth of these images, of which a fifth is scored. MSE: of reconstructions, a pixel.",
    ...(summary.controls.length > 0 ? ['The last rows are controls that nobody trained, probed alike.'] : []),
    ...(generation ? [fidText(generation)] : []),
    ...unconvergedText(summary),
    ...(paper ? [`Paper: ${paper.source}. Rounds and images per silo are this run's own.`] : []),
  ];
}

function costLines(summary: Summary): readonly string[] {
  const main = summary.strategies[0];
  const uploads = main?.silos.reduce((sum, { uploadBytes }) => sum + uploadBytes.total, 0) ?? 0;
  return [
    `Left the silos under ${main?.strategy}: ${formatBytes(uploads)} in all. Time: ${times(summary)}.`,
    ...privacyTexts(main?.silos ?? []),
  ];
}

function largestUpload(silos: readonly SiloSummary[]): number {
  return Math.max(0, ...silos.flatMap(({ uploadBytes }) => uploadBytes.perRound));
}

function scores(metrics: Metrics, hasFid: boolean): (string | null)[] {
  const { probeFullTest: full, probePaperSplit: split, reconstructionMse: mse } = metrics;
  const percent = ({ mean, sd }: { mean: number; sd: number | null }) => formatPercent(mean, { std: sd });
  return [
    full && percent(full.accuracy),
    full && percent(full.f1Weighted),
    split ? percent(split.accuracy) : null,
    split ? percent(split.f1Weighted) : null,
    mse === null ? null : mse.toFixed(4),
    ...(hasFid ? [metrics.generation?.fid.toFixed(2) ?? null] : []),
  ];
}

function fidText({ extractor, images }: NonNullable<Metrics['generation']>): string {
  return (
    `FID: ${images.synthetic} images of the prior beside ${images.real} real ones, by ${extractor}; not to be compared with ` +
    'FIDs of another extractor, or of other counts.'
  );
}

/** A line where scores stand on fits that did not get to their optimum. */
function unconvergedText({ strategies, controls }: Summary): string[] {
  const judged = [...strategies.map(({ final }) => final), ...controls.map(({ metrics }) => metrics)];
  const probes = judged.flatMap(({ probeFullTest, probePaperSplit }) =>
    [probeFullTest ?? [], probePaperSplit ?? []].flat(),
  );
  const total = (field: 'splits' | 'unconverged') => probes.reduce((sum, probe) => sum + probe[field], 0);
  if (total('unconverged') === 0) return [];
  return [`${total('unconverged')} of the ${total('splits')} fits stopped before their optimum.`];
}

/** What is claimed of each silo; once where it is the same of all. */
function privacyTexts(silos: readonly SiloSummary[]): string[] {
  const claims = silos.map(({ mechanism, epsilon, delta, privacyText }) => {
    const spent = `epsilon ${statedEpsilon(epsilon)}${delta === null ? '' : `, delta ${delta}`}`;
    return `${mechanism} (${spent}). ${privacyText}`;
  });
  if (new Set(claims).size === 1) return [`Privacy: ${claims[0]}`];
  return claims.map((claim, i) => `Privacy of ${silos[i]?.name}: ${claim}`);
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
