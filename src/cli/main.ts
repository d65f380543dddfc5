// The command line: the only place that reads arguments, prints and exits. One file a command; this one joins them.

import { Command, CommanderError } from 'commander';
import colours from 'picocolors';
import { AbortedError, AlignError } from '../errors.ts';
import { presets } from '../experiments/presets.ts';
import { specJsonSchema } from '../experiments/spec-schema.ts';
import { packageVersion } from '../experiments/version.ts';
import { textTable } from '../report/text-table.ts';
import { addAuditCommand } from './audit.ts';
import { addCompareCommand } from './compare.ts';
import { type Console, processConsole } from './console.ts';
import { dataCommand } from './data.ts';
import { addDecoderCommand } from './decoder.ts';
import { addInitCommand } from './init.ts';
import { addLedgerCommand } from './ledger.ts';
import { addOutliersCommand } from './outliers.ts';
import { addPaperCommand } from './paper.ts';
import { addPrivacyCommands } from './privacy.ts';
import { repeatable } from './repeatable.ts';
import { addReleaseCommand } from './release.ts';
import { addReportCommand } from './report.ts';
import { addForgetCommand } from './forget.ts';
import { type RunFlags, runCommand } from './run.ts';
import { FID_EXTRACTOR_HELP } from './spec-argument.ts';
import { addServerCommand } from './server.ts';
import { addSiloCommand } from './silo.ts';
import { addSweepCommand } from './sweep.ts';
import { addSynthCommand } from './synth.ts';
import { addUpCommand } from './up.ts';

/** Runs one command line and returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C. */
export async function main(argv: readonly string[]): Promise<number> {
  const console = processConsole(packageVersion());
  let exitCode = 0;
  const program = commands(console, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return report(error, console, argv.includes('--json'));
  }
}

// --- internal ---

function commands(console: Console, setExitCode: (code: number) => void): Command {
  const program = new Command('align-fl')
    .description('Federated learning by sharing generators instead of models (ALIGN-FL, arXiv 2512.13316).')
    .version(console.version, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(align-fl --help lists what there is)')
    .addHelpText('after', HELP);

  program
    .command('run')
    .argument('[preset or spec file]', 'a preset (align-fl presets) or a .yaml or .json file')
    .description('run an experiment, or go on with it: the same command continues an interrupted run')
    .option('--set <path=value>', 'change one value of the spec; may be repeated', repeatable, [])
    .option('--seed <n>', 'root of all randomness; short for --set seed=n')
    .option('--out <dir>', 'run folder (default: runs/<name>-seed<seed>)')
    .option('--data <dir>', 'where MNIST and Fashion-MNIST lie (else ALIGN_FL_DATA, the cache, a download)')
    .option('--fid-extractor <file>', FID_EXTRACTOR_HELP)
    .option('--resume <dir>', 'go on with the run in this folder, with its own spec')
    .option('--json', 'print the summary as JSON')
    .action((target: string | undefined, flags: RunFlags) => runCommand(target, flags, console));

  program
    .command('presets')
    .description('list the experiments that come with align-fl')
    .option('--json', 'print them as JSON, with their specs')
    .action((flags: { json?: boolean }) => {
      if (flags.json) return console.print(JSON.stringify(presets(), null, 2));
      const rows = presets().map(({ name, description }) => [name, description]);
      console.print(textTable(['preset', { header: 'what it is', align: 'left' }], rows));
    });

  program
    .command('data')
    .description('show which data sets are known and which are here, and verify them')
    .option('--data <dir>', 'look here first')
    .option('--json', 'print as JSON')
    .action(async (flags: { data?: string; json?: boolean }) => setExitCode(await dataCommand(flags, console)));

  addInitCommand(program, console);
  addReportCommand(program, console);
  addCompareCommand(program, console);
  addPrivacyCommands(program, console);
  addLedgerCommand(program, console, () => new Date());
  addAuditCommand(program, console, setExitCode);
  addPaperCommand(program, console, setExitCode);
  addSweepCommand(program, console, setExitCode);
  addOutliersCommand(program, console);
  addForgetCommand(program, console);
  addReleaseCommand(program, console, () => new Date());
  addDecoderCommand(program, console);
  addSynthCommand(program, console, () => new Date());
  addServerCommand(program, console, () => new Date());
  addSiloCommand(program, console, () => new Date());
  addUpCommand(program, console, () => new Date());

  program
    .command('schema')
    .description('print the JSON schema of a spec, for completion in editors')
    .action(() => console.print(JSON.stringify(specJsonSchema(), null, 2)));

  return program;
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
    console.error(error.message);
    return 130;
  }
  if (!(error instanceof AlignError)) throw error; // a bug: the stack is what helps
  if (asJson)
    console.print(JSON.stringify({ error: { code: error.code, message: error.message, facts: error.facts } }, null, 2));
  console.error(`${colours.red(`${error.name}:`)} ${error.message}`);
  return error.code === 'SPEC' ? 2 : 1;
}
