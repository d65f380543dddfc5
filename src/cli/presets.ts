// `align-fl presets`: the experiments that come with align-fl.

import type { Command } from 'commander';
import { presets } from '../experiments/presets.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';

/** Adds `presets` to `program`. */
export function addPresetsCommand(program: Command, console: Console): void {
  program
    .command('presets')
    .description('list the experiments that come with align-fl')
    .option('--json', 'print them as JSON, with their specs')
    .action((flags: { json?: boolean }) => {
      if (flags.json) return console.print(JSON.stringify(presets(), null, 2));
      const rows = presets().map(({ name, description }) => [name, description]);
      console.print(textTable(['preset', { header: 'what it is', align: 'left' }], rows));
    });
}
