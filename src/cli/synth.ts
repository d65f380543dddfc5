// `align-fl synth`: the synthetic images of a run as a data set that others can use, with its datasheet.

import type { Command } from 'commander';
import { SYNTHETIC_FORMATS, type SyntheticFormat } from '../data/synthetic-files.ts';
import { AbortedError, SpecError } from '../errors.ts';
import { didYouMean } from '../experiments/nearest.ts';
import { synthesise, type Synthesised } from '../experiments/synthesise.ts';
import type { SyntheticAmount } from '../experiments/synthetic-draw.ts';
import { statedEpsilon } from '../privacy/event-words.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { onInterrupt } from './interrupt.ts';
import { bar, createLiveLines } from './live-lines.ts';
import { type NumberKind, numberArgument, WHOLE } from './number-argument.ts';

/** Adds `synth` to `program`. `now` dates the datasheet. */
export function addSynthCommand(program: Command, console: Console, now: () => Date): void {
  program
    .command('synth')
    .argument('<run folder>', 'folder of a complete run of ALIGN-FL')
    .description('draw a synthetic data set from the decoders of a run, and write it with a datasheet')
    .option('--per-class <n>', 'images of each class, of a run with task: classify')
    .option('--per-silo <n>', "images of each silo's decoder, where images have no labels")
    .option('--format <name>', `${SYNTHETIC_FORMATS.join(', ')}`, 'npz')
    .option('--out <dir>', 'where the set goes (default: synthetic/<run folder>-<format>)')
    .option('--seed <n>', "root of the draw (default: the run's seed)")
    .option('--force', 'replace an earlier synthetic set in that place')
    .option('--json', 'print the datasheet as JSON')
    .addHelpText('after', HELP)
    .action((folder: string, flags: SynthFlags) => synthCommand(folder, flags, console, now));
}

// --- internal ---

interface SynthFlags {
  readonly perClass?: string;
  readonly perSilo?: string;
  readonly format: string;
  readonly out?: string;
  readonly seed?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const HELP = `
No silo is asked and no data set is needed: images come from the newest decoder of every silo that the run folder keeps.
How to load each format, and what the datasheet says: docs/synthetic-data.md

Examples:
  align-fl synth runs/mine --per-class 1000
  align-fl synth runs/mine --per-class 6000 --format parquet --out sets/mine
  align-fl synth runs/quickstart-seed0 --per-silo 500 --format png`;

const SEED: NumberKind = {
  expected: 'a whole number from 0 up',
  example: '7',
  accepts: (value) => Number.isSafeInteger(value) && value >= 0,
};

async function synthCommand(path: string, flags: SynthFlags, console: Console, now: () => Date): Promise<void> {
  const { out, force } = flags;
  const asked = {
    path,
    amount: amountOf(flags),
    format: formatOf(flags.format),
    seed: flags.seed === undefined ? undefined : numberArgument('--seed', flags.seed, SEED),
    out,
    force,
  };
  const abort = new AbortController();
  const lines = createLiveLines(console.stderr);
  const stopListening = onInterrupt(abort, () => console.error('Stopping.'));
  const onDrawn = (done: number, total: number) => {
    if (console.stderr.isTTY) lines.draw([`${bar(done / total)} ${done} of ${total} images`]);
  };
  try {
    const made = await synthesise({ ...asked, now: now(), onDrawn, signal: abort.signal });
    lines.erase();
    console.print(flags.json ? JSON.stringify(made.datasheet, null, 2) : asText(made));
  } catch (error) {
    lines.erase();
    if (!(error instanceof AbortedError)) throw error;
    throw new AbortedError('Stopped; nothing was written. The same command begins again.', {}, { cause: error });
  } finally {
    stopListening();
  }
}

function amountOf({ perClass, perSilo }: SynthFlags): SyntheticAmount {
  if (perClass !== undefined && perSilo === undefined) {
    return { per: 'class', count: numberArgument('--per-class', perClass, WHOLE) };
  }
  if (perSilo !== undefined && perClass === undefined) {
    return { per: 'silo', count: numberArgument('--per-silo', perSilo, WHOLE) };
  }
  throw new SpecError(
    `Expected --per-class or --per-silo, got ${perClass === undefined ? 'neither' : 'both'}. Say --per-class 1000 for a run with task: ` +
      'classify, --per-silo 1000 for any other.',
    { path: '--per-class' },
  );
}

function formatOf(text: string): SyntheticFormat {
  const format = SYNTHETIC_FORMATS.find((name) => name === text);
  if (format) return format;
  const hint = didYouMean(text, SYNTHETIC_FORMATS) || '.';
  throw new SpecError(`--format: expected one of ${SYNTHETIC_FORMATS.join(', ')}, got '${text.slice(0, 100)}'${hint}`, {
    path: '--format',
  });
}

function asText({ folder, datasheet }: Synthesised): string {
  const { images, labels, silos, formalPrivacy } = datasheet;
  const { channels, height, width } = images;
  const of = labels ? ` of ${labels.perClass.length} classes` : ' without labels';
  return [
    `${images.count} synthetic images${of}, ${channels} x ${height} x ${width}: ${folder}`,
    ...(labels && labels.missing.length > 0
      ? [`No silo offers class ${labels.missing.join(', ')}: none of them is there.`]
      : []),
    '',
    textTable(
      ['silo', { header: 'mechanism', align: 'left' }, 'epsilon', 'delta', 'images'],
      silos.map(({ name, privacy, images: drawn }) => [
        name,
        privacy.guarantee === 'none' ? `${privacy.mechanism} (no formal privacy)` : privacy.mechanism,
        statedEpsilon(privacy.epsilon),
        privacy.delta,
        drawn,
      ]),
    ),
    '',
    formalPrivacy.text,
    'What is known of the set, for people: datasheet.md. For programs: datasheet.json. Hashes: SHA256SUMS.',
  ].join('\n');
}
