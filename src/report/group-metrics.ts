// The metrics of a group of runs: over its seeds, at the end and after each round, for each strategy and control.

import type { Metrics, StrategySummary } from '../experiments/summary.ts';
import { type MetricLabel, metricLabels } from './metric-labels.ts';
import { metricValues } from './metric-values.ts';
import type { RunGroup } from './run-groups.ts';
import { type Spread, spreadOf } from './spread.ts';

/** Strategies that any run of the group played, in the order of its specs. */
export function strategiesOf({ runs }: RunGroup): readonly string[] {
  return [...new Set(runs.flatMap(({ summary }) => summary.strategies.map(({ strategy }) => strategy)))];
}

/** The summaries of one strategy, a run each, of the runs that played it. */
export function summariesOf({ runs }: RunGroup, strategy: string): readonly StrategySummary[] {
  return runs.flatMap(({ summary }) => summary.strategies.filter((one) => one.strategy === strategy));
}

/** Metrics after the last round. */
export function finalMetrics(group: RunGroup, strategy: string): readonly Metrics[] {
  return summariesOf(group, strategy).map(({ final }) => final);
}

/** Numbers after each round that a run played, ascending. */
export function metricByRound(
  group: RunGroup,
  strategy: string,
  { path }: MetricLabel,
): readonly (Spread & { readonly round: number })[] {
  const played = summariesOf(group, strategy).flatMap(({ rounds }) => rounds);
  const rounds = [...new Set(played.map(({ round }) => round))].sort((a, b) => a - b);
  return rounds.flatMap((round) => {
    const spread = metricSpread(
      played.filter((one) => one.round === round).map(({ metrics }) => metrics),
      path,
    );
    return spread ? [{ ...spread, round }] : [];
  });
}

/** Controls of the group's runs by name. */
export function controlMetrics({ runs }: RunGroup): ReadonlyMap<string, readonly Metrics[]> {
  const byName = new Map<string, Metrics[]>();
  for (const { name, metrics } of runs.flatMap(({ summary }) => summary.controls)) {
    byName.set(name, [...(byName.get(name) ?? []), metrics]);
  }
  return byName;
}

/** One metric over several runs; null where none has it. */
export function metricSpread(all: readonly Metrics[], path: string): Spread | null {
  return spreadOf(all.flatMap((metrics) => metricValues(metrics).get(path) ?? []));
}

/** Labels of all metrics that any strategy of the groups has. */
export function labelsIn(groups: readonly RunGroup[]): readonly MetricLabel[] {
  const all = groups.flatMap((group) => strategiesOf(group).flatMap((strategy) => finalMetrics(group, strategy)));
  return metricLabels(all.flatMap((metrics) => [...metricValues(metrics).keys()]));
}
