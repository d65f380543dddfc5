// `align-fl compare`: what differs between runs, and what came of it.

import type { Command } from 'commander';
import { SpecError } from '../errors.ts';
import { compareRuns, comparisonText } from '../report/run-comparison.ts';
import type { Console } from './console.ts';
import { completeRuns } from './report.ts';

/** Adds `compare` to `program`. */
export function addCompareCommand(program: Command, console: Console): void {
  program
    .command('compare')
    .argument('<run folders...>', 'two runs or more, or folders that hold run folders')
    .description('show in which settings runs differ, and their results side by side')
    .option('--json', 'print as JSON')
    .action((folders: string[], flags: { json?: boolean }) => compareCommand(folders, flags, console));
}

// --- internal ---

async function compareCommand(folders: readonly string[], flags: { json?: boolean }, console: Console): Promise<void> {
  const { runs, unfinished } = await completeRuns(folders);
  for (const root of unfinished) console.error(`${root} is not finished and is left out.`);
  if (runs.length < 2) {
    throw new SpecError(`Expected two finished runs or more to compare, got ${runs.length}. Name more run folders.`, {
      path: 'argument',
      runs: runs.length,
    });
  }
  const comparison = compareRuns(runs);
  console.print(flags.json ? JSON.stringify(comparison, null, 2) : comparisonText(comparison));
}
