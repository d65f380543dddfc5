// `codes/<strategy>.json`: where the global encoder puts test images in the plane, round by round, for scatter plots.
// Only codes of test images, which belong to no silo, are written; at most MAX_POINTS of them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { fitPca, projectOnto } from '../evaluation/pca.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';

/** Name and version of the format. */
export const CODES_FORMAT = 'align-fl/codes@1';

/** Points of one round, at most. */
export const MAX_POINTS = 1000;

const coordinates = z.array(z.number()).max(MAX_POINTS);

const roundCodesSchema = z.strictObject({
  round: z.int().min(1).describe('Counts from 1.'),
  axes: z
    .enum(['code', 'pca'])
    .describe('`code`: the code itself (y is 0 where it has one number); `pca`: its two leading principal components.'),
  explained: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .describe('Share of the variance of the code that the two axes show; null for `code`.'),
  x: coordinates.describe('Abscissa of each point, in the order of `labels`.'),
  y: coordinates.describe('Ordinate of each point.'),
});

/** The whole file. The same test images in the same order in every round. */
export const codesSchema = z
  .strictObject({
    format: z.literal(CODES_FORMAT).describe('Name and version of this format.'),
    strategy: z.string().min(1).describe('Whose global model, as in the spec.'),
    testImages: z.int().min(1).describe('Test images in all, of which the points are a selection at equal distances.'),
    labels: z.array(z.int().min(0)).max(MAX_POINTS).describe('Class of each point.'),
    rounds: z.array(roundCodesSchema).describe('One entry a round, in order.'),
  })
  .refine(
    ({ labels, rounds }) => rounds.every(({ x, y }) => x.length === labels.length && y.length === labels.length),
    { message: 'a round has another number of points than there are labels' },
  );

/** Codes of test images over the rounds of one strategy. */
export type Codes = z.infer<typeof codesSchema>;
export type RoundCodes = Codes['rounds'][number];

/** Codes of all test images after one round, as the evaluation has them. */
export interface TestCodes {
  /** [N, L] Means of the encoder. */
  readonly codes: Float32Array;
  /** L */
  readonly dim: number;
  /** [N] */
  readonly labels: ArrayLike<number>;
}

/** Where the codes of a strategy lie in the run folder `root`. */
export function codesFile(root: string, strategy: string): string {
  return join(root, 'codes', `${strategy}.json`);
}

/**
 * Writes the codes of one round beside those of the rounds before it, in one step. What the file has of this round or a
 * later one is replaced: the run was stopped between this file and its journal. Throws StateError where it is damaged.
 */
export async function saveRoundCodes(
  path: string,
  at: { readonly strategy: string; readonly round: number },
  test: TestCodes,
): Promise<void> {
  const { strategy, round } = at;
  const rows = pointRows(test.labels.length);
  const labels = rows.map((row) => test.labels[row] as number);
  const before = (await readCodes(path))?.rounds.filter((earlier) => earlier.round < round) ?? [];
  const rounds = [...before, { round, ...plane(test, rows) }];
  const codes: Codes = { format: CODES_FORMAT, strategy, testImages: test.labels.length, labels, rounds };
  await writeJsonAtomic(path, codesSchema.parse(codes));
}

/** The codes at `path`, or null where there are none. Throws StateError: damaged, of another version. */
export async function readCodes(path: string): Promise<Codes | null> {
  if (!existsSync(path)) return null;
  const parsed = codesSchema.safeParse(await readJson(path, { maxBytes: MAX_CODES_BYTES }));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StateError(
    `${path} holds no codes of the format ${CODES_FORMAT}: ${issue?.path.map(String).join('.')}: ${issue?.message}. ` +
      'It is for pictures only: delete it, and a run goes on without its earlier rounds.',
    { path },
  );
}

// --- internal ---

const MAX_CODES_BYTES = 2 ** 28;

/** Numbers are for pictures: four digits are finer than a pixel. */
const DIGITS = 4;

/** Rows at equal distances, at most MAX_POINTS of `count`. */
function pointRows(count: number): number[] {
  const points = Math.min(count, MAX_POINTS);
  return Array.from({ length: points }, (_, i) => Math.floor((i * count) / points));
}

/** The axes are fitted to all test images, not to the selection. */
function plane({ codes, dim, labels }: TestCodes, rows: readonly number[]): Omit<RoundCodes, 'round'> {
  const short = (value: number | undefined) => Number((value ?? 0).toPrecision(DIGITS));
  if (dim <= 2 || labels.length < 2) {
    const column = (c: number) => rows.map((row) => short(c < dim ? codes[row * dim + c] : 0));
    return { axes: 'code', explained: null, x: column(0), y: column(1) };
  }
  const pca = fitPca({ features: codes, dim, components: 2 });
  const projected = projectOnto(pca, codes); // [N, 2]
  const total = totalVariance(codes, { dim, mean: pca.mean });
  const shown = pca.variances.reduce((sum, variance) => sum + variance, 0);
  const column = (c: number) => rows.map((row) => short(projected[row * 2 + c]));
  return { axes: 'pca', explained: total > 0 ? Math.min(1, shown / total) : null, x: column(0), y: column(1) };
}

/** Sum over the dimensions of the variance (n - 1). */
function totalVariance(codes: Float32Array, { dim, mean }: { dim: number; mean: Float64Array }): number {
  const sum = codes.reduce((total, value, i) => total + (value - (mean[i % dim] as number)) ** 2, 0);
  return sum / (codes.length / dim - 1);
}
