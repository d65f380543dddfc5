// The metrics of a group of runs: over its seeds, at the end and after each round, for each strategy and control.

import type { Metrics, StrategySummary } from '../experiments/summary.ts';
import { type MetricLabel, metricLabels } from './metric-labels.ts';
import { metricValues } from './metric-values.ts';
import type { RunGroup } from './run-groups.ts';
import type { RunRecord } from './run-record.ts';
import { type Spread, spreadOf } from './spread.ts';

/** Strategies that any run of the group played, in the order of its specs. */
export function strategiesOf({ runs }: RunGroup): readonly string[] {
  return [...new Set(runs.flatMap(({ summary }) => summary.strategies.map(({ strategy }) => strategy)))];
}

/** A run, and what it tells of one strategy. */
export interface PlayedRun {
  readonly run: RunRecord;
  readonly own: StrategySummary;
}

/**
 * The runs that played a strategy. A model that several runs of one seed have in common, such as one that was run again with
 * more strategies, is that of the first: counted twice, it would make deviations too small.
 */
export function playedBy(runs: readonly RunRecord[], strategy: string): readonly PlayedRun[] {
  const played = runs.flatMap((run) =>
    run.summary.strategies.filter((own) => own.strategy === strategy).map((own): PlayedRun => ({ run, own })),
  );
  const modelOf = ({ run, own }: PlayedRun) => `${run.summary.seed} ${own.globalSha256}`;
  return played.filter((one, i) => played.findIndex((other) => modelOf(other) === modelOf(one)) === i);
}

/** The summaries of one strategy, one for each of `playedBy`. */
export function summariesOf({ runs }: RunGroup, strategy: string): readonly StrategySummary[] {
  return playedBy(runs, strategy).map(({ own }) => own);
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

/** Controls of the group's runs by name, each once a seed: the seed alone decides them. */
export function controlMetrics({ runs }: RunGroup): ReadonlyMap<string, ReadonlyMap<number, Metrics>> {
  const byName = new Map<string, Map<number, Metrics>>();
  for (const { seed, controls } of runs.map(({ summary }) => summary)) {
    for (const { name, metrics } of controls) {
      const bySeed = byName.get(name) ?? new Map<number, Metrics>();
      if (!bySeed.has(seed)) byName.set(name, bySeed.set(seed, metrics));
    }
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
