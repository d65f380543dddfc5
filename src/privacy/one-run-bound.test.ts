import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { gaussianEpsilon } from './analytic-gaussian.ts';
import { type Guesses, guessExtremes, oneRunEpsilon, oneRunGaussianMu, oneRunPValue } from './one-run-bound.ts';

const dataDir = process.env['ALIGN_FL_DATA'];

interface Vector {
  readonly game: Guesses;
  readonly delta: number;
  readonly significance: number;
  readonly epsilon: number;
  readonly pValueAt1: number;
  readonly gaussian: number;
}

function checkVector({ game, delta, significance, epsilon, pValueAt1, gaussian }: Vector): void {
  const confidence = 1 - significance;
  expect(oneRunPValue(game, { epsilon: 1, delta }) / pValueAt1).toBeCloseTo(1, 9);
  expect(oneRunEpsilon(game, { delta, confidence })).toBeCloseTo(epsilon, 5); // theirs stops within 1e-6
  expect(gaussianEpsilon(oneRunGaussianMu(game, confidence), delta)).toBeCloseTo(gaussian, 5);
}

describe('the one-run bound', () => {
  // google-deepmind/jax_privacy@8967688 jax_privacy/auditing.py: _one_run_p_value, _epsilon_one_run, _epsilon_one_run_fdp
  it.each([
    [1000, 1000, 1000, 1e-5, 5.782283131572193, 6.588622306865132e-5, 12.334570155595596],
    [2000, 200, 160, 1e-6, 1.086328428696697, 0.015200062676900137, 1.786096488526548],
    [500, 500, 400, 1e-5, 1.198307497558653, 0.00040567478909936925, 2.326625775873056],
    [1000, 1000, 500, 1e-5, 0, 1, 0],
  ])(
    'agrees with jax_privacy for %i canaries, %i guesses, %i correct',
    (canaries, guesses, correct, delta, ...rest) => {
      const [epsilon, pValueAt1, gaussian] = rest as [number, number, number];
      checkVector({ game: { canaries, guesses, correct }, delta, significance: 0.05, epsilon, pValueAt1, gaussian });
    },
  );

  it.skipIf(dataDir === undefined)('agrees with all recorded vectors', () => {
    const path = join(dataDir as string, '..', 'reference', 'dp_vectors.json');
    const vectors = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, number & string>[]).filter(
      ({ kind }) => kind === 'audit_one_run',
    );
    expect(vectors.length).toBeGreaterThan(0);
    for (const v of vectors as Record<string, number>[]) {
      checkVector({
        game: { canaries: v['canaries']!, guesses: v['guesses']!, correct: v['correct']! },
        delta: v['delta']!,
        significance: v['significance']!,
        epsilon: v['eps_lower']!,
        pValueAt1: v['p_value_at_eps_1']!,
        gaussian: v['eps_lower_fdp_gaussian']!,
      });
    }
  });

  it('without a delta is randomised response: all of r right means p^r = significance', () => {
    const game = { canaries: 50, guesses: 40, correct: 40 };
    const p = 0.05 ** (1 / 40);
    expect(oneRunEpsilon(game, { delta: 0, confidence: 0.95 })).toBeCloseTo(Math.log(p / (1 - p)), 8);
  });

  it('for a single guess is that of one test between two Gaussians', () => {
    // one guess about one coin is right with probability Phi(mu / 2) at most, so 0.9 needs mu = 2 z(0.9) = 2.5631...
    // (being right once rules out, with confidence 0.1, all that are right with a probability below 0.9)
    expect(oneRunGaussianMu({ canaries: 1, guesses: 1, correct: 1 }, 0.1)).toBeCloseTo(2.5631031310892, 8);
  });

  it('shows nothing where half of the guesses are right, and less the more guesses are wrong', () => {
    const at = (correct: number) =>
      oneRunEpsilon({ canaries: 400, guesses: 300, correct }, { delta: 1e-6, confidence: 0.99 });
    expect(at(150)).toBe(0);
    expect(at(300)).toBeGreaterThan(at(290));
    expect(at(290)).toBeGreaterThan(at(230));
  });

  it('refuses impossible games', () => {
    expect(() => oneRunEpsilon({ canaries: 5, guesses: 6, correct: 1 }, { delta: 0, confidence: 0.9 })).toThrow(
      ShapeError,
    );
    expect(() => oneRunGaussianMu({ canaries: 5, guesses: 4, correct: 4.5 }, 0.9)).toThrow(ShapeError);
  });
});

describe('guesses', () => {
  const scores = { present: Float64Array.of(5, 1, 3), absent: Float64Array.of(0, 4, -1) };

  it('call the highest present and the lowest absent', () => {
    expect(guessExtremes(scores, { highest: 2, lowest: 2 })).toEqual({ canaries: 6, guesses: 4, correct: 3 });
    expect(guessExtremes(scores, { highest: 3, lowest: 3 })).toEqual({ canaries: 6, guesses: 6, correct: 4 });
  });

  it('gain nothing from ties', () => {
    const tied = { present: new Float64Array(3), absent: new Float64Array(3) };
    expect(guessExtremes(tied, { highest: 3, lowest: 3 }).correct).toBe(0);
  });

  it('cannot be more than there are canaries', () => {
    expect(() => guessExtremes(scores, { highest: 4, lowest: 3 })).toThrow(ShapeError);
  });
});
