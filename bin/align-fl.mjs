#!/usr/bin/env node
// The command `align-fl`. In a clone it first makes the clone ready; in an installed package there is nothing to do.
// Everything is imported late, so that the check of Node's version comes first.

import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { nodeProblem } from './node-version.mjs';

// V8's marking threads compete with the silos for the cores (docs/decisions/0006). Before anything is allocated.
setFlagsFromString('--no-concurrent-marking');

const problem = nodeProblem();
if (problem !== null) {
  console.error(problem);
  process.exit(1);
}

if (existsSync(new URL('../src/', import.meta.url))) {
  const { setUpOrExit } = await import(new URL('../scripts/set-up.mjs', import.meta.url).href);
  await setUpOrExit();
}

// The reader of a pipe has heard enough (`align-fl schema | head`), or the terminal was closed: there is nobody left to tell,
// and that is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (!['EPIPE', 'EIO'].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? '')) throw error;
  });
}

const { main } = await import(new URL('../dist/cli/main.js', import.meta.url).href);
const exitCode = await main(process.argv.slice(2));
if (typeof exitCode === 'number') process.exitCode = exitCode;
