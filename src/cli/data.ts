// `align-fl data`: which data sets are known, what is on this machine, and whether every byte of it is right.

import { homedir } from 'node:os';
import type { Command } from 'commander';
import { dataPlaces } from '../data/data-places.ts';
import { idxFileName } from '../data/idx-files.ts';
import { inspectKnownSets } from '../data/inspect-sets.ts';
import { ALL_KNOWN_SETS } from '../data/known-sets.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';

/** Adds `data` to `program`. */
export function addDataCommand(program: Command, console: Console, setExitCode: (code: number) => void): void {
  program
    .command('data')
    .description('show which data sets are known and which are here, and verify them')
    .option('--data <dir>', 'look here first')
    .option('--json', 'print as JSON')
    .action(async (flags: DataFlags) => setExitCode(await dataCommand(flags, console)));
}

// --- internal ---

interface DataFlags {
  readonly data?: string;
  readonly json?: boolean;
}

/** Prints the state of every known set in every place. Returns 1 where a file is damaged, else 0. */
async function dataCommand(flags: DataFlags, console: Console): Promise<number> {
  const reports = await inspectKnownSets(dataPlaces({ dataDir: flags.data, env: process.env, homeDir: homedir() }));
  const damaged = reports.flatMap(({ files }) => files.filter(({ state }) => state === 'damaged'));
  if (flags.json) {
    console.print(JSON.stringify(reports, null, 2));
    return damaged.length > 0 ? 1 : 0;
  }
  const rows = reports.map(({ set, dir, state, files }) => {
    const verified = files.filter((file) => file.state === 'verified').length;
    return [set, state, `${verified} of ${files.length} files verified`, dir];
  });
  console.print(textTable([{ header: 'data set', align: 'left' }, 'state', 'files', 'folder'], rows));
  for (const { path, problem } of damaged) console.print(`damaged: ${path}: ${problem}`);
  const complete = new Set(reports.filter(({ state }) => state === 'complete').map(({ set }) => set));
  const missing = ALL_KNOWN_SETS.filter(({ name }) => !complete.has(name));
  if (missing.length > 0) {
    console.print(
      '\nA run downloads what is missing. Without a network, put these files into DIR/<data set>/ and name --data DIR:',
    );
    for (const { name, files } of missing) {
      for (const { role, gzipSha256 } of files)
        console.print(`  ${name}/${idxFileName(role)}.gz  SHA-256 ${gzipSha256}`);
    }
  }
  console.print(
    'Drawn digits and drawn garments need no files. Own images - IDX, .npz, PNG, CIFAR-10 - : align-fl init FOLDER.',
  );
  return damaged.length > 0 ? 1 : 0;
}
