// What silos and server minimised, epoch by epoch through all rounds.

import type { EpochLoss } from './epoch-losses.ts';
import { playedBy, strategiesOf } from './group-metrics.ts';
import { metricLabel, type MetricLabel } from './metric-labels.ts';
import { type Block, type Figure, type Section, foldsAway } from './report-blocks.ts';
import type { RunGroup } from './run-groups.ts';
import { type CountedSeries, metricFigures } from './series-charts.ts';
import { spreadOf } from './spread.ts';
import { SERIES_LOOKS } from './chart-style.ts';
import { strategyLabel } from './strategy-label.ts';

/** Null where no run has events of epochs. */
export function lossesSection(groups: readonly RunGroup[]): Section | null {
  const blocks = groups.flatMap((group) =>
    strategiesOf(group).flatMap((strategy): Block[] => {
      const name = `${groups.length === 1 ? '' : `${group.label}: `}${strategyLabel(strategy)}`;
      const figures = [...lossFigures(group, strategy, 'silos'), ...lossFigures(group, strategy, 'server')];
      return figures.length === 0
        ? []
        : [{ kind: 'figures', heading: name, folded: foldsAway(groups.length), figures }];
    }),
  );
  if (blocks.length === 0) return null;
  const text =
    'Means over each epoch, rounds one after another. Where there are several seeds: their mean, with a band of one sample standard deviation; so, too, where many silos share a line.';
  return { id: 'losses', title: 'Losses', blocks: [{ kind: 'text', text }, ...blocks] };
}

// --- internal ---

function lossFigures(group: RunGroup, strategy: string, who: 'silos' | 'server'): readonly Figure[] {
  const losses = playedBy(group.runs, strategy).map(({ run }) =>
    run.losses.filter((loss) => loss.strategy === strategy && (loss.silo === null) === (who === 'server')),
  );
  const terms = [...new Set(losses.flat().map(({ term }) => term))];
  return terms.flatMap((term) => {
    const perRun = losses.map((all) => all.filter((loss) => loss.term === term));
    // As the spec lists them, whoever was ready first: a silo has the same colour in every chart.
    const found = new Set(perRun.flat().map(({ silo }) => silo));
    const listed = group.spec.silos.map(({ name }) => name).filter((name) => found.has(name));
    const names = [...new Set([...listed, ...found])];
    // More silos than lines that look different: one line for all of them.
    const lines = names.length > SERIES_LOOKS ? [names] : names.map((name) => [name]);
    const series = lines.map((of): CountedSeries => {
      const label = of.length > 1 ? `${of.length} silos` : (of[0] ?? 'server');
      return { label, points: pointsOf(perRun.map((all) => all.filter(({ silo }) => of.includes(silo)))) };
    });
    if (!series.some(({ points }) => points.length > 1)) return [];
    const [id, title] = [`losses-${group.id}-${strategy}-${who}-${term}`, `${term} of the ${who}`];
    return metricFigures({
      id: id.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
      title: `${title}, ${strategyLabel(strategy)}`,
      caption: `${who === 'server' ? 'Server' : 'Silos'}: ${term}.`,
      metric: { ...lossLabel(term), path: `${who}.${term}` },
      x: { label: 'epoch', format: String, whole: true },
      series,
      spread: 'band',
    });
  });
}

function lossLabel(term: string): MetricLabel {
  return { ...metricLabel(term), name: term, kind: 'plain', digits: null };
}

/** Epochs counted through the rounds. Rounds of a run have equally many. */
function pointsOf(runs: readonly (readonly EpochLoss[])[]): CountedSeries['points'] {
  const epochsPerRound = runs.flat().reduce((most, { epoch }) => Math.max(most, epoch), 0);
  const byEpoch = new Map<number, number[]>();
  for (const { round, epoch, value } of runs.flat()) {
    const at = (round - 1) * epochsPerRound + epoch;
    byEpoch.set(at, [...(byEpoch.get(at) ?? []), value]);
  }
  return [...byEpoch]
    .sort(([a], [b]) => a - b)
    .flatMap(([x, values]) => {
      const spread = spreadOf(values);
      return spread ? [{ x, y: spread.mean, sd: spread.sd, count: spread.count }] : [];
    });
}
