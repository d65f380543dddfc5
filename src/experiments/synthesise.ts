// A synthetic set as the product of a run: drawn from the newest decoder of every silo, written with its datasheet.

import { basename, join, relative, resolve } from 'node:path';
import { isListedElsewhere, requireFormatFits, type SyntheticFormat, syntheticFiles } from '../data/synthetic-files.ts';
import { openEngine } from '../engine/engine.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { AbortedError, SpecError, StateError } from '../errors.ts';
import { declaredShape } from '../exchange/declared-shape.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { readFileBounded } from '../storage/atomic-file.ts';
import { contentHash } from '../storage/content-hash.ts';
import { namesInFolder, type PutFile, writeWholeFolder } from '../storage/whole-folder.ts';
import {
  DATASHEET_FILE,
  DATASHEET_TEXT,
  type Datasheet,
  HASH_LIST,
  parseDatasheet,
  readDatasheet,
} from './datasheet.ts';
import { datasheetOf } from './datasheet-of.ts';
import { datasheetText } from './datasheet-text.ts';
import { forgottenIn } from './forget.ts';
import { readJournal } from './journal.ts';
import { closeRunFolder, commandToFinish, type RunFolder, resumeRunFolder } from './run-folder.ts';
import type { RunLayout } from './run-layout.ts';
import { decoderIn, newestReleases } from './stored-decoders.ts';
import { readSummary } from './summary.ts';
import { type DrawnSet, drawSyntheticSet, plannedImages, type SyntheticAmount } from './synthetic-draw.ts';

export interface SynthesiseOptions {
  /** Folder of a complete run of ALIGN-FL. */
  readonly path: string;
  readonly amount: SyntheticAmount;
  readonly format: SyntheticFormat;
  /** Default: `synthetic/<name of the run folder>-<format>`. */
  readonly out?: string | undefined;
  /** Root of the draw. Default: the seed of the run. */
  readonly seed?: number | undefined;
  /** Whether an earlier synthetic set may be replaced; anything else never is. Default no. */
  readonly force?: boolean | undefined;
  /** Dates the datasheet. */
  readonly now: Date;
  readonly onDrawn?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Synthesised {
  /** Absolute path. */
  readonly folder: string;
  readonly datasheet: Datasheet;
}

/**
 * Draws the set and writes it in whole or not at all: its files, `datasheet.json`, `datasheet.md` and `SHA256SUMS`. No silo is
 * asked and no data set is needed. The same run, amount and seed give the same files, the date in the datasheet aside. Throws
 * SpecError where amount, format or place do not fit, or the run has no decoders; StateError where it is not complete or a
 * decoder is missing or changed; ReleaseError where one breaks its word; AbortedError.
 */
export async function synthesise(options: SynthesiseOptions): Promise<Synthesised> {
  const { path, amount, format, force = false, onDrawn, signal } = options;
  const run = await resumeRunFolder(path);
  try {
    await requireDecoders(run);
    const folder = resolve(options.out ?? join('synthetic', `${basename(run.root)}-${format}`));
    const summary = await readSummary(run.layout.summary);
    const { spec, layout } = run;
    const shape = await shapeOf(layout);
    const releases = await newestReleases({ spec, layout, shape, round: spec.rounds + 1, arrived: [] });
    requireFormatFits(format, shape, plannedImages({ releases, shape, amount }));
    await requireFree(folder, { force, run: run.root }); // what is asked for comes before where it goes
    const seed = options.seed ?? spec.seed;
    const key = childKey(seedKey(seed), 'synthetic');
    const { executor, device, serverThreads: threads } = spec.engine;
    const engine = await openEngine({ executor, device, threads });
    try {
      const set = await drawSyntheticSet({ engine, releases, shape, amount, key, onDrawn, signal });
      const datasheet = await writeWholeFolder(folder, async (put) => {
        const { own, sums } = await putImages(set, { format, put, signal });
        const asked = { amount, format, seed, now: options.now };
        const described = { ...asked, folder: run.root, rounds: spec.rounds, summary, set, releases, files: own };
        const sheet = parseDatasheet(datasheetOf(described), join(folder, DATASHEET_FILE));
        await putDatasheet(sheet, sums, put);
        return sheet;
      });
      return { folder, datasheet };
    } finally {
      await engine.close();
    }
  } finally {
    await closeRunFolder(run);
  }
}

// --- internal ---

async function requireDecoders(run: RunFolder): Promise<void> {
  const { root, spec, state, layout } = run;
  if (!spec.strategies.includes('align')) {
    throw new SpecError(
      `The run in ${root} played ${spec.strategies.join(', ')}: only align makes decoders, which images are drawn from. Run the ` +
        'spec with align among its strategies.',
      { path: root, strategies: spec.strategies },
    );
  }
  if (state !== 'complete') {
    throw new StateError(`The run in ${root} is not complete. Finish it first: ${commandToFinish(run)}`, {
      path: root,
    });
  }
  const forgotten = await forgottenIn(layout);
  if (forgotten.length === 0) return;
  throw new StateError(
    `${forgotten.join(' and ')} ${forgotten.length === 1 ? 'was' : 'were'} forgotten from the run in ${root}, whose decoders are gone. Draw ` +
      `from the run without: ${root}-without-${forgotten.at(-1)}`,
    { path: root, silos: forgotten },
  );
}

/** Before an hour is spent: what is there must be nothing, or a set of ours that may go. */
async function requireFree(
  folder: string,
  { force, run }: { readonly force: boolean; readonly run: string },
): Promise<void> {
  const below = relative(run, folder);
  if (!below.startsWith('..') && resolve(below) !== below) {
    throw new SpecError(
      `--out ${folder} lies in the run folder, from which align-fl forget removes what came from a silo, and would not know ` +
        'this set. Choose a place outside of it.',
      { path: '--out' },
    );
  }
  const names = await namesInFolder(folder);
  if (names.length === 0) return;
  const isOurs = names.includes(DATASHEET_FILE) && names.includes(HASH_LIST);
  if (isOurs) await readDatasheet(join(folder, DATASHEET_FILE));
  if (isOurs && force) return;
  throw new SpecError(
    isOurs
      ? `${folder} has a synthetic set already. Choose another --out, or replace it with --force.`
      : `${folder} is not empty, and what is in it is no synthetic set: it holds ${names.slice(0, 3).join(', ')}. Choose another --out.`,
    { path: '--out' },
  );
}

/** Of the images of a run, from the first decoder that says it. */
async function shapeOf(layout: RunLayout): Promise<ImageShape> {
  const records = (await readJournal(layout.journal)).strategies['align'] ?? [];
  for (const record of records.toReversed()) {
    for (const { silo } of record.uploads) {
      const upload = decoderIn(record, silo);
      if (!upload) continue;
      const shape = declaredShape(
        await readFileBounded(layout.decoder(record.round, silo), { maxBytes: upload.bytes }),
      );
      if (shape) return shape;
    }
  }
  throw new StateError(
    `No decoder of the run in ${layout.root} declares the size of its images. Let one of them name channels, height and width ` +
      'of its output x.',
    { path: layout.root },
  );
}

interface Put {
  readonly format: SyntheticFormat;
  readonly put: PutFile;
  readonly signal?: AbortSignal | undefined;
}

/** Writes the images. `own`: for the datasheet; `sums`: of all. */
async function putImages(set: DrawnSet, { format, put, signal }: Put) {
  const own: Datasheet['files'] = [];
  const sums: string[] = [];
  for (const { path, bytes } of syntheticFiles(set, format)) {
    if (signal?.aborted) throw new AbortedError('Stopped while writing synthetic images.');
    await put(path, bytes);
    const sha256 = contentHash(bytes);
    sums.push(sumLine(sha256, path));
    if (!isListedElsewhere(path)) own.push({ path, bytes: bytes.length, sha256 });
  }
  return { own, sums };
}

async function putDatasheet(datasheet: Datasheet, sums: readonly string[], put: PutFile): Promise<void> {
  const json = `${JSON.stringify(datasheet, null, 2)}\n`;
  const text = datasheetText(datasheet);
  await put(DATASHEET_FILE, json);
  await put(DATASHEET_TEXT, text);
  const own = [sumLine(contentHash(json), DATASHEET_FILE), sumLine(contentHash(text), DATASHEET_TEXT)];
  await put(HASH_LIST, [...sums, ...own].join(''));
}

/** As sha256sum writes it. */
function sumLine(sha256: string, path: string): string {
  return `${sha256}  ${path}\n`;
}
