// `align-fl up`: a whole federation on this machine, as it would be across machines, in one command.

import { join } from 'node:path';
import type { Command } from 'commander';
import { AbortedError } from '../errors.ts';
import { laptopLayout, prepareLaptop, runSilos } from '../deployment/laptop.ts';
import { serveFederation } from '../deployment/serve.ts';
import { withSilos } from '../deployment/with-silos.ts';
import { counted } from '../experiments/counted.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { numberArgument, wholeNumber } from './number-argument.ts';
import { ownCommand } from './own-command.ts';
import { repeatable } from './repeatable.ts';
import { resultsText } from './results.ts';
import { createServerView } from './server-view.ts';
import { type SpecFlags, specArgument } from './spec-argument.ts';
import { together } from './together.ts';

/** Adds `up` to `program`. `now` dates certificates. */
export function addUpCommand(program: Command, console: Console, now: () => Date): void {
  program
    .command('up')
    .argument('[preset or spec file]', 'a preset (align-fl presets) or a .yaml or .json file', 'quickstart')
    .description('a real federation on this machine: NATS over TLS, a server, and a process for each silo')
    .option('--silos <n>', 'how many silos: the first ones of the spec, or more (default: those of the spec)')
    .option('--set <path=value>', 'change one value of the spec; may be repeated', repeatable, [])
    .option('--seed <n>', 'root of all randomness; short for --set seed=n')
    .option('--out <dir>', 'folder of the federation (default: federations/<name>-seed<seed>)')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie (else ALIGN_FL_DATA, the cache, a download)')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', HELP)
    .action((target: string, flags: UpFlags) => upCommand(target, flags, console, now));
}

// --- internal ---

interface UpFlags extends SpecFlags {
  readonly silos?: string;
  readonly out?: string;
  readonly data?: string;
  readonly json?: boolean;
}

const HELP = `
Needs nats-server on PATH: apt install nats-server, brew install nats-server, or one file from github.com/nats-io/nats-server.
The decoders and the global model are those of \`align-fl run\` with the same spec and seed, byte for byte.

Examples:
  align-fl up                                      five silos, on drawn digits
  align-fl up classify-quickstart --silos 3         the first three of five, which have all classes then`;

async function upCommand(target: string, flags: UpFlags, console: Console, now: () => Date): Promise<void> {
  const { asked, silos } = await together({
    asked: () => specArgument(target, flags),
    silos: () => (flags.silos === undefined ? null : numberArgument('--silos', flags.silos, wholeNumber('3'))),
  });
  const { spec, notes } = withSilos(asked, silos);
  const out = flags.out ?? join('federations', `${spec.name}-seed${spec.seed}`);
  const layout = laptopLayout(out);
  const data = { dataDir: flags.data, env: process.env };
  const abort = new AbortController();
  const view = createServerView(console.stderr);
  const stopListening = onInterrupt(abort, () => {
    view.close();
    console.error('Stopping all processes. What is complete is kept; press Ctrl-C again to quit at once.');
  });
  try {
    await prepareLaptop(layout, spec, { data, now: now() });
    for (const note of notes) console.error(note);
    console.error(
      `A federation of ${counted(spec.silos.length, 'silo')} in ${layout.root}; what each silo says: silos/<name>/log.txt`,
    );
    const names = spec.silos.map(({ name }) => name);
    const line = { entry: process.argv[1] as string, signal: abort.signal };
    const working = runSilos(layout, names, line);
    const serving = serveFederation({
      layout: layout.server,
      nats: 'local',
      data,
      emit: (event) => view.show(event),
      signal: abort.signal,
      now,
      version: console.version,
      silosAtWork: working.catch(() => {}), // what is wrong with them is told below
    });
    // Whoever fails first ends the others.
    for (const one of [serving, working]) one.catch(() => abort.abort());
    const [served, worked] = await Promise.allSettled([serving, working]);
    const failures = [worked, served].flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []));
    const failure = failures.find((reason) => !(reason instanceof AbortedError)) ?? failures[0];
    if (failure) throw failure;
    view.close();
    const { value: summary } = served as PromiseFulfilledResult<Awaited<typeof serving>>;
    if (flags.json) console.print(JSON.stringify(summary, null, 2));
    else
      console.print(`${resultsText(summary)}\nRun folder: ${layout.server.run}; silos: ${join(layout.root, 'silos')}`);
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    throw new AbortedError(`Stopped. The same command goes on: ${ownCommand()}`, {}, { cause: error });
  } finally {
    view.close();
    stopListening();
  }
}
