// Privacy audits in which scores may depend on each other: all that is random is which canaries were put in, by fair coins.

import { ShapeError } from '../errors.ts';
import type { AuditScores } from './audit-scores.ts';
import { logChoose } from './clopper-pearson.ts';
import { normalCdf, normalQuantile } from './normal-distribution.ts';

/** The guessing game: each canary was put in by a fair coin of its own; some of the coins are guessed. */
export interface Guesses {
  /** All canaries, guessed or not. */
  readonly canaries: number;
  readonly guesses: number;
  readonly correct: number;
}

/**
 * Guesses "present" for the `highest` scores and "absent" for the `lowest`. Both numbers must be chosen before looking at
 * the scores. Ties count as wrong.
 */
export function guessExtremes(
  scores: AuditScores,
  { highest, lowest }: { readonly highest: number; readonly lowest: number },
): Guesses {
  const canaries = scores.present.length + scores.absent.length;
  if (highest + lowest > canaries) {
    throw new ShapeError(`Cannot make ${highest + lowest} guesses about ${canaries} canaries.`);
  }
  const all = [
    ...Array.from(scores.present, (score) => ({ score, isPresent: true })),
    ...Array.from(scores.absent, (score) => ({ score, isPresent: false })),
  ];
  const absentFirst = all.toSorted((a, b) => b.score - a.score || Number(a.isPresent) - Number(b.isPresent));
  const presentFirst = all.toSorted((a, b) => a.score - b.score || Number(b.isPresent) - Number(a.isPresent));
  const hits = absentFirst.slice(0, highest).filter(({ isPresent }) => isPresent).length;
  const misses = presentFirst.slice(0, lowest).filter(({ isPresent }) => !isPresent).length;
  return { canaries, guesses: highest + lowest, correct: hits + misses };
}

/**
 * Lower bound on epsilon at `delta` for any mechanism whatever (Steinke, Nasr and Jagielski 2023, their main theorem): the largest
 * epsilon whose `oneRunPValue` does not exceed 1 - confidence. 0 where nothing is shown.
 */
export function oneRunEpsilon(game: Guesses, options: { readonly delta: number; readonly confidence: number }): number {
  const { delta, confidence } = options;
  return largest((epsilon) => oneRunPValue(game, { epsilon, delta }) <= 1 - confidence);
}

/**
 * How likely at most an (epsilon, delta)-private mechanism gives that many correct guesses: with r guesses, v correct, m
 * canaries and B ~ Bin(r, 1 / (1 + e^-epsilon)), P[B >= v] + 2 m delta max_i P[v > B >= v - i] / i, at most 1.
 */
export function oneRunPValue(game: Guesses, claim: { readonly epsilon: number; readonly delta: number }): number {
  const { canaries, guesses: r, correct: v } = checked(game);
  const { epsilon, delta } = claim;
  const logRight = -Math.log1p(Math.exp(-epsilon));
  const logWrong = logRight - epsilon;
  const mass = (k: number) => Math.exp(logChoose(r, k) + k * logRight + (r - k) * logWrong);
  let tail = 0;
  for (let k = v; k <= r; k++) {
    const term = mass(k);
    tail += term;
    if (term < 1e-17 * tail) break;
  }
  let steepest = 0;
  let sum = 0;
  for (let i = 1; delta > 0 && i <= v && tail + sum < 1 - 1e-12; i++) {
    sum += mass(v - i);
    steepest = Math.max(steepest, sum / i);
  }
  return Math.min(1, tail + 2 * canaries * delta * steepest);
}

/**
 * Lower bound on mu, with the given confidence, for mechanisms that are mu-Gaussian private (Mahloujifar, Melis and
 * Chaudhuri 2024, the recursion of their algorithm for a hypothesised trade-off curve). As with `auditGaussian`, a bound
 * only where the mechanism is Gaussian.
 */
export function oneRunGaussianMu(game: Guesses, confidence: number): number {
  return largest((mu) => isImplausible(game, mu, 1 - confidence));
}

// --- internal ---

/** The largest x >= 0 with `holds(x)`, which must hold up to some point and no more; 0 where it never does. */
function largest(holds: (x: number) => boolean): number {
  if (!holds(0)) return 0;
  let low = 0;
  let high = 1;
  for (; holds(high) && high < MOST; high *= 2) low = high;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

const MOST = 1024;

/**
 * Whether no mu-Gaussian mechanism makes v correct guesses as often as with probability `significance`. With K the number
 * of correct guesses, r_i = E[K; K >= i] / m and h_i = E[r - K; K >= i] / m: flipping the coin behind a correct guess leaves
 * at least i - 1 correct ones and a wrong one, so r_i <= B(h_(i-1)) for the blow-up B(x) = Phi(z(x) + mu). Hence a lower
 * bound on h_(i-1), on P[K = i - 1] and on r_(i-1), down to i = 0, where r_0 + h_0 = r / m or the assumption was wrong.
 * That it is enough to put all of P[K >= v] on v is shown in the paper.
 */
function isImplausible(game: Guesses, mu: number, significance: number): boolean {
  const { canaries: m, guesses, correct } = checked(game);
  let right = (significance * correct) / m;
  let wrong = (significance * (guesses - correct)) / m;
  for (let i = correct - 1; i >= 0; i--) {
    const least = normalCdf(normalQuantile(right) - mu);
    if (least <= wrong) break; // then nothing changes any more
    right = Math.min(1, right + (i / (guesses - i)) * (least - wrong));
    wrong = least;
  }
  return right + wrong > guesses / m;
}

function checked(game: Guesses): Guesses {
  const { canaries, guesses, correct } = game;
  if (
    [canaries, guesses, correct].every(Number.isInteger) &&
    correct >= 0 &&
    correct <= guesses &&
    guesses <= canaries
  ) {
    return game;
  }
  throw new ShapeError(`Impossible: ${correct} correct of ${guesses} guesses about ${canaries} canaries.`);
}
