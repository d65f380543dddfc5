// What a setting does: the metrics against every number that the runs vary while all else stays, such as epsilon, the
// count of synthetic images, or the weight of the Lipschitz penalty.

import { canonicalJson } from '../experiments/spec-identity.ts';
import { finalMetrics, labelsIn, metricSpread, strategiesOf } from './group-metrics.ts';
import { formatSpread, type MetricLabel } from './metric-labels.ts';
import { nearestOpen } from './nearest-open.ts';
import type { Block, Section } from './report-blocks.ts';
import { experimentOf, type RunGroup } from './run-groups.ts';
import { type CountedSeries, metricFigures } from './series-charts.ts';
import { settingWords } from './setting-words.ts';
import { differingSettings, type Leaf, leavesOf } from './spec-leaves.ts';
import { strategyLabel } from './strategy-label.ts';

/** Null where no setting takes two values while all else stays. */
export function curvesSection(groups: readonly RunGroup[]): Section | null {
  const blocks = numericSettings(groups).flatMap((path) => curveBlock(groups, path));
  if (blocks.length === 0) return null;
  const text =
    'Each point is the mean over runs that differ in their seed only, after their last round; whiskers are one sample standard deviation up and down. Along a line nothing but the setting changes.';
  return { id: 'curves', title: 'What the settings do', blocks: [{ kind: 'text', text }, ...blocks] };
}

/** Runs of one experiment, and the value in it of the setting that is looked at. */
export interface Member {
  readonly group: RunGroup;
  readonly value: number;
}

/** Groups that differ in the setting `path` only, by ascending value; those in which nothing varies are left out. */
export function settingFamilies(groups: readonly RunGroup[], path: string): readonly (readonly Member[])[] {
  const found = new Map<string, Member[]>();
  for (const group of groups) {
    const { [path]: value, ...others } = Object.fromEntries<Leaf>(leavesOf(experimentOf(group.spec)));
    if (typeof value !== 'number') continue;
    const key = canonicalJson(others);
    found.set(key, [...(found.get(key) ?? []), { group, value }]);
  }
  return [...found.values()]
    .filter((members) => new Set(members.map(({ value }) => value)).size > 1)
    .map((members) => members.sort((a, b) => a.value - b.value));
}

/** The id of the figure of a metric by a setting. */
export function curveId(setting: string, { path }: Pick<MetricLabel, 'path'>): string {
  return `curve-${`${setting}-${path}`.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
}

// --- internal ---

const HEADINGS: ReadonlyMap<string, string> = new Map([
  ['privacy.epsilon', 'Privacy and utility'],
  ['server.images', 'Synthetic images'],
  ['privacy.lipschitzWeight', 'Lipschitz penalty'],
  ['model.latent', 'Latent size'],
]);

/** Closer than this part of their range, numbers on a scale would run into each other. */
const MIN_GAP = 0.07;

function numericSettings(groups: readonly RunGroup[]): readonly string[] {
  const varied = differingSettings(groups.map(({ spec }) => experimentOf(spec)));
  const numeric = varied.filter(({ values }) => values.some((value) => typeof value === 'number'));
  const paths = numeric.map(({ path }) => path);
  const known = [...HEADINGS.keys()].filter((path) => paths.includes(path));
  return [...known, ...paths.filter((path) => !HEADINGS.has(path))];
}

function curveBlock(groups: readonly RunGroup[], path: string): readonly Block[] {
  const all = settingFamilies(groups, path);
  if (all.length === 0) return [];
  const names = familyNames(all, path);
  const figures = labelsIn(all.flat().map(({ group }) => group))
    .filter(({ charted }) => charted)
    .flatMap((metric) => {
      const series = all
        .flatMap((members, i) => seriesOf(members, names[i] as string, metric))
        .filter(({ points }) => points.length > 1);
      const values = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
      if (series.length === 0) return [];
      const isCrowded = values.some((value, i) => {
        const gap = value - (values[i - 1] ?? Number.NEGATIVE_INFINITY);
        return gap < MIN_GAP * ((values.at(-1) as number) - (values[0] as number));
      });
      return metricFigures({
        id: curveId(path, metric),
        title: `${metric.name} by ${path}`,
        caption: `${metric.name.charAt(0).toUpperCase()}${metric.name.slice(1)} by ${path}${isCrowded ? '; values side by side, not to scale' : ''}.`,
        metric,
        x: { label: axisLabel(path, all), format: (value) => value.toLocaleString('en') },
        series,
        spread: 'whiskers',
        references: path === 'privacy.epsilon' ? withoutPrivacy(groups, all, metric) : [],
        ...(isCrowded && { places: values }),
      });
    });
  const heading = HEADINGS.get(path) ?? path;
  return figures.length === 0 ? [] : [{ kind: 'figures', heading, folded: false, figures }];
}

function seriesOf(members: readonly Member[], name: string, metric: MetricLabel): readonly CountedSeries[] {
  const strategies = [...new Set(members.flatMap(({ group }) => strategiesOf(group)))];
  return strategies.flatMap((strategy) => {
    const points = members.flatMap(({ group, value }) => {
      const spread = metricSpread(finalMetrics(group, strategy), metric.path);
      return spread ? [{ x: value, y: spread.mean, sd: spread.sd, count: spread.count }] : [];
    });
    const label = [strategyLabel(strategy), name].filter((part) => part !== '').join(', ');
    return [{ label, points }];
  });
}

/** What sets the families apart from each other; and where a guarantee is missing, that. */
function familyNames(all: readonly (readonly Member[])[], path: string): readonly string[] {
  const firsts = all.map(([first]) => (first as Member).group);
  const words = settingWords(
    firsts.map(({ spec }) => experimentOf(spec)),
    [path],
  );
  return firsts.map((group, i) => {
    const claims = group.runs.flatMap(({ summary }) => summary.strategies.flatMap(({ silos }) => silos));
    const isOpen = path === 'privacy.epsilon' && claims.some(({ privacy }) => privacy.guarantee === 'none');
    return [words[i] ?? '', isOpen ? 'NO guarantee' : ''].filter((part) => part !== '').join(', ');
  });
}

function axisLabel(path: string, all: readonly (readonly Member[])[]): string {
  const specs = all.flat().map(({ group }) => group.spec);
  if (path === 'privacy.epsilon') return 'epsilon that was asked for';
  if (path === 'privacy.lipschitzWeight') return 'weight of the Lipschitz penalty';
  if (path !== 'server.images') return path;
  const per = new Set(specs.map(({ server }) => server.imagesPer));
  return `synthetic images a round${per.size > 1 ? '' : per.has('silo') ? ', of each silo' : ', in total'}`;
}

/** Level lines of the groups without a privacy mechanism that are most like those of the curve. */
function withoutPrivacy(
  groups: readonly RunGroup[],
  all: readonly (readonly Member[])[],
  metric: MetricLabel,
): readonly { readonly label: string; readonly y: number }[] {
  const open = [...new Set(all.flat().flatMap(({ group }) => nearestOpen(group, groups) ?? []))];
  return open.flatMap((group) => {
    const spread = metricSpread(finalMetrics(group, 'align'), metric.path);
    const name = open.length === 1 ? 'no privacy' : `no privacy: ${group.label}`;
    return spread ? [{ label: `${name}, ${formatSpread(metric, spread)}`, y: spread.mean }] : [];
  });
}
