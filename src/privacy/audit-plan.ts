// Which training an audit runs: the audited clip norm, noise and sampling rate, over so few steps that a broken step shows.
//
// A bound from N canaries cannot exceed about ln(N / 8), whatever is broken. So the claim to be beaten must lie well below.

/** Poisson-sampled steps, as in a spec. */
export interface AuditedTraining {
  /** In (0, 1]. */
  readonly samplingRate: number;
  /** Above 0. */
  readonly noiseMultiplier: number;
  readonly steps: number;
}

export interface AuditPlan {
  /** What every run of the audit trains with. The noise multiplier is the spec's own. */
  readonly training: AuditedTraining;
  /** What the accountant claims for `training`, at the spec's delta. Not what it claims for the spec. */
  readonly claimedEpsilon: number;
  /** Independent runs, each with fresh coins, samples and noise. */
  readonly runs: number;
  /** Coordinates of a run; each canary takes part with probability 1/2. */
  readonly canariesPerRun: number;
  /** L2 norm of a canary's gradient before clipping, in clip norms: more than 1, or clipping has nothing to do. */
  readonly gradientNorm: number;
  readonly confidence: number;
}

/** Claimed epsilon that plans aim at, from below: half of what 10,000 canaries on either side can show at 99.9 %. */
export const AIMED_EPSILON = 3;

/** Most steps of a run: keeps an audit within minutes. */
export const MOST_STEPS = 1000;

/**
 * Plans the audit of `training`. The sampling rate stays where that serves, and steps are dropped until the claim is at most
 * AIMED_EPSILON. Where even MOST_STEPS claim less than half of that, the rate is raised instead. `epsilonOf` is the
 * accountant, at the spec's delta, and must grow with rate and steps; it is asked some ten to twenty times.
 */
export function planAudit(training: AuditedTraining, epsilonOf: (training: AuditedTraining) => number): AuditPlan {
  const planned = shortened(training, epsilonOf);
  return { training: planned, claimedEpsilon: epsilonOf(planned), ...SIZE };
}

// --- internal ---

const SIZE = { runs: 10, canariesPerRun: 2000, gradientNorm: 10, confidence: 0.999 } as const;

/** Steps to take where the rate must be raised. */
const STEPS_AT_RAISED_RATE = 100;

function shortened(training: AuditedTraining, epsilonOf: (training: AuditedTraining) => number): AuditedTraining {
  const isModest = (candidate: AuditedTraining) => epsilonOf(candidate) <= AIMED_EPSILON;
  const most = { ...training, steps: Math.min(training.steps, MOST_STEPS) };
  if (!isModest(most)) return mostModestSteps(most, isModest);
  if (epsilonOf(most) >= AIMED_EPSILON / 2) return most;
  const always = { ...training, samplingRate: 1, steps: STEPS_AT_RAISED_RATE };
  if (isModest(always)) return mostModestSteps({ ...always, steps: MOST_STEPS }, isModest);
  return {
    ...always,
    samplingRate: highestRate(training.samplingRate, (rate) => isModest({ ...always, samplingRate: rate })),
  };
}

/** Most steps that are still modest; 1 if none are. */
function mostModestSteps(training: AuditedTraining, isModest: (t: AuditedTraining) => boolean): AuditedTraining {
  let enough = 1;
  let tooMany = training.steps + 1;
  while (tooMany - enough > 1) {
    const steps = (enough + tooMany) >> 1;
    if (isModest({ ...training, steps })) enough = steps;
    else tooMany = steps;
  }
  return { ...training, steps: enough };
}

function highestRate(from: number, isModest: (rate: number) => boolean): number {
  let low = from;
  let high = 1;
  for (let i = 0; i < 8; i++) {
    const rate = Math.sqrt(low * high);
    if (isModest(rate)) low = rate;
    else high = rate;
  }
  return low;
}
