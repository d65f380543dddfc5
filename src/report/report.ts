// The whole report of some runs: which sections it has, and what its head says. Sections without data are left out.

import { privaciesOf } from '../experiments/spec.ts';
import { costsSection } from './costs-section.ts';
import { curvesSection } from './curves-section.ts';
import { dataSection } from './data-section.ts';
import { diagnosticsSection } from './diagnostics-section.ts';
import { latentSection } from './latent-section.ts';
import { lossesSection } from './losses-section.ts';
import { outliersSection } from './outliers-section.ts';
import { paperSection } from './paper-section.ts';
import { picturesSection } from './pictures-section.ts';
import { privacySection } from './privacy-section.ts';
import { repeatSection } from './repeat-section.ts';
import type { Report } from './report-blocks.ts';
import { resultsSection } from './results-section.ts';
import { roundsSection } from './rounds-section.ts';
import { groupRuns, type RunGroup } from './run-groups.ts';
import type { RunRecord } from './run-record.ts';

export interface ReportOptions {
  /** One or more. */
  readonly runs: readonly RunRecord[];
  /** Folders of runs that are not finished, to be named. */
  readonly unfinished: readonly string[];
  /** Default: the names of the experiments. */
  readonly title?: string;
  /** Of align-fl. */
  readonly version: string;
}

/** The report; it reads pictures from the run folders. The same folders give the same report. */
export async function reportOf({ runs, unfinished, title, version }: ReportOptions): Promise<Report> {
  const { groups, repeated } = groupRuns(runs);
  const sections = [
    resultsSection(groups),
    paperSection(groups),
    roundsSection(groups),
    curvesSection(groups),
    latentSection(groups),
    diagnosticsSection(groups),
    await picturesSection(groups),
    outliersSection(groups),
    privacySection(groups),
    lossesSection(groups),
    costsSection(groups),
    dataSection(groups),
    repeatSection(groups),
  ].filter((section) => section !== null);
  const warnings = [
    ...runs.flatMap(({ root, forgotten }) => forgottenWords(root, forgotten)),
    ...leftOut(unfinished, 'not finished; to go on: align-fl run --resume <run folder>'),
    ...leftOut(
      repeated.map(({ root }) => root),
      'the same as another run here, seed and result',
    ),
  ];
  return { title: title ?? titleOf(groups), facts: factsOf(groups), warnings, sections, version };
}

// --- internal ---

const MAX_NAMED = 3;

function titleOf(groups: readonly RunGroup[]): string {
  const names = [...new Set(groups.map(({ spec }) => spec.name))];
  if (names.length <= MAX_NAMED) return names.join(', ');
  return `${names.slice(0, MAX_NAMED).join(', ')} and ${names.length - MAX_NAMED} more`;
}

function forgottenWords(root: string, silos: readonly string[]): readonly string[] {
  if (silos.length === 0) return [];
  return [
    `${root} is a run from which ${silos.join(', ')} was forgotten: its scores stand here, its models are removed.`,
  ];
}

function leftOut(roots: readonly string[], reason: string): readonly string[] {
  return roots.length === 0 ? [] : [`Left out: ${roots.join(', ')} (${reason}).`];
}

function factsOf(groups: readonly RunGroup[]): Report['facts'] {
  const runs = groups.flatMap((group) => group.runs);
  const summaries = runs.map(({ summary }) => summary);
  const distinct = (values: readonly (string | number)[]) =>
    [...new Set(values)].sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : 0)).join(', ');
  const dates = summaries.map(({ finishedAt }) => finishedAt.slice(0, 10)).sort();
  const [first, last] = [dates[0] ?? '', dates.at(-1) ?? ''];
  return [
    { term: 'Experiments', text: String(groups.length) },
    { term: 'Runs', text: String(runs.length) },
    { term: 'Seeds', text: distinct(summaries.map(({ seed }) => seed)) },
    { term: 'Data', text: distinct(summaries.map(({ dataSet }) => dataSet.name)) },
    { term: 'Silos', text: distinct(runs.map(({ spec }) => spec.silos.length)) },
    { term: 'Rounds', text: distinct(runs.map(({ spec }) => spec.rounds)) },
    {
      term: 'Privacy',
      text: distinct(runs.flatMap(({ spec }) => privaciesOf(spec).map(({ mechanism }) => mechanism))),
    },
    { term: 'Finished', text: first === last ? first : `${first} to ${last}` },
    { term: 'Made with', text: `align-fl ${distinct(summaries.map(({ alignFlVersion }) => alignFlVersion))}` },
  ];
}
