// The results of the paper's studies as one Markdown document: tables beside the paper's, curves with what they say, and
// what was not run. Written by a program from run folders alone, so that no number in it can be older than its runs.

import { counted } from '../experiments/counted.ts';
import type { PlannedStudy } from '../experiments/paper.ts';
import { type PaperScale, SCALE_WORDS } from '../experiments/paper-studies.ts';
import { curveId, curvesSection, type Member, settingFamilies } from './curves-section.ts';
import { formatSeconds } from './format.ts';
import { finalMetrics, labelsIn, metricSpread } from './group-metrics.ts';
import { formatMetric, type MetricLabel, metricLabel } from './metric-labels.ts';
import { outliersTable, outlierTests } from './outliers-section.ts';
import { paperTable } from './paper-section.ts';
import type { Figure } from './report-blocks.ts';
import { resultsTable } from './results-section.ts';
import { groupRuns, type RunGroup } from './run-groups.ts';
import type { RunRecord } from './run-record.ts';
import { left, metricCell, numberCell, right, type Table } from './table.ts';
import { markdownTable } from './table-text.ts';

/** A study and those of its runs that are complete. */
export interface StudyRuns extends PlannedStudy {
  readonly runs: readonly RunRecord[];
}

export interface PaperResults {
  readonly markdown: string;
  /** Figures that it shows, as `figures/<id>.svg` beside it. */
  readonly figures: readonly Figure[];
}

/** The document. `command` is what writes it again. */
export function paperResults(
  studies: readonly StudyRuns[],
  { command, scale }: { readonly command: string; readonly scale: PaperScale },
): PaperResults {
  const { groups } = groupRuns(studies.flatMap(({ runs }) => runs));
  const figures = curveFigures(groups);
  const curves = studies.filter(({ plan }) => CURVES.includes(plan.vary[0]?.path ?? ''));
  const onCurves = new Set(curves.flatMap(({ runs }) => runs));
  const compared = groups.filter(({ runs }) => runs.some((run) => !onCurves.has(run))); // else a row a point of each curve
  const tables = [paperTable(compared), outliersTable(groups), outlierTests(groups)];
  const [paper, ...outliers] = tables.map((table) => (table ? [markdownTable(table)] : []));
  const sections = studies.flatMap((study) => studySection(study, groups, figures));
  const markdown = [
    "# Results: the paper's experiments",
    '',
    'Written by a program from the runs; to write it again:',
    '',
    `    ${command}`,
    '',
    `Scale ${scale}: ${SCALE_WORDS[scale]}.`,
    '',
    machineText(studies),
    '',
    ...(paper ?? []),
    ...sections,
    ...outliers.flat(),
    missingText(studies),
    '',
  ].join('\n');
  return { markdown, figures };
}

/** What a curve says: its ends, its best point, and how far its points lie apart beside the deviation over seeds. */
export function curveSentence(
  points: readonly { readonly x: number; readonly mean: number; readonly sd: number | null }[],
  { metric, setting }: { readonly metric: MetricLabel; readonly setting: string },
): string {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || first === last) return '';
  const rising = metric.better !== 'lower';
  const best = points.reduce((top, point) => ((rising ? point.mean > top.mean : point.mean < top.mean) ? point : top));
  const of = ({ x, mean }: typeof first) => `${formatMetric(metric, mean)} at ${x.toLocaleString('en')}`;
  const deviations = points.flatMap(({ sd }) => (sd === null ? [] : [sd]));
  const typical = deviations.reduce((sum, sd) => sum + sd, 0) / deviations.length;
  const noise =
    deviations.length === 0
      ? 'One seed a point: what chance does to it is unknown.'
      : `The deviation over seeds is ${formatMetric(metric, typical)} on average; the ends differ by ${formatMetric(metric, Math.abs(last.mean - first.mean))}.`;
  return `${metric.name} by ${setting}: ${of(first)}, ${of(last)}; best ${of(best)}. ${noise}`;
}

// --- internal ---

const ACCURACY = metricLabel('probeFullTest.accuracy');

function studySection(
  { id, question, plan, runs, folder }: StudyRuns,
  groups: readonly RunGroup[],
  figures: readonly Figure[],
): readonly string[] {
  if (runs.length === 0) return [];
  const own = groups.filter((group) => group.runs.some((run) => runs.includes(run)));
  const path = plan.vary[0]?.path;
  const family = path === undefined ? [] : (settingFamilies(groups, path).find((all) => isAbout(all, own)) ?? []);
  const all = resultsTable(own);
  const table = family.length === 0 ? all : { ...curveTable(family, path as string), notes: all.notes };
  const [, ...body] = markdownTable(table).split('\n');
  const figure = figures.find((one) => path !== undefined && one.id === curveId(path, ACCURACY));
  const points = family.flatMap(({ group, value }) => {
    const spread = metricSpread(finalMetrics(group, 'align'), ACCURACY.path);
    return spread ? [{ x: value, ...spread }] : [];
  });
  const sentence = path === undefined ? '' : curveSentence(points, { metric: ACCURACY, setting: path });
  const seeds = [...new Set(runs.map(({ summary }) => summary.seed))].sort((a, b) => a - b).join(', ');
  return [
    `## ${id}: ${question}`,
    '',
    `${runs.length} of ${counted(plan.cells.length, 'run')}, in \`${folder}\`; seeds ${seeds}.`,
    ...body,
    ...(sentence === '' ? [] : [sentence, '']),
    ...(figure ? [`![${figure.caption}](figures/${figure.id}.svg)`, ''] : []),
  ];
}

function isAbout(family: readonly Member[], own: readonly RunGroup[]): boolean {
  return family.some(({ group }) => own.includes(group));
}

function curveTable(family: readonly Member[], path: string): Table {
  const labels = labelsIn(family.map(({ group }) => group));
  return {
    id: `by-${path}`,
    title: path,
    columns: [right(path), ...labels.map(({ name }) => right(name)), right('runs'), left('seeds')],
    rows: family.map(({ group, value }) => [
      numberCell(value, value.toLocaleString('en')),
      ...labels.map((label) => metricCell(label, metricSpread(finalMetrics(group, 'align'), label.path))),
      numberCell(group.runs.length),
      group.seeds.join(', '),
    ]),
    notes: [],
  };
}

function curveFigures(groups: readonly RunGroup[]): readonly Figure[] {
  const blocks = curvesSection(groups)?.blocks ?? [];
  const figures = blocks.flatMap((block) => (block.kind === 'figures' ? block.figures : []));
  return figures.filter(({ id }) => CURVES.some((path) => id === curveId(path, ACCURACY)));
}

const CURVES = ['privacy.epsilon', 'privacy.lipschitzWeight', 'server.images', 'model.latent'];

function machineText(studies: readonly StudyRuns[]): string {
  const summaries = studies.flatMap(({ runs }) => runs.map(({ summary }) => summary));
  const each = summaries.map(({ machine: { platform, cores, executor }, alignFlVersion }) => {
    return `align-fl ${alignFlVersion} on ${platform}, ${cores} cores, ${executor}`;
  });
  const seconds = summaries.reduce((sum, { strategies }) => sum + strategies.reduce(addTotal, 0), 0);
  return `${counted(summaries.length, 'run')}, ${formatSeconds(seconds)} of them in all (several at a time), ${[...new Set(each)].join('; ')}.`;
}

function addTotal(sum: number, { secondsPerStage }: RunRecord['summary']['strategies'][number]): number {
  return sum + secondsPerStage.total;
}

function missingText(studies: readonly StudyRuns[]): string {
  const open = studies.filter(({ plan, runs }) => runs.length < plan.cells.length);
  if (open.length === 0) return 'All runs of these studies are in these tables.';
  const each = open.map(({ id, plan, runs }) => `${id} (${plan.cells.length - runs.length} of ${plan.cells.length})`);
  return `**Not run, so not in these tables:** ${each.join(', ')}. The command above runs them.`;
}
