// `align-fl schema`: what a spec may say, for editors.

import type { Command } from 'commander';
import { specJsonSchema } from '../experiments/spec-schema.ts';
import type { Console } from './console.ts';

/** Adds `schema` to `program`. */
export function addSchemaCommand(program: Command, console: Console): void {
  program
    .command('schema')
    .description('print the JSON schema of a spec, for completion in editors')
    .action(() => console.print(JSON.stringify(specJsonSchema(), null, 2)));
}
