// The command line: the only place that reads arguments, prints and exits. One file a command; this one joins them.

import { Command, CommanderError } from 'commander';
import colours from 'picocolors';
import { AbortedError, AlignError } from '../errors.ts';
import { plainLine } from '../exchange/plain-text.ts';
import { packageVersion } from '../experiments/version.ts';
import { type Console, processConsole } from './console.ts';

/** Runs one command line and returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C. */
export async function main(argv: readonly string[]): Promise<number> {
  const console = processConsole(packageVersion());
  let exitCode = 0;
  const program = programFor(console);
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  try {
    for (const add of needed(argv)) await add({ program, console, setExitCode, now: () => new Date() });
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return report(error, console, argv.includes('--json'));
  }
}

// --- internal ---

function programFor({ version }: Console): Command {
  return new Command('align-fl')
    .description('Federated learning by sharing generators instead of models (ALIGN-FL, arXiv 2512.13316).')
    .version(version, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(align-fl --help lists what there is)')
    .addHelpText('after', HELP);
}

/** What a command is made with. `now` dates what it writes. */
interface Making {
  readonly program: Command;
  readonly console: Console;
  readonly setExitCode: (code: number) => void;
  readonly now: () => Date;
}

type AddCommand = (making: Making) => Promise<void>;

/** Every command by name, in the order of the help. Its file, and all that it needs, is loaded when it is asked for. */
const COMMANDS: Readonly<Record<string, AddCommand>> = {
  run: async ({ program, console }) => (await import('./run.ts')).addRunCommand(program, console),
  presets: async ({ program, console }) => (await import('./presets.ts')).addPresetsCommand(program, console),
  data: async ({ program, console, setExitCode }) =>
    (await import('./data.ts')).addDataCommand(program, console, setExitCode),
  init: async ({ program, console }) => (await import('./init.ts')).addInitCommand(program, console),
  report: async ({ program, console }) => (await import('./report.ts')).addReportCommand(program, console),
  compare: async ({ program, console }) => (await import('./compare.ts')).addCompareCommand(program, console),
  privacy: async ({ program, console }) => (await import('./privacy.ts')).addPrivacyCommands(program, console),
  ledger: async ({ program, console, now }) => (await import('./ledger.ts')).addLedgerCommand(program, console, now),
  audit: async ({ program, console, setExitCode }) =>
    (await import('./audit.ts')).addAuditCommand(program, console, setExitCode),
  paper: async ({ program, console, setExitCode }) =>
    (await import('./paper.ts')).addPaperCommand(program, console, setExitCode),
  sweep: async ({ program, console, setExitCode }) =>
    (await import('./sweep.ts')).addSweepCommand(program, console, setExitCode),
  outliers: async ({ program, console }) => (await import('./outliers.ts')).addOutliersCommand(program, console),
  forget: async ({ program, console }) => (await import('./forget.ts')).addForgetCommand(program, console),
  release: async ({ program, console, now }) => (await import('./release.ts')).addReleaseCommand(program, console, now),
  decoder: async ({ program, console }) => (await import('./decoder.ts')).addDecoderCommand(program, console),
  synth: async ({ program, console, now }) => (await import('./synth.ts')).addSynthCommand(program, console, now),
  server: async ({ program, console, now }) => (await import('./server.ts')).addServerCommand(program, console, now),
  silo: async ({ program, console, now }) => (await import('./silo.ts')).addSiloCommand(program, console, now),
  up: async ({ program, console, now }) => (await import('./up.ts')).addUpCommand(program, console, now),
  schema: async ({ program, console }) => (await import('./schema.ts')).addSchemaCommand(program, console),
};

/** The command that is named, or all where none is: for the help, and to find what was meant. */
function needed([first = '']: readonly string[]): readonly AddCommand[] {
  if (first === '--version' || first === '-V') return [];
  return Object.hasOwn(COMMANDS, first) ? [COMMANDS[first] as AddCommand] : Object.values(COMMANDS);
}

const HELP = `
Examples:
  align-fl run quickstart                          offline, on drawn digits, about a minute
  align-fl run paper-mnist --data ./data           the paper's experiment on MNIST
  align-fl run paper-mnist --set model.latent=16 --set rounds=5 --seed 2
  align-fl init ./my-images --privacy none         a spec for images of your own
  align-fl run my-spec.yaml --out runs/mine
  align-fl run --resume runs/mine                  after Ctrl-C or a crash
  align-fl report runs --out report.html           one page about every run in runs/
  align-fl synth runs/mine --per-class 1000         a synthetic data set, with its datasheet
  align-fl up                                      a real federation on this machine (needs nats-server)
  align-fl compare runs/mine runs/quickstart-seed0
  align-fl privacy epsilon --sampling-rate 0.01 --noise-multiplier 1.1 --steps 1000 --delta 1e-5`;

function report(error: unknown, console: Console, asJson: boolean): number {
  if (error instanceof AbortedError) {
    console.error(shown(error.message));
    return 130;
  }
  if (!(error instanceof AlignError)) throw error; // a bug: the stack is what helps
  if (asJson)
    console.print(JSON.stringify({ error: { code: error.code, message: error.message, facts: error.facts } }, null, 2));
  console.error(`${colours.red(`${error.name}:`)} ${shown(error.message)}`);
  return error.code === 'SPEC' ? 2 : 1;
}

/** Without control characters but line ends: names of files, keys of a spec and words of a server may have some. */
function shown(message: string): string {
  return message.split('\n').map(plainLine).join('\n');
}
