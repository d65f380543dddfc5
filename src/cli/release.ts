// `align-fl release`: a decoder that was trained anywhere, made ready to take part for a silo.

import type { Command } from 'commander';
import { openEngine } from '../engine/engine.ts';
import { SpecError } from '../errors.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import { declaredStatement, NO_PRIVACY } from '../exchange/privacy-statement.ts';
import type { OfferedClasses } from '../exchange/release.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { type ReleaseFile, writeRelease } from '../experiments/release-folder.ts';
import { SILO_NAME } from '../net/subjects.ts';
import type { Console } from './console.ts';
import { CLASS_COUNT, classList, readDecoder, SHAPE_HELP, shapeArgument } from './decoder-arguments.ts';
import { numberArgument } from './number-argument.ts';

/** Adds `release` to `program`. `now` dates what is written. */
export function addReleaseCommand(program: Command, console: Console, now: () => Date): void {
  program
    .command('release')
    .argument('<file.onnx>', 'a decoder: z [n, L], perhaps class [n, C] -> x [n, channels, height, width]')
    .description('check a decoder that was trained anywhere, and write the folder with which it takes part in runs')
    .requiredOption('--silo <name>', 'name of the silo that gives it away')
    .requiredOption('--out <dir>', 'folder to write')
    .requiredOption('--privacy <words...>', 'none, or declared "what was done": what is said of its training images')
    .option('--shape <cxhxw>', SHAPE_HELP)
    .option('--classes <n>', 'all classes of the federation (default: what the file says)')
    .option('--offers <classes>', 'those that it gives images of, such as 0,1 or 0-4; without, images have no labels')
    .option('--json', 'print release.json')
    .addHelpText('after', HELP)
    .action((file: string, flags: ReleaseFlags) => releaseCommand(file, flags, console, now));
}

// --- internal ---

interface ReleaseFlags {
  readonly silo: string;
  readonly out: string;
  readonly privacy: readonly string[];
  readonly shape?: string;
  readonly classes?: string;
  readonly offers?: string;
  readonly json?: boolean;
}

const HELP = `
Writes decoder.onnx and release.json. What a decoder must be, and how to export one: docs/bring-your-own-generator.md
What is declared of privacy is passed on in your words, as a declaration: align-fl does not verify it, and claims no guarantee.

Examples:
  align-fl release digits.onnx --silo hospital-a --offers 0,1 --privacy none --out releases/hospital-a
  align-fl release gan.onnx --silo hospital-b --shape 1x28x28 --classes 10 --offers 7 \\
    --privacy declared "DP-SGD with Opacus 1.4, epsilon 8 at delta 1e-5 per image" --out releases/hospital-b`;

async function releaseCommand(path: string, flags: ReleaseFlags, console: Console, now: () => Date): Promise<void> {
  const { silo, out } = flags;
  if (!SILO_NAME.test(silo)) {
    throw new SpecError(
      `--silo: expected small letters, digits and hyphens, at most 32, got '${silo.slice(0, 100)}'.`,
      {
        path: '--silo',
      },
    );
  }
  const privacy = privacyOf(flags.privacy);
  const onnx = await readDecoder(path);
  const shape = shapeArgument(flags.shape, onnx);
  const classes = classesOf(flags, onnx, shape);
  const engine = await openEngine();
  try {
    const { file, description } = await writeRelease(out, { engine, onnx, silo, shape, classes, privacy, now });
    console.print(flags.json ? JSON.stringify(file, null, 2) : asText(file, { out, whyNone: description.whyNone }));
  } finally {
    await engine.close();
  }
}

function privacyOf([kind, ...words]: readonly string[]): ReleaseFile['privacy'] {
  if (kind === 'none' && words.length === 0) return NO_PRIVACY;
  if (kind === 'declared' && words.length === 1) return declaredStatement(words[0] as string);
  throw new SpecError(
    '--privacy: expected none, or declared and one text in quotation marks, got ' +
      `'${[kind, ...words].join(' ').slice(0, 100)}'. Write --privacy none, or --privacy declared "what was done".`,
    { path: '--privacy' },
  );
}

/** What the flags say of classes, and the file where they do not. */
function classesOf({ classes, offers }: ReleaseFlags, onnx: Uint8Array, shape: ImageShape): OfferedClasses | null {
  const given = classes === undefined ? null : numberArgument('--classes', classes, CLASS_COUNT);
  const known = inspectDecoder(onnx, { shape, classes: given ?? 'any' }).classes ?? given;
  if (offers === undefined) {
    if (known === null) return null;
    throw new SpecError(
      `--offers is missing: there are ${known} classes. Name those that its training images showed, such as --offers 0,1.`,
      { path: '--offers' },
    );
  }
  if (known === null) {
    throw new SpecError(
      '--classes is missing: the decoder takes no class, so its file does not say how many there are. Give all classes of the ' +
        'federation, such as --classes 10.',
      { path: '--classes' },
    );
  }
  return { count: known, offered: classList('--offers', offers, known) };
}

function asText(
  { silo, sha256, sizeBytes, latent, shape, classes, privacy, lipschitz }: ReleaseFile,
  { out, whyNone }: { readonly out: string; readonly whyNone: string | null },
): string {
  const labels =
    classes === null
      ? 'images without labels'
      : `labels ${classes.offered.join(', ')} (of ${classes.count} classes in all)`;
  return [
    `Release of ${silo}: ${labels}, ${shape.channels}x${shape.height}x${shape.width}, codes of ${latent} numbers`,
    `Decoder: ${sizeBytes} bytes, SHA-256 ${sha256}`,
    `Privacy: ${privacy.text}`,
    lipschitz === null
      ? `Lipschitz certificate: none. ${whyNone}`
      : `Lipschitz certificate: at most ${lipschitz.bound.toPrecision(4)}, which is no privacy guarantee`,
    `Written to ${out}`,
  ].join('\n');
}
