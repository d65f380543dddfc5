// What an audit concludes: lower bounds on epsilon, and whether a whole claimed curve of (epsilon, delta) is refuted.

import { ShapeError } from '../errors.ts';
import { gaussianEpsilon } from './analytic-gaussian.ts';
import { type AuditScores, type ErrorRates, flawlessRates, measureErrors } from './audit-scores.ts';
import { normalQuantile } from './normal-distribution.ts';

export interface AuditOptions {
  /** The delta of the claim, in (0, 1). */
  readonly delta: number;
  /** Probability of a true statement, such as 0.999; the rest is the rate of false alarms. */
  readonly confidence: number;
}

export interface EpsilonAudit {
  readonly method: 'clopper-pearson' | 'gaussian';
  /** The mechanism is not (epsilon, delta)-private for any smaller epsilon. At least 0. */
  readonly epsilonLower: number;
  /** `epsilonLower` of an audit of as many canaries without a single mistake: no audit of this size can show more. */
  readonly ceiling: number;
  readonly rates: ErrorRates;
}

export interface ProfileAudit {
  /** Whether the claim is false, at some epsilon. */
  readonly isRefuted: boolean;
  /** Where the claim comes nearest to being refuted, or is refuted most clearly. */
  readonly epsilon: number;
  /** What was claimed there. */
  readonly claimedDelta: number;
  /** What was shown: the mechanism is not (epsilon, delta)-private for any smaller delta. */
  readonly deltaLower: number;
  readonly rates: ErrorRates;
}

/**
 * Lower bound on epsilon at `delta` for any mechanism whatever, given independent scores: ln((1 - delta - FNR) / FPR) and
 * the same with both rates exchanged (Kairouz, Oh and Viswanath 2015, theorem 2.1; Jagielski, Ullman and Oprea 2020).
 */
export function auditEpsilon(scores: AuditScores, options: AuditOptions): EpsilonAudit {
  const { delta, confidence } = checked(options);
  const rates = measureErrors(scores, { confidence, worth: (r) => signedEpsilon(r, delta) });
  const ceiling = signedEpsilon(flawlessRates(smallerArm(scores), confidence), delta);
  return {
    method: 'clopper-pearson',
    epsilonLower: Math.max(0, signedEpsilon(rates, delta)),
    ceiling: Math.max(0, ceiling),
    rates,
  };
}

/**
 * Lower bound on epsilon for Gaussian mechanisms: mu >= z(1 - FPR) - z(FNR), then epsilon from mu (Nasr et al. 2023,
 * section 4; Dong, Roth and Su 2022, corollary 2.13). Holds only where the mechanism's trade-off curve is that of a Gaussian:
 * a sampling rate of 1. For anything else it can exceed the true epsilon; use `auditEpsilon` or `auditProfile`.
 */
export function auditGaussian(scores: AuditScores, options: AuditOptions): EpsilonAudit & { readonly muLower: number } {
  const { delta, confidence } = checked(options);
  const rates = measureErrors(scores, { confidence, worth: muOf });
  const muLower = Math.max(0, muOf(rates));
  const ceiling = gaussianEpsilon(muOf(flawlessRates(smallerArm(scores), confidence)), delta);
  return { method: 'gaussian', muLower, epsilonLower: gaussianEpsilon(muLower, delta), ceiling, rates };
}

/**
 * Tests a claim at every epsilon at once: `claimedDelta(epsilon)` as the accountant of the audited mechanism has it, for
 * both directions of add and remove. If the claim is true, delta(epsilon) >= 1 - FNR - exp(epsilon) FPR for every test, so
 * one epsilon where this fails refutes it: with many fewer canaries than a bound at one tiny delta, and for any mechanism.
 * Nasr et al. 2023 audit trade-off curves in this way.
 */
export function auditProfile(
  scores: AuditScores,
  options: { readonly confidence: number; readonly claimedDelta: (epsilon: number) => number },
): ProfileAudit {
  const claims = PROFILE_EPSILONS.map((epsilon) => ({ epsilon, claimedDelta: options.claimedDelta(epsilon) }));
  const nearest = (rates: Errors) =>
    claims
      .map((claim) => ({ ...claim, deltaLower: deltaOf(rates, claim.epsilon) }))
      .reduce((a, b) => (b.deltaLower - b.claimedDelta > a.deltaLower - a.claimedDelta ? b : a));
  const excess = (rates: Errors) => {
    const { deltaLower, claimedDelta } = nearest(rates);
    return deltaLower - claimedDelta;
  };
  const rates = measureErrors(scores, { confidence: options.confidence, worth: excess });
  const { epsilon, claimedDelta, deltaLower } = nearest(rates);
  return {
    isRefuted: deltaLower > claimedDelta,
    epsilon,
    claimedDelta,
    deltaLower: Math.max(0, deltaLower),
    rates,
  };
}

// --- internal ---

type Errors = Pick<ErrorRates, 'falsePositive' | 'falseNegative'>;

const PROFILE_EPSILONS = Array.from({ length: 25 }, (_, i) => i / 4); // above 6 the tests say little at any affordable size

/** May be negative: nothing is shown, but less so than with a smaller one. */
function signedEpsilon({ falsePositive, falseNegative }: Errors, delta: number): number {
  const bound = (error: number, other: number) =>
    1 - delta - other > 0 ? Math.log((1 - delta - other) / error) : -Infinity;
  return Math.max(bound(falsePositive, falseNegative), bound(falseNegative, falsePositive));
}

function muOf({ falsePositive, falseNegative }: Errors): number {
  return -normalQuantile(falsePositive) - normalQuantile(falseNegative);
}

function deltaOf({ falsePositive, falseNegative }: Errors, epsilon: number): number {
  const odds = Math.exp(epsilon);
  return Math.max(1 - falseNegative - odds * falsePositive, 1 - falsePositive - odds * falseNegative);
}

function smallerArm({ present, absent }: AuditScores): number {
  return Math.min(present.length, absent.length);
}

function checked(options: AuditOptions): AuditOptions {
  if (options.delta > 0 && options.delta < 1) return options;
  throw new ShapeError(`The delta of a claim lies between 0 and 1, but got ${options.delta}.`);
}
