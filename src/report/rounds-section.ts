// Convergence: how every metric moved from round to round, with bands over seeds.

import { labelsIn, metricByRound, strategiesOf } from './group-metrics.ts';
import type { MetricLabel } from './metric-labels.ts';
import type { Figure, Section } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { type CountedSeries, metricFigures } from './series-charts.ts';
import { strategyLabel } from './strategy-label.ts';

/** Null where no run has two rounds. */
export function roundsSection(groups: readonly RunGroup[]): Section | null {
  const figures = labelsIn(groups)
    .filter(({ charted }) => charted)
    .flatMap((label) => roundFigures(groups, label));
  if (figures.length === 0) return null;
  const repeated = groups.some(({ runs }) => runs.length > 1);
  const isAlone = groups.some((group) => strategiesOf(group).includes('local-only'));
  const alone = isAlone ? `, and of ${strategyLabel('local-only')}: the mean over the silos,` : '';
  const bands = repeated ? ' Bands are one sample standard deviation over seeds, up and down.' : '';
  return {
    id: 'rounds',
    title: 'Convergence over rounds',
    blocks: [
      { kind: 'text', text: `Of the global model${alone} on held-out test images, after each round.${bands}` },
      { kind: 'figures', heading: null, folded: false, figures },
    ],
  };
}

// --- internal ---

function roundFigures(groups: readonly RunGroup[], metric: MetricLabel): readonly Figure[] {
  const series = groups.flatMap((group) =>
    strategiesOf(group).map((strategy): CountedSeries => {
      const points = metricByRound(group, strategy, metric).map(({ round, mean, sd, count }) => ({
        x: round,
        y: mean,
        sd,
        count,
      }));
      const name = strategyLabel(strategy);
      return { label: seriesName(groups, group, name), points };
    }),
  );
  const moving = series.filter(({ points }) => points.length > 1);
  if (moving.length === 0) return [];
  return metricFigures({
    id: `rounds-${metric.path.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`,
    title: `${metric.name} over rounds`,
    caption: captionOf(metric),
    metric,
    x: { label: 'round', format: String, whole: true },
    series: moving,
    spread: 'band',
  });
}

/** ALIGN-FL is not named where it is alone. */
function seriesName(groups: readonly RunGroup[], group: RunGroup, strategy: string): string {
  if (groups.length === 1) return strategy;
  const isAlone = strategiesOf(group).join() === 'align';
  return isAlone ? group.label : `${group.label}: ${strategy}`;
}

function captionOf({ name, better }: MetricLabel): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)} over rounds${better === null ? '' : `; ${better} is better`}.`;
}
