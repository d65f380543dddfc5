// What accountants compute with: a DpEvent flattened into phases of identical Poisson-sampled Gaussian steps.
//
// Equal steps end up in one phase, and phases in one order, so that no number depends on how a training was cut up.

import { PrivacyError, SpecError } from '../errors.ts';
import type { DpEvent } from './dp-event.ts';

/** One step of a phase. */
export type SampledGaussian = Pick<SampledPhase, 'samplingRate' | 'noiseMultiplier'>;

/** `count` steps of one Poisson-sampled Gaussian mechanism. */
export interface SampledPhase {
  /** In (0, 1]. */
  readonly samplingRate: number;
  /** Above 0. */
  readonly noiseMultiplier: number;
  /** A whole number, at least 1. */
  readonly count: number;
}

/**
 * The phases of `event`, sorted; none where nothing was released; 'nonPrivate' where it gives no guarantee. Exact rules
 * only: Gaussians on one sample are one Gaussian with multiplier (sum of z_i^-2)^(-1/2), and a single mechanism sampled
 * twice is sampled once at the product of both rates. Throws SpecError for parameters out of range and PrivacyError for
 * what has no exact rule.
 */
export function sampledPhases(event: DpEvent): readonly SampledPhase[] | 'nonPrivate' {
  const found = walk(event, 1);
  if (found === 'nonPrivate') return found;
  const sorted = found.toSorted(
    (a, b) => a.samplingRate - b.samplingRate || a.noiseMultiplier - b.noiseMultiplier || a.count - b.count,
  );
  const phases: SampledPhase[] = [];
  for (const phase of sorted) {
    const last = phases.at(-1);
    if (last?.samplingRate === phase.samplingRate && last.noiseMultiplier === phase.noiseMultiplier) {
      phases[phases.length - 1] = { ...last, count: checkedCount(last.count + phase.count) };
    } else phases.push(phase);
  }
  return phases;
}

/**
 * Mean shift over noise of all phases without sampling, as one Gaussian mechanism: sqrt(sum of count / z^2). 0 for none.
 * (Gaussian mechanisms compose exactly: Dong, Roth and Su 2022, corollary 3.3.)
 */
export function gaussianShift(phases: readonly SampledPhase[]): number {
  const unsampled = phases.filter((phase) => phase.samplingRate === 1);
  return Math.sqrt(unsampled.reduce((sum, { noiseMultiplier, count }) => sum + count / noiseMultiplier ** 2, 0));
}

// --- internal ---

type Found = readonly SampledPhase[] | 'nonPrivate';

const MOST_STEPS = Number.MAX_SAFE_INTEGER;
const LEAST_NOISE = 1e-100;
const MOST_NOISE = 1e100;

function walk(event: DpEvent, times: number): Found {
  switch (event.type) {
    case 'gaussian': {
      // Capped where its square would leave the numbers: less noise than there is, so still an upper bound.
      const noiseMultiplier = Math.min(MOST_NOISE, checkedNoise(event.noiseMultiplier));
      return noiseMultiplier < LEAST_NOISE ? 'nonPrivate' : [{ samplingRate: 1, noiseMultiplier, count: times }];
    }
    case 'poissonSampled':
      return sampled(checkedRate(event.samplingRate), walk(event.event, 1), times);
    case 'selfComposed': {
      const count = checkedCount(event.count);
      const found = walk(event.event, Math.max(1, checkedCount(count * times)));
      return count === 0 ? [] : found;
    }
    case 'composed': {
      const parts = event.events.map((part) => walk(part, times)); // all of them: each is checked
      return parts.includes('nonPrivate') ? 'nonPrivate' : (parts as readonly (readonly SampledPhase[])[]).flat();
    }
    case 'nonPrivate':
      return 'nonPrivate';
    case 'noOp':
      return [];
    default: {
      const type = String((event as { readonly type?: unknown }).type);
      throw new PrivacyError(`No accountant knows events of type "${type}"; it will not guess an epsilon.`, { type });
    }
  }
}

/** `found`, `times` times, each on a fresh Poisson sample. */
function sampled(rate: number, found: Found, times: number): Found {
  if (rate === 0) return [];
  if (found === 'nonPrivate' || found.length === 0) return found;
  if (rate === 1) return found.map((phase) => ({ ...phase, count: checkedCount(phase.count * times) }));
  const shift = gaussianShift(found);
  const [only] = found;
  if (found.every((phase) => phase.samplingRate === 1)) {
    const noiseMultiplier = found.length === 1 && only?.count === 1 ? only.noiseMultiplier : 1 / shift;
    return [{ samplingRate: rate, noiseMultiplier, count: times }];
  }
  if (found.length === 1 && only !== undefined && only.count === 1) {
    return [{ ...only, samplingRate: rate * only.samplingRate, count: times }];
  }
  throw new PrivacyError(
    'No exact rule is known for a Poisson sample of several steps that sample again. Sample each step on its own.',
    { samplingRate: rate },
  );
}

function checkedRate(samplingRate: number): number {
  if (samplingRate >= 0 && samplingRate <= 1) return samplingRate;
  throw new SpecError(`A sampling rate must lie in [0, 1], not ${samplingRate}.`, { samplingRate });
}

function checkedNoise(noiseMultiplier: number): number {
  if (noiseMultiplier >= 0 && noiseMultiplier < Infinity) return noiseMultiplier;
  throw new SpecError(`A noise multiplier must be a finite number of at least 0, not ${noiseMultiplier}.`, {
    noiseMultiplier,
  });
}

function checkedCount(count: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= MOST_STEPS) return count;
  throw new SpecError(`A number of steps must be a whole number from 0 to ${MOST_STEPS}, not ${count}.`, { count });
}
