// FID, KID, precision, recall, density and coverage beside numpy and scipy.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FeatureRows } from './feature-rows.ts';
import { fitGaussian, frechetDistance } from './frechet.ts';
import { squaredDiscrepancy } from './kernel-distance.ts';
import { compareManifolds, manifoldOf, type ManifoldScores } from './manifold.ts';

interface Reference extends ManifoldScores {
  readonly k: number;
  readonly fid: number;
  readonly kid: number;
}

/** Numbers and the command that made them: test/reference/generation-metrics.py. */
const cases = JSON.parse(
  readFileSync(new URL('../../test/reference/generation-metrics.json', import.meta.url), 'utf8'),
) as readonly (Reference & {
  readonly name: string;
  readonly real: number;
  readonly synthetic: number;
  readonly size: number;
  readonly shift: number;
  readonly stretch: number;
})[];

/** Made by numpy, scipy and scikit-learn from random numbers; the file says how. */
interface ReferenceFile {
  readonly how: string;
  readonly distances: readonly (Reference & {
    readonly real: readonly (readonly number[])[];
    readonly synthetic: readonly (readonly number[])[];
  })[];
}

const file = referenceFile();

function referenceFile(): ReferenceFile | null {
  const data = process.env['ALIGN_FL_DATA'];
  if (data === undefined || data === '') return null;
  try {
    return JSON.parse(readFileSync(join(data, '..', 'reference', 'metrics.json'), 'utf8')) as ReferenceFile;
  } catch {
    return null;
  }
}

function points(count: number, size: number, phase: number): Float32Array {
  return Float32Array.from({ length: count * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size) + 1, (at % size) + 1];
    return Math.sin(1.7 * i * j + 0.9 * i * i + phase);
  });
}

function expectAgreement(real: FeatureRows, synthetic: FeatureRows, wanted: Reference, digits: number): void {
  const fid = frechetDistance(fitGaussian(real, 'real'), fitGaussian(synthetic, 'synthetic'));
  expect(fid / wanted.fid).toBeCloseTo(1, digits);
  expect(squaredDiscrepancy(real, synthetic)).toBeCloseTo(wanted.kid, digits);
  const { k } = wanted;
  const scores = compareManifolds(manifoldOf(real, k, 'real'), manifoldOf(synthetic, k, 'synthetic'));
  for (const name of ['precision', 'recall', 'density', 'coverage'] as const) {
    expect(scores[name], name).toBeCloseTo(wanted[name], 12);
  }
}

describe('distances between features agree with numpy and scipy', () => {
  it.each(cases)('where there are or is $name', (wanted) => {
    const { size, shift, stretch } = wanted;
    const real = { values: points(wanted.real, size, 0), size };
    const moved = points(wanted.synthetic, size, 2).map((value) => stretch * value + shift);
    expectAgreement(real, { values: moved, size }, wanted, 6);
  });

  const where = file ? '' : ' (skipped: no reference/metrics.json beside ALIGN_FL_DATA)';
  it.skipIf(!file)(`on every case of a file of reference numbers${where}`, () => {
    expect(file?.distances.length).toBeGreaterThan(0);
    for (const wanted of file?.distances ?? []) {
      const size = wanted.real[0]?.length ?? 0;
      const rows = (matrix: readonly (readonly number[])[]) => ({ values: Float32Array.from(matrix.flat()), size });
      expectAgreement(rows(wanted.real), rows(wanted.synthetic), wanted, 4); // its features are written in 4 digits
    }
  });
});
