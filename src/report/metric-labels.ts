// What metrics are called and how they are printed. One that is not listed here gets a name from its path, and is shown.

import { formatPercent } from './format.ts';
import type { Spread } from './spread.ts';

export interface MetricLabel {
  /** Path within the metrics of the summary. */
  readonly path: string;
  readonly name: string;
  /** `share`: a fraction, printed in percent. */
  readonly kind: 'share' | 'plain';
  /** Behind the point; of percents for a share. null: four significant digits. */
  readonly digits: number | null;
  readonly better: 'higher' | 'lower' | null;
  /** Whether it gets charts of its own, over rounds and over settings. */
  readonly charted: boolean;
}

/** How to show the metric at `path`. */
export function metricLabel(path: string): MetricLabel {
  const listed = LISTED.find((label) => label.path === path);
  if (listed) return listed;
  const name = path
    .split('.')
    .map((step) => step.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`))
    .join(': ');
  const kind = SHARES.test(path) ? 'share' : 'plain';
  return { path, name, kind, digits: kind === 'share' ? 1 : null, better: null, charted: true };
}

/** Labels of `paths`, each once: listed ones first, in the order of the list, then the others as they come. */
export function metricLabels(paths: Iterable<string>): readonly MetricLabel[] {
  const wanted = new Set(paths);
  const listed = LISTED.filter(({ path }) => wanted.has(path));
  const others = [...wanted].filter((path) => !LISTED.some((label) => label.path === path));
  return [...listed, ...others.map(metricLabel)];
}

/** `76.2 %`, `0.0459`. */
export function formatMetric({ kind, digits }: MetricLabel, value: number): string {
  if (kind === 'share') return formatPercent(value, { digits: digits ?? 1 });
  return digits === null ? String(Number(value.toPrecision(4))) : value.toFixed(digits);
}

/** `76.2 ± 0.6 %`, `0.0459 ± 0.0012`; without the ± for a single run. */
export function formatSpread(label: MetricLabel, { mean, sd }: Spread): string {
  if (label.kind === 'share') return formatPercent(mean, { digits: label.digits ?? 1, std: sd });
  return sd === null ? formatMetric(label, mean) : `${formatMetric(label, mean)} ± ${formatMetric(label, sd)}`;
}

// --- internal ---

const SHARES = /(share|rate|accuracy|precision|recall|coverage|f1\w*)$/i;

function share(path: string, name: string, options: Partial<MetricLabel> = {}): MetricLabel {
  return { path, name, kind: 'share', digits: 1, better: 'higher', charted: true, ...options };
}

function plain(path: string, name: string, options: Partial<MetricLabel> = {}): MetricLabel {
  return { path, name, kind: 'plain', digits: null, better: 'lower', charted: true, ...options };
}

/** In the order in which tables and charts show them. */
const LISTED: readonly MetricLabel[] = [
  share('classification.accuracy', 'accuracy on real images'),
  share('classification.localLabelAccuracy', 'own classes only'),
  share('classification.f1Weighted', 'F1', { charted: false }),
  share('probeFullTest.accuracy', 'probe accuracy'),
  share('probeFullTest.f1Weighted', 'probe F1', { charted: false }),
  share('probePaperSplit.accuracy', "accuracy, paper's split", { charted: false }),
  share('probePaperSplit.f1Weighted', "F1, paper's split", { charted: false }),
  plain('reconstructionMse', 'reconstruction MSE', { digits: 4 }),
  plain('generation.fid', 'FID', { digits: 2 }),
  plain('generation.kid', 'KID', { digits: 4 }),
  share('generation.precision', 'precision'),
  share('generation.recall', 'recall'),
  plain('generation.density', 'density', { digits: 3, better: 'higher' }),
  share('generation.coverage', 'coverage'),
];
