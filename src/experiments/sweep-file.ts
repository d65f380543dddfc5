// `sweep.json`: what a sweep consists of, how far it is, and its table, in a versioned form for other programs.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';

/** Name and version of the format. A change that old readers would misread gets a new number. */
export const SWEEP_FORMAT = 'align-fl/sweep@1';

const score = z.number().nullable();
const values = z.record(z.string(), z.string()).describe('The varied values by path, as they were written.');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const scoresSchema = z.strictObject({
  strategy: z.string().min(1).describe('As in the spec.'),
  accuracy: z
    .number()
    .describe('After the last round, 0 to 1: of a probe on all test images, mean over the splits, or of a classifier.'),
  accuracyPaperSplit: score.describe("Likewise on the paper's split; null where there are too few test images."),
  localLabelAccuracy: score
    .default(null)
    .describe("Of a classifier: share right of the test images of a silo's own classes, mean over silos."),
  f1Weighted: z.number().describe('Weighted F1, likewise.'),
  reconstructionMse: score.describe('Mean squared error per pixel.'),
  fid: score.describe('FID after the last round; null where it was not asked for, as the following.'),
  kid: score.describe('KID.'),
  precision: score.describe('Precision of synthetic images.'),
  recall: score.describe('Their recall.'),
  density: score.describe('Their density.'),
  coverage: score.describe('Their coverage.'),
});

const cellSchema = z.strictObject({
  name: z.string().min(1).describe('Its run folder, within the folder of the sweep.'),
  values,
  seed: z.int().min(0).describe('Its seed.'),
  specHash: sha256.describe("Hash of its spec, as in the run's summary."),
  state: z
    .enum(['waiting', 'complete', 'failed', 'stopped'])
    .describe('`stopped`: begun and interrupted. The same command goes on with all that are not complete.'),
  error: z.string().nullable().describe('Why it failed.'),
  scores: z.array(scoresSchema).nullable().describe('One entry a strategy; null until it is complete.'),
});

const spreadSchema = z
  .strictObject({
    mean: z.number().describe('Mean over the seeds.'),
    sd: z
      .number()
      .min(0)
      .nullable()
      .describe('Sample standard deviation over the seeds (n - 1); null for a single one.'),
    count: z.int().min(1).describe('Seeds.'),
  })
  .nullable();

const rowSchema = z.strictObject({
  values,
  seeds: z.array(z.int().min(0)).describe('Seeds of the cells that are complete.'),
  strategies: z.array(
    z.strictObject({
      strategy: z.string().min(1).describe('As in the spec.'),
      accuracy: spreadSchema.describe('Of `accuracy` over the seeds.'),
      accuracyPaperSplit: spreadSchema.describe('Of `accuracyPaperSplit`.'),
      localLabelAccuracy: spreadSchema.default(null).describe('Of `localLabelAccuracy`.'),
      f1Weighted: spreadSchema.describe('Of `f1Weighted`.'),
      reconstructionMse: spreadSchema.describe('Of `reconstructionMse`.'),
      fid: spreadSchema.describe('Of `fid`.'),
      kid: spreadSchema.describe('Of `kid`.'),
      precision: spreadSchema.describe('Of `precision`.'),
      recall: spreadSchema.describe('Of `recall`.'),
      density: spreadSchema.describe('Of `density`.'),
      coverage: spreadSchema.describe('Of `coverage`.'),
    }),
  ),
});

/** The whole file. */
export const sweepSchema = z.strictObject({
  format: z.literal(SWEEP_FORMAT).describe('Name and version of this format.'),
  alignFlVersion: z.string().describe('Version of the program that wrote it.'),
  name: z.string().describe('Name of the experiment that is varied.'),
  target: z.string().describe('The preset or spec file.'),
  set: z.array(z.string()).describe('`path=value` for all cells alike.'),
  vary: z
    .array(z.strictObject({ path: z.string().min(1), values: z.array(z.string()).min(1) }))
    .describe('The axes of the grid.'),
  seeds: z.array(z.int().min(0)).min(1).describe('Each combination of values runs under each of them.'),
  baseHash: sha256.describe('Hash of the spec without what is varied.'),
  cells: z.array(cellSchema).min(1).describe('One entry a run.'),
  table: z.array(rowSchema).describe('One row a combination of values, over the seeds that are complete.'),
});

export type SweepReport = z.infer<typeof sweepSchema>;
export type CellReport = SweepReport['cells'][number];
export type CellScores = z.infer<typeof scoresSchema>;
export type SweepRow = SweepReport['table'][number];

/** Where the file lies in the folder of a sweep. */
export function sweepFile(root: string): string {
  return join(root, 'sweep.json');
}

/** Replaces the file in one step. */
export async function writeSweep(path: string, report: SweepReport): Promise<void> {
  await writeJsonAtomic(path, report);
}

/** The report at `path`, or null where there is none. Throws StateError: damaged, of another version. */
export async function readSweep(path: string): Promise<SweepReport | null> {
  if (!existsSync(path)) return null;
  const parsed = sweepSchema.safeParse(await readJson(path, { maxBytes: MAX_SWEEP_BYTES }));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StateError(
    `${path} is no sweep of the format ${SWEEP_FORMAT}: ${issue?.path.map(String).join('.')}: ${issue?.message}. ` +
      'The run folders beside it are untouched: delete this file, and the same command writes it anew.',
    { path },
  );
}

// --- internal ---

const MAX_SWEEP_BYTES = 2 ** 28;
