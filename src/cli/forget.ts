// `align-fl forget`: takes a silo out of a complete run, and says what that reaches and what it does not.

import type { Command } from 'commander';
import { AbortedError } from '../errors.ts';
import { type Forgotten, forgetSilo } from '../experiments/forget.ts';
import { isAveraging } from '../experiments/participation.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { createRunView } from './run-view.ts';

/** Adds `forget` to `program`. */
export function addForgetCommand(program: Command, console: Console): void {
  program
    .command('forget')
    .argument('<run folder>', 'folder of a complete run of ALIGN-FL')
    .argument('<silo>', 'name of the silo to forget')
    .description('rebuild the global model of a run without one of its silos, and remove what came from it')
    .option('--verify', 'also play the run that never had the silo, and compare hashes; costs the whole training again')
    .option('--keep', 'leave the old folder as it is')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie (else ALIGN_FL_DATA, the cache, a download)')
    .option('--json', 'print as JSON')
    .addHelpText('after', HELP)
    .action((folder: string, silo: string, flags: ForgetFlags) => forgetCommand({ folder, silo, flags }, console));
}

// --- internal ---

interface ForgetFlags {
  readonly verify?: boolean;
  readonly keep?: boolean;
  readonly data?: string;
  readonly json?: boolean;
}

interface Asked {
  readonly folder: string;
  readonly silo: string;
  readonly flags: ForgetFlags;
}

const HELP = `
The run without the silo goes into <run folder>-without-<silo>: no silo trains again, the server learns from the decoders
that the others gave. What this proves and what it does not: docs/heterogeneity.md

Examples:
  align-fl run changing-silos
  align-fl forget runs/changing-silos-seed0 leaving
  align-fl forget runs/mixed-silos-seed0 conv --verify`;

async function forgetCommand({ folder, silo, flags }: Asked, console: Console): Promise<void> {
  const { verify = false, keep = false } = flags;
  const abort = new AbortController();
  const view = createRunView(console.stderr);
  const stopListening = onInterrupt(abort, () => {
    view.close();
    console.error('Stopping after the current step.');
  });
  try {
    const data = { dataDir: flags.data, env: process.env };
    const emit = view.show.bind(view);
    const forgotten = await forgetSilo({ path: folder, silo, verify, keep, data, emit, signal: abort.signal });
    view.close();
    console.print(flags.json ? JSON.stringify(forgotten, null, 2) : asText(forgotten, keep));
  } catch (error) {
    view.close();
    if (!(error instanceof AbortedError)) throw error;
    throw new AbortedError('Stopped; nothing was removed. The same command goes on.', {}, { cause: error });
  } finally {
    stopListening();
  }
}

function asText({ silo, folder, rebuilt, globalSha256, verified, removed, dropped }: Forgotten, keep: boolean): string {
  const decoders = removed.filter((file) => file.startsWith('decoders/')).length;
  const averages = dropped.filter(isAveraging);
  return [
    `Forgot ${silo}: ${rebuilt}`,
    `  global model before  ${globalSha256.before}`,
    `  global model after   ${globalSha256.after}`,
    verified === null
      ? '  not compared here with a run that never had the silo: --verify does that, unless a silo has secret noise'
      : `  the run that never had ${silo} was played (${verified}) and ends with the same hash`,
    ...(dropped.length > 0
      ? [`  not rebuilt: ${dropped.join(', ')}, which cannot forget; run the new spec with them`]
      : []),
    '',
    keep
      ? `Left as it was (--keep): ${folder}`
      : `Removed from ${folder}: ${decoders} decoders of ${silo}, and ${removed.length - decoders} models, codes and pictures that ` +
        'learnt from them. Its numbers stay (summary.json, journal.json, events.jsonl), so that they can be compared.',
    '',
    'Not reached:',
    `  the folder of ${silo} itself: its images, state and ledger are its own, and what it has spent of its budget stays spent`,
    '  the ledgers of the other silos, which nobody asked again',
    ...(averages.length > 0
      ? [`  the states of the other silos under ${averages.join(' and ')}, which went on from averages with ${silo}`]
      : []),
    '  copies elsewhere: models that were handed out, images that were sampled from them, backups',
  ].join('\n');
}
