// `align-fl report`: one page about one or many runs, and the same as tables and figures for documents.

import type { Command } from 'commander';
import { StateError } from '../errors.ts';
import { formatBytes } from '../report/format.ts';
import { reportOf } from '../report/report.ts';
import { writePage, writeTables } from '../report/report-files.ts';
import { readRun, type RunRecord, runFoldersIn } from '../report/run-record.ts';
import type { Console } from './console.ts';

/** Adds `report` to `program`. */
export function addReportCommand(program: Command, console: Console): void {
  program
    .command('report')
    .argument('<run folders...>', 'folders of runs, or folders that hold such folders')
    .description('write one self-contained HTML page about runs; seeds of one experiment are joined')
    .option('--out <file>', 'the page', 'report.html')
    .option('--tables <dir>', 'also write the tables as Markdown and CSV and the figures as SVG into this folder')
    .option('--title <text>', 'heading of the page (default: the names of the experiments)')
    .addHelpText('after', HELP)
    .action((folders: string[], flags: ReportFlags) => reportCommand(folders, flags, console));
}

/** The complete runs in the folders, and which are not finished. Throws StateError where none is complete. */
export async function completeRuns(
  paths: readonly string[],
): Promise<{ readonly runs: readonly RunRecord[]; readonly unfinished: readonly string[] }> {
  const folders = await runFoldersIn(paths);
  const runs: RunRecord[] = [];
  const unfinished: string[] = [];
  for (const folder of folders) {
    const run = await readRun(folder);
    if (run) runs.push(run);
    else unfinished.push(folder);
  }
  if (runs.length > 0) return { runs, unfinished };
  throw new StateError(
    `None of these runs is finished: ${unfinished.join(', ')}. To go on: align-fl run --resume ${unfinished[0]}`,
    { unfinished },
  );
}

// --- internal ---

interface ReportFlags {
  readonly out: string;
  readonly tables?: string;
  readonly title?: string;
}

const HELP = `
The page needs no network and no other file. The same run folders give the same page.

Examples:
  align-fl report runs/quickstart-seed0
  align-fl report runs/paper-mnist-seed1 runs/paper-mnist-seed2 runs/paper-mnist-seed3 --out paper-mnist.html
  align-fl report runs --tables tables             every run in runs/; tables.md, *.csv, figures/*.svg`;

async function reportCommand(folders: readonly string[], flags: ReportFlags, console: Console): Promise<void> {
  const { runs, unfinished } = await completeRuns(folders);
  const { title } = flags;
  const report = await reportOf({ runs, unfinished, version: console.version, ...(title !== undefined && { title }) });
  for (const warning of report.warnings) console.error(warning);
  const sizeBytes = await writePage(report, flags.out);
  console.print(`${flags.out} (${formatBytes(sizeBytes)}, ${runs.length} ${runs.length === 1 ? 'run' : 'runs'})`);
  if (flags.tables === undefined) return;
  const files = await writeTables(report, flags.tables);
  const count = (ending: string) => files.filter((name) => name.endsWith(ending)).length;
  console.print(`${flags.tables} (tables.md, ${count('.csv')} CSV files, ${count('.svg')} figures)`);
}
