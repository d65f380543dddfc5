// `align-fl run`: opens the run folder, plays the experiment, shows it, stops cleanly on Ctrl-C.

import type { Command } from 'commander';
import { AbortedError, SpecError } from '../errors.ts';
import { requireImagesHere } from '../experiments/at-silos.ts';
import { defaultRunFolder } from '../experiments/run-layout.ts';
import { openRunFolder, resumeRunFolder, type RunFolder } from '../experiments/run-folder.ts';
import { runExperiment } from '../experiments/run.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { repeatable } from './repeatable.ts';
import { resultsText } from './results.ts';
import { shellWord } from '../experiments/shell-word.ts';
import { createRunView } from './run-view.ts';
import { FID_EXTRACTOR_HELP, type SpecFlags, specArgument } from './spec-argument.ts';

/** Adds `run` to `program`. */
export function addRunCommand(program: Command, console: Console): void {
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
}

// --- internal ---

interface RunFlags extends SpecFlags {
  readonly out?: string;
  readonly data?: string;
  readonly resume?: string;
  readonly json?: boolean;
}

/** Runs to the end. Throws what `runExperiment` throws. */
async function runCommand(target: string | undefined, flags: RunFlags, console: Console): Promise<void> {
  const folder = await folderFor(target, flags);
  const wasComplete = folder.state === 'complete';
  const abort = new AbortController();
  const view = createRunView(console.stderr);
  const stopListening = onInterrupt(abort, () => {
    view.close();
    console.error('Stopping after the current step. What is complete is kept; press Ctrl-C again to quit at once.');
  });
  try {
    const summary = await runExperiment({
      folder,
      data: { dataDir: flags.data, env: process.env },
      emit: (event) => view.show(event),
      signal: abort.signal,
    });
    view.close();
    if (flags.json) console.print(JSON.stringify(summary, null, 2));
    else {
      if (wasComplete)
        console.print(`This run was complete already; these are its results. (Other numbers: --seed N.)\n`);
      console.print(resultsText(summary));
      console.print(`Run folder: ${folder.root} (summary.json, decoders/, global/, images/)`);
    }
  } catch (error) {
    view.close();
    if (error instanceof AbortedError) {
      const data = flags.data === undefined ? '' : ` --data ${shellWord(flags.data)}`;
      throw new AbortedError(
        `Stopped. To go on: align-fl run --resume ${shellWord(folder.root)}${data}`,
        { folder: folder.root },
        { cause: error },
      );
    }
    throw error;
  } finally {
    stopListening();
  }
}

async function folderFor(target: string | undefined, flags: RunFlags): Promise<RunFolder> {
  if (flags.resume !== undefined) {
    const others = [
      target && 'a preset',
      flags.set.length > 0 && '--set',
      flags.seed && '--seed',
      flags.fidExtractor && '--fid-extractor',
      flags.out && '--out',
    ];
    const unwanted = others.filter(Boolean);
    if (unwanted.length > 0) {
      throw new SpecError(
        `--resume takes the spec of the folder itself, so ${unwanted.join(', ')} cannot be given with it. ` +
          'Leave it out, or start another run.',
        { path: '--resume' },
      );
    }
    return resumeRunFolder(flags.resume);
  }
  const spec = await specArgument(target, flags);
  requireImagesHere(spec, 'align-fl run'); // before there is a folder
  return openRunFolder({ path: flags.out ?? defaultRunFolder(spec), spec });
}
