// Runs side by side: which settings differ, and what each reached, claimed, sent and took. For the console and as data.

import { jsonEpsilon } from '../privacy/json-epsilon.ts';
import { epsilonWords } from '../privacy/event-words.ts';
import { formatBytes, formatSeconds } from './format.ts';
import { formatMetric, metricLabels } from './metric-labels.ts';
import { metricValues } from './metric-values.ts';
import type { RunRecord } from './run-record.ts';
import { differingSettings, type Leaf } from './spec-leaves.ts';
import { strategyLabel } from './strategy-label.ts';
import { textTable } from './text-table.ts';

/** Everything `align-fl compare` says. Lists have one entry a run; null where a run has nothing to say there. */
export interface RunComparison {
  readonly runs: readonly { readonly folder: string; readonly name: string; readonly seed: number }[];
  /** Settings of the specs in which not all agree. */
  readonly settings: readonly { readonly path: string; readonly values: readonly Leaf[] }[];
  readonly strategies: readonly {
    readonly strategy: string;
    /** After the last round; fractions and plain numbers. */
    readonly metrics: readonly { readonly path: string; readonly values: readonly (number | null)[] }[];
    /** Largest of all silos; text where there is no guarantee, as JSON knows no infinity. */
    readonly epsilon: readonly (number | 'Infinity' | null)[];
    /** What left all silos in all rounds. */
    readonly uploadBytes: readonly (number | null)[];
    readonly seconds: readonly (number | null)[];
    /** SHA-256 of the global model: equal hashes, equal results. */
    readonly globalSha256: readonly (string | null)[];
  }[];
}

/** Compares two runs or more. */
export function compareRuns(runs: readonly RunRecord[]): RunComparison {
  const names = [...new Set(runs.flatMap(({ summary }) => summary.strategies.map(({ strategy }) => strategy)))];
  return {
    runs: runs.map(({ root, summary: { name, seed } }) => ({ folder: root, name, seed })),
    settings: differingSettings(runs.map(({ spec }) => spec))
      .map(({ path, values }) => ({ path, values: values.map((value) => value ?? null) }))
      .filter(({ values }) => new Set(values).size > 1), // nothing here and nothing there is no difference
    strategies: names.map((strategy) => {
      const own = runs.map(({ summary }) => summary.strategies.find((one) => one.strategy === strategy) ?? null);
      const metrics = own.map((one) => one && metricValues(one.final));
      return {
        strategy,
        metrics: metricLabels(metrics.flatMap((one) => [...(one?.keys() ?? [])])).map(({ path }) => ({
          path,
          values: metrics.map((one) => one?.get(path) ?? null),
        })),
        epsilon: own.map(
          (one) => one && jsonEpsilon(Math.max(...one.silos.map(({ epsilon }) => Number(epsilon ?? Infinity)))),
        ),
        uploadBytes: own.map((one) => one && one.silos.reduce((sum, silo) => sum + silo.uploadBytes.total, 0)),
        seconds: own.map((one) => one && one.secondsPerStage.total),
        globalSha256: own.map((one) => one && one.globalSha256),
      };
    }),
  };
}

/** The comparison as tables, a column for each run. */
export function comparisonText({ runs, settings, strategies }: RunComparison): string {
  const names = columnNames(runs.map(({ folder }) => folder));
  const columns = (first: string) => [
    { header: first, align: 'left' as const },
    ...names.map((header) => ({ header, align: 'right' as const })),
  ];
  const differences = settings.map(({ path, values }) => [path, ...values.map(settingWords)]);
  const results = strategies.map((own) => {
    const measured = metricLabels(own.metrics.map(({ path }) => path)).map((label) => {
      const values = own.metrics.find(({ path }) => path === label.path)?.values ?? [];
      return [label.name, ...values.map((value) => (value === null ? null : formatMetric(label, value)))];
    });
    const words = <T>(values: readonly (T | null)[], format: (value: T) => string) =>
      values.map((value) => (value === null ? null : format(value)));
    const unjudged = own.epsilon.map(
      (played, i) => played !== null && own.metrics.every(({ values }) => (values[i] ?? null) === null),
    );
    const rows = [
      ...measured,
      ...(unjudged.includes(true) ? [['scores', ...unjudged.map((none) => (none ? 'not judged' : null))]] : []),
      ['epsilon, largest', ...words(own.epsilon, (value) => epsilonWords(Number(value)))],
      ['left the silos', ...words(own.uploadBytes, formatBytes)],
      ['time of all rounds', ...words(own.seconds, formatSeconds)],
      ['global model', ...words(own.globalSha256, (hash) => hash.slice(0, SHORT_HASH))],
    ];
    return `${strategyLabel(own.strategy)}, after the last round\n${textTable(columns('metric'), rows)}`;
  });
  const isOpen = strategies.some(({ epsilon }) => epsilon.includes('Infinity'));
  return [
    settings.length === 0
      ? 'The specs are the same.'
      : `Where the specs differ\n${textTable(columns('setting'), differences)}`,
    ...results,
    ...(isOpen ? ['An infinite epsilon is NO privacy guarantee.'] : []),
  ].join('\n\n');
}

// --- internal ---

const SHORT_HASH = 12;
const MAX_SETTING = 40;

function settingWords(value: Leaf): string | null {
  if (value === null) return null;
  const text = String(value);
  return text.length <= MAX_SETTING ? text : `${text.slice(0, MAX_SETTING - 1)}…`;
}

/** The last parts of the paths, as many as it takes to tell them apart. */
function columnNames(folders: readonly string[]): readonly string[] {
  const parts = folders.map((folder) => folder.split(/[\\/]+/).filter((part) => part !== '' && part !== '.'));
  const longest = Math.max(...parts.map(({ length }) => length));
  for (let depth = 1; depth < longest; depth++) {
    const names = parts.map((all) => all.slice(-depth).join('/'));
    if (new Set(names).size === new Set(folders).size) return names;
  }
  return folders;
}
