// Runs of one experiment under several seeds belong together; runs of several experiments get names that tell them apart.

import { privaciesOf, type Spec } from '../experiments/spec.ts';
import { canonicalJson } from '../experiments/spec-identity.ts';
import type { RunRecord } from './run-record.ts';
import { settingWords } from './setting-words.ts';

/** Runs that differ in their seed only, or in what decides no number of theirs. */
export interface RunGroup {
  /** For names of files and places in the page: `e1`, `e2`, ... */
  readonly id: string;
  /** Tells it from the other groups: its name, and where that is not enough, what is set otherwise. */
  readonly label: string;
  /** Of its first run. */
  readonly spec: Spec;
  readonly runs: readonly [RunRecord, ...RunRecord[]];
  readonly seeds: readonly number[];
}

export interface GroupedRuns {
  readonly groups: readonly RunGroup[];
  /** Runs that have the same seed and the same result as another one: counted once, they are left out here. */
  readonly repeated: readonly RunRecord[];
}

/** The groups of `runs`, in the order in which each comes first. */
export function groupRuns(runs: readonly RunRecord[]): GroupedRuns {
  const byExperiment = new Map<string, RunRecord[]>();
  for (const run of runs) {
    const experiment = canonicalJson(experimentOf(run.spec));
    byExperiment.set(experiment, [...(byExperiment.get(experiment) ?? []), run]);
  }
  const repeated: RunRecord[] = [];
  const groups = [...byExperiment.values()].map((all) => {
    const kept = all.filter((run, i) => {
      const isRepeated = all.slice(0, i).some((earlier) => sameResult(earlier, run));
      if (isRepeated) repeated.push(run);
      return !isRepeated;
    });
    return kept as [RunRecord, ...RunRecord[]];
  });
  const labels = labelsOf(groups.map(([{ spec }]) => spec));
  return {
    repeated,
    groups: groups.map((all, i) => ({
      id: `e${i + 1}`,
      label: labels[i] as string,
      spec: all[0].spec,
      runs: all,
      seeds: all.map(({ summary }) => summary.seed),
    })),
  };
}

/** A spec without what decides no number of a strategy: name, seed, pictures, controls, outliers, threads; and other strategies. */
export function experimentOf(spec: Spec): unknown {
  const { name: _name, seed: _seed, strategies, evaluation, engine, ...rest } = spec;
  const { controls: _controls, gridImages: _pictures, outliers: _outliers, ...judged } = evaluation;
  const { silosAtOnce: _threads, ...computed } = engine;
  // Where strategies share a privacy budget, each changes the others.
  return { ...rest, evaluation: judged, engine: computed, ...(hasBudgets(spec) && { strategies }) };
}

// --- internal ---

function hasBudgets(spec: Spec): boolean {
  return privaciesOf(spec).some((privacy) => 'epsilon' in privacy);
}

function sameResult(a: RunRecord, b: RunRecord): boolean {
  const hashes = ({ summary }: RunRecord) =>
    summary.strategies.map(({ strategy, globalSha256 }) => [strategy, globalSha256]);
  return a.summary.seed === b.summary.seed && canonicalJson(hashes(a)) === canonicalJson(hashes(b));
}

function labelsOf(specs: readonly Spec[]): readonly string[] {
  const labels = specs.map((spec) => {
    const namesakes = specs.filter(({ name }) => name === spec.name);
    const words = settingWords(namesakes.map(experimentOf))[namesakes.indexOf(spec)] ?? '';
    return words === '' ? spec.name : `${spec.name}: ${words}`;
  });
  return labels.map((label, i) => {
    const before = labels.slice(0, i).filter((other) => other === label).length;
    return labels.filter((other) => other === label).length === 1 ? label : `${label} #${before + 1}`;
  });
}
