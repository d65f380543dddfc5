// What a command says of how to go on: the same again.

import { shellWord } from '../experiments/shell-word.ts';

/** The command line that this process was started with, for a shell. */
export function ownCommand(): string {
  return ['align-fl', ...process.argv.slice(2).map(shellWord)].join(' ');
}
