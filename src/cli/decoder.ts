// `align-fl decoder`: look into a decoder's file, look at its images, time it.

import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { type Engine, openEngine } from '../engine/engine.ts';
import { childKey, type Key, seedKey } from '../engine/keys.ts';
import { SpecError, StateError } from '../errors.ts';
import { imageGridPng } from '../evaluation/image-grid.ts';
import { type DecoderDescription, describeDecoder } from '../exchange/describe-decoder.ts';
import { type DecoderContract, inspectDecoder } from '../exchange/inspect.ts';
import { type OpenDecoder, openDecoder } from '../exchange/open-decoder.ts';
import { drawnClasses } from '../exchange/probe.ts';
import { pixelCount } from '../models/image-shape.ts';
import { textTable } from '../report/text-table.ts';
import type { Console } from './console.ts';
import { classList, readDecoder, SHAPE_HELP, shapeArgument } from './decoder-arguments.ts';
import { numberArgument, WHOLE } from './number-argument.ts';

/** Adds `decoder inspect`, `decoder sample` and `decoder bench` to `program`. */
export function addDecoderCommand(program: Command, console: Console): void {
  const group = program
    .command('decoder')
    .description("a decoder's file: what it takes and gives, what its images look like, how fast it is")
    .addHelpText('after', HELP);

  group
    .command('inspect')
    .argument('<file.onnx>', 'a decoder')
    .description('print its contract, operators, size, hash and Lipschitz certificate; nothing of it is executed')
    .option('--shape <cxhxw>', SHAPE_HELP)
    .option('--json', 'print as JSON')
    .action((file: string, flags: DecoderFlags) => inspectCommand(file, flags, console));

  group
    .command('sample')
    .argument('<file.onnx>', 'a decoder')
    .description('draw images from it into a PNG, a row for each class')
    .option('--shape <cxhxw>', SHAPE_HELP)
    .option('--class <classes>', 'those to draw, such as 3 or 0-4 (default: all that it has)')
    .option('--count <n>', 'images of each class, or in all where it takes no class', '10')
    .option('--seed <n>', 'another one gives other images', '0')
    .option('--out <file>', 'the picture (default: <name>.png here)')
    .action((file: string, flags: SampleFlags) => sampleCommand(file, flags, console));

  group
    .command('bench')
    .argument('<file.onnx>', 'a decoder')
    .description('measure images per second and memory, at several batch sizes')
    .option('--shape <cxhxw>', SHAPE_HELP)
    .option('--batch <sizes>', 'batch sizes, measured in this order', '1,10,100,250')
    .option('--seconds <s>', 'time for each', '1')
    .option('--json', 'print as JSON')
    .action((file: string, flags: BenchFlags) => benchCommand(file, flags, console));
}

// --- internal ---

interface DecoderFlags {
  readonly shape?: string;
  readonly json?: boolean;
}

interface SampleFlags extends DecoderFlags {
  readonly class?: string;
  readonly count: string;
  readonly seed: string;
  readonly out?: string;
}

interface BenchFlags extends DecoderFlags {
  readonly batch: string;
  readonly seconds: string;
}

const HELP = `
What a decoder must be, and how to export one: docs/bring-your-own-generator.md

Examples:
  align-fl decoder inspect digits.onnx
  align-fl decoder sample digits.onnx --class 0-4 --count 8 --out digits.png
  align-fl decoder bench digits.onnx --batch 1,100`;

async function inspectCommand(path: string, flags: DecoderFlags, console: Console): Promise<void> {
  const onnx = await readDecoder(path);
  const found = describeDecoder(onnx, shapeArgument(flags.shape, onnx));
  console.print(flags.json ? JSON.stringify(found, null, 2) : asText(basename(path), found));
}

function asText(name: string, { contract, opset, operators, parameters, certificate, whyNone }: DecoderDescription) {
  const { latent, classes, shape, batch, sizeBytes, sha256 } = contract;
  const n = batch ?? 'n';
  const rows = [
    ['input z', `[${n}, ${latent}], from N(0, I)`],
    [
      'input class',
      classes === null ? 'none: it gives images of one class, or without labels' : `[${n}, ${classes}], one-hot`,
    ],
    ['output x', `[${n}, ${shape.channels}, ${shape.height}, ${shape.width}], pixels in [0, 1]`],
    ['images at once', batch === null ? 'any number' : `always ${batch}`],
    ['parameters', parameters],
    ['size', `${sizeBytes} bytes`],
    ['SHA-256', sha256],
    ['operator set', opset],
    ['operators', operators.map(({ operator, count }) => `${operator} ${count}`).join(', ')],
    [
      'Lipschitz bound',
      certificate === null
        ? `none: ${whyNone}`
        : `${certificate.bound.toPrecision(4)} (${certificate.perLayer.length} layers), ${classes === null ? 'everywhere' : 'within a class'}`,
    ],
  ];
  const table = textTable(
    [
      { header: name, align: 'left' },
      { header: 'accepted', align: 'left' },
    ],
    rows,
  );
  return `${table}\n\nNothing was executed. Whether it makes images, and which: align-fl decoder sample.`;
}

async function sampleCommand(path: string, flags: SampleFlags, console: Console): Promise<void> {
  const count = numberArgument('--count', flags.count, COUNT);
  const seed = numberArgument('--seed', flags.seed, SEED);
  await withDecoder(path, flags, async ({ contract, drawn, open }) => {
    const { classes, shape } = contract;
    if (classes === null && flags.class !== undefined) {
      throw new SpecError('--class: the decoder takes no class. Leave the option out.', { path: '--class' });
    }
    const asked = classes === null || flags.class === undefined ? null : classList('--class', flags.class, classes);
    const labels = asked ?? drawn ?? [null];
    if (shape.channels !== 1 && shape.channels !== 3) {
      throw new SpecError(`Its images have ${shape.channels} channels; a picture has 1 or 3.`, { path: '--shape' });
    }
    const size = pixelCount(shape) * count;
    const images = new Float32Array(labels.length * size);
    const decoder = await open();
    try {
      for (const [row, label] of labels.entries()) {
        const key = childKey(seedKey(seed), 'sample', `class-${label ?? 'none'}`);
        await decoder.draw(images.subarray(row * size, (row + 1) * size), { key, label });
      }
    } finally {
      await decoder.close();
    }
    const columns = classes === null ? Math.ceil(Math.sqrt(count)) : count;
    const out = flags.out ?? `${basename(path).replace(/\.onnx$/i, '')}.png`;
    await writeFile(out, imageGridPng({ images, shape, columns, scale: shape.width < 64 ? 2 : 1 })).catch(
      (cause: unknown) => {
        throw new StateError(`Could not write ${out}. Check its folder.`, { path: out }, { cause });
      },
    );
    const rows = classes === null ? '' : `, from the top classes ${labels.join(', ')}`;
    console.print(`${out}: ${labels.length * count} images${rows}${blankWords(contract, drawn, asked)}`);
  });
}

/** What a row of equal images means, where some were asked for; which classes have no row, where all were. */
function blankWords({ classes }: DecoderContract, drawn: readonly number[] | null, asked: readonly number[] | null) {
  if (classes === null || drawn === null) return '';
  const all = Array.from({ length: classes }, (_, label) => label);
  const blank = (asked ?? all).filter((label) => !drawn.includes(label));
  if (blank.length === 0) return '';
  const listed = `Class ${blank.join(', ')}`;
  return asked === null
    ? `\n${listed}: left out, as the decoder gives one image whatever the code. It was not made for them.`
    : `\n${listed}: one image, whatever the code. The decoder was not made for them; it draws ${drawn.join(', ')}.`;
}

async function benchCommand(path: string, flags: BenchFlags, console: Console): Promise<void> {
  const seconds = numberArgument('--seconds', flags.seconds, SECONDS);
  const asked = flags.batch.split(',').map((size) => numberArgument('--batch', size.trim(), BATCH));
  await withDecoder(path, flags, async ({ contract, drawn, engine, open }) => {
    const { batch, shape } = contract;
    const label = drawn?.[0] ?? null;
    const measured = [];
    for (const rows of batch === null ? asked : [batch]) {
      const decoder = await open(rows);
      try {
        const draw = (key: Key) => decoder.draw(new Float32Array(rows * pixelCount(shape)), { key, label });
        const millisPerRun = await timed(draw, 1000 * seconds);
        const peakMemoryMiB = process.resourceUsage().maxRSS / 1024;
        measured.push({ batch: rows, imagesPerSecond: (1000 * rows) / millisPerRun, millisPerRun, peakMemoryMiB });
      } finally {
        await decoder.close();
      }
    }
    if (flags.json) return console.print(JSON.stringify({ executor: engine.executor, measured }, null, 2));
    const rows = measured.map((one) => [
      one.batch,
      Math.round(one.imagesPerSecond),
      one.millisPerRun.toFixed(2),
      Math.round(one.peakMemoryMiB),
    ]);
    console.print(textTable(['images at once', 'images a second', 'ms a run', 'peak memory, MiB'], rows));
    console.print(
      `On ${engine.executor}, one thread, codes and checks included. Memory is the most that this process had so far.`,
    );
  });
}

/** Milliseconds of one draw, over as many as fit into `least` milliseconds. The first, which lays out memory, is left out. */
async function timed(draw: (key: Key) => Promise<void>, least: number): Promise<number> {
  const key = seedKey('bench');
  await draw(key);
  const start = performance.now();
  let runs = 0;
  do {
    await draw(childKey(key, `run-${runs}`));
    runs += 1;
  } while (performance.now() - start < least);
  return (performance.now() - start) / runs;
}

interface Tried {
  readonly contract: DecoderContract;
  /** The classes of which it makes images; null where it takes no class. */
  readonly drawn: readonly number[] | null;
  readonly engine: Engine;
  /** To be closed by who opens it. `rows` at once, where the file leaves it open. */
  readonly open: (rows?: number) => Promise<OpenDecoder>;
}

/** Inspects a file, draws from it on trial, and lends it to `use`. */
async function withDecoder(path: string, flags: DecoderFlags, use: (tried: Tried) => Promise<void>): Promise<void> {
  const onnx = await readDecoder(path);
  const contract = inspectDecoder(onnx, { shape: shapeArgument(flags.shape, onnx), classes: 'any' });
  const engine = await openEngine();
  try {
    const drawn = await drawnClasses(engine, onnx, contract, seedKey('probe'));
    await use({
      contract,
      drawn,
      engine,
      open: (rows) => openDecoder(engine, onnx, contract, { label: basename(path), ...(rows && { rows }) }),
    });
  } finally {
    await engine.close();
  }
}

const COUNT = { ...WHOLE, expected: 'a number of images from 1 to 1000', example: '10', accepts: upTo(1000) };
const BATCH = { ...WHOLE, expected: 'batch sizes from 1 to 4096', example: '1,100', accepts: upTo(4096) };
const SEED = {
  expected: 'a whole number from 0 up',
  example: '1',
  accepts: (n: number) => Number.isSafeInteger(n) && n >= 0,
};
const SECONDS = { expected: 'seconds above 0, at most 60', example: '1', accepts: (n: number) => n > 0 && n <= 60 };

function upTo(most: number): (value: number) => boolean {
  return (value) => Number.isInteger(value) && value >= 1 && value <= most;
}
