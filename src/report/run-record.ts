// A run folder as a report reads it: spec, summary, and what else of its files is for showing. Nothing in it is changed.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { AlignError, StateError } from '../errors.ts';
import { type Codes, codesFile, readCodes } from '../experiments/codes.ts';
import { type OutlierFile, outlierFilePath, readOutliers } from '../experiments/outlier-file.ts';
import { forgottenIn } from '../experiments/forget.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { runLayout } from '../experiments/run-layout.ts';
import type { Spec } from '../experiments/spec.ts';
import { readSummary, type Summary } from '../experiments/summary.ts';
import { sweepFile } from '../experiments/sweep-file.ts';
import { readFileBounded, readJson } from '../storage/atomic-file.ts';
import { type EpochLoss, readLosses } from './epoch-losses.ts';

/** A complete run. */
export interface RunRecord {
  /** As it was named. */
  readonly root: string;
  readonly spec: Spec;
  readonly summary: Summary;
  /** Null where the folder has none. */
  readonly manifest: Manifest | null;
  /** Mean loss terms of every epoch, of silos and server. */
  readonly losses: readonly EpochLoss[];
  /** By strategy, where the run wrote them. */
  readonly codes: readonly Codes[];
  /** Silos that were forgotten from it: its models and pictures are gone. */
  readonly forgotten: readonly string[];
  /** What became of foreign images; null where nobody looked. */
  readonly outliers: OutlierFile | null;
  /** Names of PNG files in `images/`, sorted. */
  readonly pictures: readonly string[];
}

/** What was dealt to whom, as far as a report shows it. */
export type Manifest = z.infer<typeof manifestSchema>;

/**
 * The folders of runs that `paths` mean: run folders, or folders that hold run folders or those of sweeps. Throws StateError
 * for others.
 */
export async function runFoldersIn(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (isRunFolder(path)) found.push(path);
    else found.push(...(await runFoldersBelow(path)));
  }
  return found.filter((path, i) => found.findIndex((other) => resolve(other) === resolve(path)) === i);
}

/** The run in the folder `root`, or null where it is not finished. Throws StateError where a file is damaged. */
export async function readRun(root: string): Promise<RunRecord | null> {
  const layout = runLayout(root);
  if (!existsSync(layout.summary)) return null;
  const spec = await readSpec(layout.spec);
  return {
    root,
    spec,
    summary: await readSummary(layout.summary),
    manifest: existsSync(layout.partition) ? await readManifest(layout.partition) : null,
    losses: existsSync(layout.events) ? await readLosses(layout.events) : [],
    codes: (await Promise.all(spec.strategies.map((name) => readCodes(codesFile(root, name))))).filter(
      (codes) => codes !== null,
    ),
    forgotten: await forgottenIn(layout),
    outliers: existsSync(outlierFilePath(root)) ? await readOutliers(outlierFilePath(root)) : null,
    pictures: await picturesOf(root),
  };
}

/** A PNG, ready to stand in a page. */
export interface Picture {
  /** Of its file. */
  readonly name: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  readonly base64: string;
}

/** A picture of a run, or null where it is no PNG or too large for a page. */
export async function readPicture(root: string, name: string): Promise<Picture | null> {
  const bytes = await readFileBounded(join(root, 'images', name), { maxBytes: MAX_PICTURE_BYTES }).catch(() => null);
  const isPng = bytes !== null && bytes.length > 24 && PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
  if (!isPng) return null;
  const header = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    name,
    width: header.getUint32(16),
    height: header.getUint32(20),
    base64: Buffer.from(bytes).toString('base64'),
  };
}

// --- internal ---

const MAX_SPEC_BYTES = 4_000_000;
const MAX_MANIFEST_BYTES = 2 ** 28;

/** Looser than what the program writes: a report shows what it understands. */
const manifestSchema = z.object({
  disjoint: z.boolean().nullable(),
  sharedClasses: z.array(z.int()),
  silos: z.array(
    z.object({
      name: z.string(),
      examples: z.int(),
      classes: z.array(z.object({ label: z.int(), count: z.int() })),
      foreign: z.int(),
      sha256: z.string(),
    }),
  ),
});

function isRunFolder(path: string): boolean {
  return existsSync(runLayout(path).spec);
}

async function runFoldersBelow(path: string): Promise<string[]> {
  const runs = await runsBelow(path);
  if (runs.length > 0) return runs;
  throw new StateError(`${path} is no run folder and holds none: there is no spec.json. Name folders of runs.`, {
    path,
  });
}

async function runsBelow(path: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (cause) {
    throw new StateError(
      `Could not look into ${path}: name folders of runs, such as runs/quickstart-seed0.`,
      { path },
      { cause },
    );
  }
  const inside = names.sort(inNumberOrder).map((name) => join(path, name));
  const runs: string[] = [];
  for (const one of inside) {
    if (isRunFolder(one)) runs.push(one);
    else if (existsSync(sweepFile(one))) runs.push(...(await runsBelow(one)));
  }
  return runs;
}

/** `seed2` before `seed10`. */
function inNumberOrder(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

async function readSpec(path: string): Promise<Spec> {
  try {
    return parseSpec(await readJson(path, { maxBytes: MAX_SPEC_BYTES }), { source: path });
  } catch (cause) {
    if (!(cause instanceof AlignError)) throw cause;
    throw new StateError(
      `${path} cannot be read: it is damaged or from another version of align-fl. ${cause.message}`,
      { path },
      { cause },
    );
  }
}

async function readManifest(path: string): Promise<Manifest> {
  const parsed = manifestSchema.safeParse(await readJson(path, { maxBytes: MAX_MANIFEST_BYTES }));
  if (parsed.success) return parsed.data;
  throw new StateError(`${path} is no partition manifest. Restore it from a copy of the run, or delete it.`, { path });
}

async function picturesOf(root: string): Promise<readonly string[]> {
  const folder = join(root, 'images');
  if (!existsSync(folder)) return [];
  return (await readdir(folder)).filter((name) => /\.png$/i.test(name)).sort(inNumberOrder);
}

const MAX_PICTURE_BYTES = 4_000_000;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
