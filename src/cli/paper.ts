// `align-fl paper`: runs, or goes on with, everything that the paper shows, and writes one report about it.

import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { SpecError, StateError } from '../errors.ts';
import { type PlannedStudy, paperCell, planPaper, playPaper } from '../experiments/paper.ts';
import {
  PAPER_SCALES,
  type PaperScale,
  type PaperStudy,
  paperStudies,
  SCALE_WORDS,
} from '../experiments/paper-studies.ts';
import { didYouMean } from '../experiments/nearest.ts';
import type { CellReport } from '../experiments/sweep-file.ts';
import { cellWork } from '../experiments/sweep-work.ts';
import { standaloneSvg } from '../report/chart-style.ts';
import { formatBytes } from '../report/format.ts';
import { paperResults, type StudyRuns } from '../report/paper-results.ts';
import { shellWord } from '../experiments/shell-word.ts';
import { reportOf } from '../report/report.ts';
import { writePage, writeTables } from '../report/report-files.ts';
import { readRun } from '../report/run-record.ts';
import { textTable } from '../report/text-table.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { attendedSweep } from './attended-sweep.ts';
import type { Console } from './console.ts';
import { numberArgument, wholeNumber } from './number-argument.ts';

/** Adds `paper` to `program`. It exits with 1 where a run failed. */
export function addPaperCommand(program: Command, console: Console, setExitCode: (code: number) => void): void {
  program
    .command('paper')
    .description(
      "run everything that the paper shows, or go on with it, and write one report beside the paper's numbers",
    )
    .addOption(new Option('--scale <scale>', 'how much of the data and how many rounds').choices(PAPER_SCALES))
    .option('--quick', 'minutes instead of hours: short for --scale quick')
    .option('--only <studies>', 'some of the studies, such as mnist-mechanisms,mnist-epsilon (--dry-run lists them)')
    .option('--seeds <list>', 'these seeds in every study: 1,2,3 or 1-5')
    .option('--out <dir>', 'folder of all runs and of the report (default: runs/paper-<scale>)')
    .option('--results <dir>', 'folder for results.md and its figures (default: --out)')
    .option('--jobs <n>', 'runs at a time (default: one a core, as far as memory goes)')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie (else ALIGN_FL_DATA, the cache, a download)')
    .option('--dry-run', 'list the studies and how far they are, and do nothing')
    .option('--report-only', 'run nothing: write the report about what is complete')
    .addHelpText('after', HELP)
    .action(async (flags: PaperFlags) => setExitCode(await paperCommand(flags, console)));
}

// --- internal ---

interface PaperFlags {
  readonly scale?: PaperScale;
  readonly quick?: boolean;
  readonly only?: string;
  readonly seeds?: string;
  readonly out?: string;
  readonly results?: string;
  readonly jobs?: string;
  readonly data?: string;
  readonly dryRun?: boolean;
  readonly reportOnly?: boolean;
}

const HELP = `
Scales: full (default; all images, five rounds, five seeds: a day or more on two cores), medium (a third of the images,
three rounds: hours), quick (a twelfth, one seed: a quarter of an hour; no numbers to compare with the paper's). Every run
is an ordinary run folder; Ctrl-C stops cleanly, and the same command goes on.

Examples:
  align-fl paper --quick
  align-fl paper --scale medium --only mnist-mechanisms,mnist-baselines
  align-fl paper --report-only --results docs`;

async function paperCommand(flags: PaperFlags, console: Console): Promise<number> {
  const scale = scaleOf(flags);
  const root = flags.out ?? join('runs', `paper-${scale}`);
  const jobs = flags.jobs === undefined ? undefined : numberArgument('--jobs', flags.jobs, wholeNumber('2'));
  const studies = await planPaper(chosen(paperStudies(scale, flags.seeds), flags.only), root);
  if (flags.dryRun) {
    console.print(dryText(studies, root));
    return 0;
  }
  const failed = flags.reportOnly ? [] : await play(studies, { root, jobs, data: flags.data }, console);
  if (failed.length > 0) console.error(failedText(failed));
  const read = await Promise.all(studies.map(withRuns));
  if (failed.length > 0 && read.every(({ runs }) => runs.length === 0)) return 1;
  await writeReport(read, { root, scale, flags }, console);
  return failed.length === 0 ? 0 : 1;
}

function scaleOf({ scale, quick }: PaperFlags): PaperScale {
  if (quick && scale !== undefined && scale !== 'quick') {
    throw new SpecError(`--quick means --scale quick, but --scale is ${scale}. Give one of them.`, { path: '--scale' });
  }
  return quick ? 'quick' : (scale ?? 'full');
}

function chosen(studies: readonly PaperStudy[], only: string | undefined): readonly PaperStudy[] {
  if (only === undefined) return studies;
  const names = studies.map(({ id }) => id);
  const wanted = only.split(',').map((name) => name.trim());
  for (const name of wanted) {
    if (names.includes(name)) continue;
    throw new SpecError(
      `--only: there is no study '${name}'${didYouMean(name, names) || '.'} There are ${names.join(', ')}.`,
      {
        path: '--only',
      },
    );
  }
  return studies.filter(({ id }) => wanted.includes(id));
}

async function play(
  studies: readonly PlannedStudy[],
  { root, jobs, data }: { readonly root: string; readonly jobs: number | undefined; readonly data: string | undefined },
  console: Console,
): Promise<readonly CellReport[]> {
  const work = studies.flatMap((study) =>
    study.plan.cells.map(({ name, spec }) => [paperCell(study, name), cellWork(spec)] as const),
  );
  const played = await attendedSweep({
    console,
    work: Object.fromEntries(work),
    advice: 'The same command goes on; with --report-only it tells of what is complete.',
    play: (hooks) => playPaper({ studies, root, jobs, dataDir: data, ...hooks }),
  });
  return played.flatMap(({ cells }) => cells.filter(({ state }) => state === 'failed'));
}

async function writeReport(
  studies: readonly StudyRuns[],
  { root, scale, flags }: { readonly root: string; readonly scale: PaperScale; readonly flags: PaperFlags },
  console: Console,
): Promise<void> {
  const runs = studies.flatMap((study) => study.runs);
  if (runs.length === 0) {
    throw new StateError(
      `No run in ${root} is complete, so there is nothing to report yet. The command without --report-only runs them.`,
      { path: root },
    );
  }
  const title = `The paper's experiments, ${scale} scale`;
  const about = await reportOf({ runs, unfinished: [], title, version: console.version });
  const report = { ...about, facts: [{ term: 'Scale', text: SCALE_WORDS[scale] }, ...about.facts] };
  const page = join(root, 'report.html');
  const sizeBytes = await writePage(report, page);
  const files = await writeTables(report, join(root, 'tables'));
  const folder = flags.results ?? root;
  const { markdown, figures } = paperResults(studies, { command: commandOf(scale, flags), scale });
  await writeFileAtomic(join(folder, 'results.md'), markdown);
  for (const { id, svg } of figures) await writeFileAtomic(join(folder, 'figures', `${id}.svg`), standaloneSvg(svg));
  console.print(`${page} (${formatBytes(sizeBytes)}, ${runs.length} runs)`);
  console.print(`${join(root, 'tables')} (${files.length} files)`);
  console.print(join(folder, 'results.md'));
}

async function withRuns(study: PlannedStudy): Promise<StudyRuns> {
  const runs = await Promise.all(study.plan.cells.map(({ name }) => readRun(join(study.folder, name))));
  return { ...study, runs: runs.filter((run) => run !== null) };
}

function commandOf(scale: PaperScale, { only, seeds, out, results }: PaperFlags): string {
  const given = { only, seeds, out, results };
  const words = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} ${shellWord(value)}`],
  );
  return ['align-fl paper', `--scale ${scale}`, ...words].join(' ');
}

function dryText(studies: readonly PlannedStudy[], root: string): string {
  const rows = studies.map(({ id, question, plan, states }) => {
    const complete = states.filter((state) => state === 'complete').length;
    return [id, `${complete} of ${plan.cells.length}`, question];
  });
  const all = studies.reduce((sum, { plan }) => sum + plan.cells.length, 0);
  const columns = [
    'study',
    { header: 'complete', align: 'right' as const },
    { header: 'question', align: 'left' as const },
  ];
  return `${textTable(columns, rows)}\n\n${all} runs, in ${root}. Nothing was run.`;
}

/** Runs that failed for the same reason are named together. */
function failedText(failed: readonly CellReport[]): string {
  const byError = new Map<string, string[]>();
  for (const { name, error } of failed) byError.set(error ?? '', [...(byError.get(error ?? '') ?? []), name]);
  return [
    failed.length === 1 ? 'A run failed:' : `${failed.length} runs failed:`,
    ...[...byError].map(([error, names]) => `  ${names.join(', ')}: ${error}`),
  ].join('\n');
}
