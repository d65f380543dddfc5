// `align-fl server`: a federation's server. `init` makes its folder, `invite` lets a silo in, `start` plays the rounds.

import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { AbortedError, SpecError } from '../errors.ts';
import { addressesOf, type ServerLayout, serverLayout } from '../deployment/server-folder.ts';
import { serverStatus } from '../deployment/server-status.ts';
import { askToStop } from '../deployment/work-lock.ts';
import { reloadAdvice, type Told } from '../deployment/authority.ts';
import { shellWord } from '../experiments/shell-word.ts';
import type { Console } from './console.ts';
import type { FederationFlags } from './federation-argument.ts';
import { onInterrupt } from './interrupt.ts';
import { repeatable } from './repeatable.ts';
import { resultsText } from './results.ts';
import { serverStatusText } from './server-status-text.ts';
import { createServerView } from './server-view.ts';

/** Adds `server` and its commands to `program`. `now` dates certificates. */
export function addServerCommand(program: Command, console: Console, now: () => Date): void {
  const server = program.command('server').description("run a federation's server: its silos are on other machines");

  server
    .command('init')
    .argument('<dir>', 'folder to make')
    .description('make a federation: its spec, keys, certificate, and the configuration of its NATS server')
    .option('--silos <names>', 'names of the silos: a,b,c')
    .option('--spec <preset or file>', 'what to do; its images are then at the silos. Instead of the next five:')
    .option('--task <task>', 'represent or classify (default: represent)')
    .option('--image <sides>', 'size of an image: 28x28, or 3x32x32 for colour')
    .option('--classes <n>', 'classes of the whole federation')
    .option('--privacy <mechanism>', 'none, dp-sgd or gaussian; there is no default')
    .option('--epsilon <e>', 'what all rounds together may cost each silo')
    .option('--delta <d>', 'probability beyond epsilon, far below one over the images of a silo')
    .option('--test <dir>', 'images that the server judges by (default: none, and nothing is judged)')
    .option('--set <path=value>', 'change one value of the spec; may be repeated', repeatable, [])
    .option('--host <name or address>', 'how silos reach the NATS server; may be repeated', repeatable, [])
    .option('--port <n>', 'port of the NATS server', '4222')
    .option('--listen <address>', 'address that it listens on, of this machine', '0.0.0.0')
    .option('--quorum <n>', 'answers that suffice when a round is over time (with --deadline)')
    .option('--deadline <minutes>', 'how long a round waits for all silos (with --quorum)')
    .addHelpText('after', INIT_HELP)
    .action((dir: string, flags: FederationFlags) => initCommand(dir, flags, console, now));

  server
    .command('invite')
    .argument('<dir>', 'folder of the server')
    .argument('<silo>', 'who is invited')
    .description('print an invite: one line, to be handed over in secret, worth one enrolment')
    .option('--again', 'invite a silo anew that has a key: once it is used, the old key is worth nothing')
    .action(async (dir: string, silo: string, flags: { again?: boolean }) => {
      const { inviteSilo } = await import('../deployment/invitations.ts');
      const { line, told, withdrew } = await inviteSilo(serverLayout(dir), silo, { again: flags.again === true });
      console.error(
        `Invite for ${silo}. Whoever has it can join in its name until it is used: hand it over in secret.`,
      );
      if (withdrew) console.error(`The invite for ${silo} from before was not used, and is worth nothing now.`);
      tell(told, serverLayout(dir), console);
      console.print(line);
    });

  server
    .command('start')
    .argument('<dir>', 'folder of the server')
    .description('play the rounds, or go on with them: stop and start it as you like')
    .option('--nats <url>', 'address of the NATS server, where it is another than silos use', repeatable, [])
    .option('--local', 'start the nats-server found on PATH, here, and end it with this command')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie, if the server judges by them')
    .option('--json', 'print the summary as JSON')
    .action((dir: string, flags: StartFlags) => startCommand(dir, flags, console, now));

  server
    .command('status')
    .argument('<dir>', 'folder of the server')
    .description('where the federation and each silo stand, and what went wrong last')
    .option('--json', 'print as JSON')
    .action((dir: string, flags: { json?: boolean }) => statusCommand(dir, flags, console, now));

  server
    .command('stop')
    .argument('<dir>', 'folder of the server')
    .description('ask the server at work to stop after its current step; `start` goes on')
    .action(async (dir: string) => {
      const stopped = await askToStop(serverLayout(dir).root);
      console.print(
        stopped ? 'It was asked to stop. What is complete is kept.' : 'No server is at work in this folder.',
      );
    });

  server
    .command('revoke')
    .argument('<dir>', 'folder of the server')
    .argument('<silo>', 'whose key is worth nothing from now on')
    .description('shut a silo out; what it released stays, until `align-fl forget`')
    .action(async (dir: string, silo: string) => {
      const { revokeSilo } = await import('../deployment/invitations.ts');
      const { told, hadKey } = await revokeSilo(serverLayout(dir), silo);
      const what = hadKey
        ? `The key of ${silo} is revoked.`
        : `${silo} has no key: it is shut out, and an invite of it is worth nothing.`;
      console.print(`${what} To let it in again: align-fl server invite ${shellWord(dir)} ${silo}`);
      tell(told, serverLayout(dir), console);
    });

  server
    .command('renew')
    .argument('<dir>', 'folder of the server')
    .description("a new certificate of the NATS server for a year; silos' invites stay good")
    .action(async (dir: string) => {
      const layout = serverLayout(dir);
      const { renewServerCertificate } = await import('../deployment/init-server.ts');
      await renewServerCertificate(layout, now());
      console.print(
        `Written: ${layout.nats.certificate}. Restart the NATS server to use it (with --local: stop and start this server).`,
      );
    });
}

// --- internal ---

interface StartFlags {
  readonly nats: readonly string[];
  readonly local?: boolean;
  readonly data?: string;
  readonly json?: boolean;
}

const INIT_HELP = `
Examples:
  align-fl server init ./fed --silos a,b,c --image 28x28 --classes 10 --privacy dp-sgd --epsilon 8 --delta 1e-5
  align-fl server init ./fed --silos north,south --spec my-spec.yaml --host fed.example.org
docs/deployment.md goes through it with three parties on three machines.`;

async function initCommand(dir: string, flags: FederationFlags, console: Console, now: () => Date): Promise<void> {
  const { federationArgument } = await import('./federation-argument.ts');
  const { initServer } = await import('../deployment/init-server.ts');
  const layout = serverLayout(dir);
  const { spec, settings } = await federationArgument(basename(resolve(dir)), flags);
  await initServer({ layout, spec, settings, now: now() });
  const folder = shellWord(dir);
  const first = spec.silos[0]?.name ?? 'a';
  console.print(
    [
      `Made ${layout.root}`,
      '  federation.yaml        what the federation does; change it until the first silo has joined',
      '  nats/                  configuration, certificate and key of its NATS server',
      '  keys/                  secret: never copy them anywhere but into a safe',
      `Silos reach it at ${addressesOf({ format: 'align-fl/server@1', ...settings }).join(', ')}.`,
      '',
      'Next:',
      `  align-fl server invite ${folder} ${first} > ${first}.invite      one a silo; hand it over in secret`,
      `  align-fl server start ${folder} --local           or nats-server -c ${shellWord(layout.nats.config)}, and start without --local`,
    ].join('\n'),
  );
}

async function startCommand(dir: string, flags: StartFlags, console: Console, now: () => Date): Promise<void> {
  const { serveFederation } = await import('../deployment/serve.ts');
  const abort = new AbortController();
  const view = createServerView(console.stderr);
  const stopListening = onInterrupt(abort, () => {
    view.close();
    console.error('Stopping after the current step. What is complete is kept; press Ctrl-C again to quit at once.');
  });
  try {
    const summary = await serveFederation({
      layout: serverLayout(dir),
      nats: natsOf(flags),
      data: { dataDir: flags.data, env: process.env },
      emit: (event) => view.show(event),
      signal: abort.signal,
      now,
      version: console.version,
    });
    view.close();
    if (flags.json) console.print(JSON.stringify(summary, null, 2));
    else
      console.print(`${resultsText(summary)}\nRun folder: ${serverLayout(dir).run} (summary.json, decoders/, global/)`);
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
    const local = flags.local ? ' --local' : '';
    throw new AbortedError(`Stopped. To go on: align-fl server start ${shellWord(dir)}${local}`, {}, { cause: error });
  } finally {
    view.close();
    stopListening();
  }
}

function natsOf({ local, nats }: StartFlags): 'local' | readonly string[] | null {
  if (!local) return nats.length > 0 ? nats : null;
  if (nats.length === 0) return 'local';
  throw new SpecError('--local starts a NATS server here, and --nats names one elsewhere. Leave one of them out.', {
    path: '--nats',
  });
}

async function statusCommand(
  dir: string,
  flags: { readonly json?: boolean },
  console: Console,
  now: () => Date,
): Promise<void> {
  const at = now();
  const status = await serverStatus(serverLayout(dir), at);
  if (flags.json) return console.print(JSON.stringify(status, null, 2));
  console.print(serverStatusText(status, at));
}

function tell(told: Told, layout: ServerLayout, console: Console): void {
  if (told !== 'reloaded') console.error(reloadAdvice(layout));
}
