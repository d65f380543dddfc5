// `align-fl init`: looks at images that the user brings along, says what is there and what would happen, and writes a spec.

import { basename, extname, resolve } from 'node:path';
import type { Command } from 'commander';
import { StateError, SpecError } from '../errors.ts';
import { type DraftPrivacy, type DraftTask, shapeWords } from '../experiments/draft-spec.ts';
import { findImages, type FoundImages, type InitPlan, planInit } from '../experiments/init.ts';
import { EXPERIMENT_NAME, type Spec } from '../experiments/spec.ts';
import { formatBytes } from '../report/format.ts';
import { shellWord } from '../experiments/shell-word.ts';
import { textTable } from '../report/text-table.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import type { Console } from './console.ts';
import { DELTA, numberArgument, TARGET_EPSILON, wholeNumber } from './number-argument.ts';
import { counted } from '../experiments/counted.ts';

/** Adds `init` to `program`. */
export function addInitCommand(program: Command, console: Console): void {
  program
    .command('init')
    .argument('[path]', 'folder of your images, or an .npz file', '.')
    .description('look at images of your own, and write a spec for them that can be run at once')
    .option('--privacy <mechanism>', 'none, dp-sgd, or with --task classify gaussian; there is no default')
    .option('--epsilon <e>', 'with dp-sgd or gaussian: what all rounds together may cost each silo')
    .option(
      '--delta <d>',
      'with dp-sgd or gaussian: probability beyond epsilon, far below one over the images of a silo',
    )
    .option(
      '--silos <n or names>',
      'how many silos, or their names: a,b,c (default: 5, or one a class if there are fewer)',
    )
    .option('--task <task>', 'represent or classify (default: represent)')
    .option('--name <name>', 'name of the experiment (default: that of the folder)')
    .option('--out <file>', 'where to write the spec (default: <name>.yaml)')
    .option('--force', 'replace that file if it is there')
    .option('--json', 'print as JSON')
    .addHelpText('after', HELP)
    .action((path: string, flags: InitFlags) => initCommand(path, flags, console));
}

// --- internal ---

interface InitFlags {
  readonly privacy?: string;
  readonly epsilon?: string;
  readonly delta?: string;
  readonly silos?: string;
  readonly task?: string;
  readonly name?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const HELP = `
Four IDX files, one .npz, a folder of PNG files a class, or CIFAR-10's .bin files: docs/data.md shows each layout.

Examples:
  align-fl init ./my-images --privacy none
  align-fl init scans.npz --task classify --privacy gaussian --epsilon 8 --delta 1e-5
  align-fl init scans.npz --privacy dp-sgd --epsilon 8 --delta 1e-5 --silos north,south,west --out scans.yaml`;

const HOW_TO_CHOOSE =
  'Choose --privacy none (the decoders may then reveal training images), or --privacy dp-sgd with --epsilon and --delta, ' +
  'such as --epsilon 8 --delta 1e-5; with --task classify also --privacy gaussian, likewise. Lipschitz control and all other settings are chosen in the file: docs/privacy.md.';

async function initCommand(path: string, flags: InitFlags, console: Console): Promise<void> {
  const task = taskOf(flags.task);
  const privacy = privacyOf(flags, task);
  const silos = silosOf(flags.silos);
  const name = nameOf(path, flags.name);
  const file = flags.out ?? `${name}.yaml`;
  if (!/\.ya?ml$/i.test(file)) {
    throw new SpecError(`--out: expected a file that ends in .yaml or .yml, got ${file}.`, { path: '--out' });
  }
  if (privacy !== null && !flags.force && isThere(file)) {
    throw new StateError(`${file} is there already, and was left as it is. Name another with --out, or add --force.`, {
      path: file,
    });
  }
  const found = await findImages(path);
  if (!flags.json) console.print(foundText(path, found));
  if (privacy === null) {
    throw new SpecError(`No privacy mechanism is chosen, so nothing was written. ${HOW_TO_CHOOSE}`, {
      path: '--privacy',
    });
  }
  const plan = await planInit(found, { name, path, silos, task, privacy });
  await writeFileAtomic(file, plan.draft.text);
  if (flags.json) {
    const { manifest, work, decoderBytes, warnings, draft } = plan;
    const { layout, notes, facts, dataSet } = found;
    const { shape } = dataSet.train;
    const whole = { file, layout, shape, ...facts, notes, silos: manifest.silos, ...work, decoderBytes, warnings };
    console.print(JSON.stringify({ ...whole, spec: draft.text }, null, 2));
    return;
  }
  console.print(`${planText(plan, found)}\n\nWritten to ${file}:\n\n${indented(plan.draft.text)}`);
  console.print(`Run it: align-fl run ${shellWord(isPlainName(file) ? `./${file}` : file)}`);
}

function taskOf(text = 'represent'): DraftTask {
  if (text === 'represent' || text === 'classify') return text;
  throw new SpecError(`--task: expected represent or classify, got '${text}'.`, { path: '--task' });
}

function privacyOf({ privacy, epsilon, delta }: InitFlags, task: DraftTask): DraftPrivacy | null {
  const numbers = epsilon !== undefined || delta !== undefined;
  if (privacy === undefined && !numbers) return null;
  if (privacy === 'none' && !numbers) return { mechanism: 'none' };
  const isNoisy = privacy === 'dp-sgd' || privacy === 'gaussian';
  if (privacy === 'gaussian' && task !== 'classify') {
    throw new SpecError(
      '--privacy: gaussian pays for closed-form generators, which are for --task classify. Add that, or take dp-sgd.',
      { path: '--privacy' },
    );
  }
  if (isNoisy && epsilon !== undefined && delta !== undefined) {
    return {
      mechanism: privacy,
      epsilon: numberArgument('--epsilon', epsilon, TARGET_EPSILON),
      delta: numberArgument('--delta', delta, DELTA),
    };
  }
  const came = isNoisy ? `${privacy} without both of them` : (privacy ?? 'numbers without a mechanism');
  throw new SpecError(
    `--privacy: expected none, or dp-sgd or gaussian with --epsilon and --delta; got ${came}. ${HOW_TO_CHOOSE}`,
    { path: '--privacy' },
  );
}

function silosOf(text: string | undefined): readonly string[] | number | null {
  if (text === undefined) return null;
  return /^-?[\d.]+$/.test(text)
    ? numberArgument('--silos', text, wholeNumber('5'))
    : text.split(',').map((name) => name.trim());
}

/** The name of the folder or file, with what a name may not have left out. */
function nameOf(path: string, given: string | undefined): string {
  if (given !== undefined) {
    if (EXPERIMENT_NAME.test(given)) return given;
    throw new SpecError(`--name: expected letters, digits, dot, hyphen or underscore, at most 64; got '${given}'.`, {
      path: '--name',
    });
  }
  const whole = resolve(path);
  const name = basename(whole, extname(whole).toLowerCase() === '.npz' ? extname(whole) : '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return name === '' ? 'own-images' : name;
}

function isPlainName(file: string): boolean {
  return !/[\\/]/.test(file);
}

const LAYOUTS = {
  idx: 'IDX files',
  npz: 'a NumPy .npz file',
  png: 'a folder of PNG files a class',
  'cifar-10': "CIFAR-10's binary files",
} as const;

function foundText(path: string, { dataSet, layout, facts, notes }: FoundImages): string {
  const { train, test, classNames } = dataSet;
  const { repeatedInTraining, testInTraining, classes } = facts;
  const shown = classes.slice(0, MAX_ROWS).map(({ label, name, train: own, test: held }) => [label, name, own, held]);
  const columns = ['class', { header: 'name', align: 'left' as const }, 'training images', 'test images'];
  const remarks = [
    ...(classes.length > MAX_ROWS ? [`And ${classes.length - MAX_ROWS} more classes.`] : []),
    ...notes,
    ...classes.filter((one) => one.train === 0).map(({ label }) => `No training image has label ${label}.`),
    ...(repeatedInTraining > 0 ? [`${repeatedInTraining} training images occur in the training part before.`] : []),
    ...(testInTraining > 0
      ? [
          `${testInTraining} test images are also training images: scores on them say little. Remove them from one part.`,
        ]
      : []),
  ];
  return [
    `${path}: ${LAYOUTS[layout]}. ${train.labels.length} training and ${test.labels.length} test images of ` +
      `${classNames.length === 1 ? '1 class' : `${classNames.length} classes`}, ${shapeWords(train.shape)}.`,
    '',
    textTable(columns, shown),
    ...(remarks.length === 0 ? [] : ['', ...remarks]),
  ].join('\n');
}

const MAX_ROWS = 30;

function planText({ spec, manifest, work, decoderBytes, warnings }: InitPlan, { dataSet }: FoundImages): string {
  const rows = manifest.silos.slice(0, MAX_ROWS).map(({ name, examples, classes }, i) => {
    const own = classes.map(({ label }) => dataSet.classNames[label] ?? label).join(', ');
    return [name, examples, own.length > 60 ? `${own.slice(0, 57)}...` : own, formatBytes(decoderBytes[i] ?? 0)];
  });
  const columns = ['silo', 'images', { header: 'classes', align: 'left' as const }, 'decoder'];
  const serverSteps = Math.round(Object.values(work.serverSteps).reduce((sum, steps) => sum + steps, 0));
  const { server } = spec;
  return [
    '',
    'What will happen, with seed 0:',
    '',
    textTable(columns, rows),
    ...(manifest.silos.length > MAX_ROWS ? [`And ${manifest.silos.length - MAX_ROWS} more silos.`] : []),
    '',
    `${paceWords(spec, work.siloSteps)}, one decoder from each silo, ${counted(server.images, 'image')} drawn from each decoder, ${counted(serverSteps, 'step')} at the server.`,
    modelWords(spec),
    ...privacyWords(spec),
    ...warnings,
  ].join('\n');
}

function paceWords({ rounds, local, generator, task }: Spec, siloSteps: number): string {
  if (task === 'classify' && generator.kind === 'linear-gaussian') {
    return `${rounds} round: each silo computes its generator, in a few looks at its images`;
  }
  return `${counted(rounds, 'round')}. In each: ${Math.round(siloSteps)} training steps at all silos together (${counted(local.epochs, 'epoch')}, batches of ${local.batchSize})`;
}

function modelWords({ task, model, generator }: Spec): string {
  const kind = model.kind === 'conv' ? 'convolutional (needs ONNX Runtime)' : 'dense';
  const trained = `${kind}, with codes of ${model.latent} numbers`;
  if (task === 'represent') return `Models are ${trained}. The model of the server is judged on the test images.`;
  const generators =
    generator.kind === 'linear-gaussian'
      ? `${generator.components === 1 ? 'one Gaussian' : `${generator.components} Gaussians`} a class over the ${generator.frequencies} x ${generator.frequencies} lowest frequencies`
      : trained;
  return `Generators are ${generators}. The classifier of the server is judged on the test images.`;
}

function privacyWords({ privacy }: Spec): readonly string[] {
  if (privacy.mechanism !== 'dp-sgd' && privacy.mechanism !== 'gaussian') {
    return [
      'Privacy: none. The decoders may reveal training images. (--privacy dp-sgd --epsilon E --delta D for a guarantee.)',
    ];
  }
  const name = privacy.mechanism === 'dp-sgd' ? 'DP-SGD' : 'Gaussian mechanism';
  return [
    `Privacy: ${name}, epsilon ${privacy.epsilon} at delta ${privacy.delta} a silo for all rounds, kept in ledgers beside the images.`,
    'Every run on these images spends that budget, a trial of one round all of it: try settings out on drawn or public images.',
  ];
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
