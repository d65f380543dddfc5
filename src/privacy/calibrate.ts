// How much noise, or how many steps, fit a budget: searches that end on the safe side of it.

import { SpecError } from '../errors.ts';
import { type EpsilonBounds, epsilonOf } from './accountant.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';
import { estimateEpsilon } from './pld.ts';
import { sampledPhases } from './sampled-phases.ts';

/**
 * The least noise multiplier whose event stays within `epsilon` at `delta`, with epsilon within 2e-5 of the target (1e-11
 * where nothing is sampled) or itself within 1e-7 of the least, where epsilon jumps; and the bounds that `epsilonOf` gives
 * there: never above the target, whatever `eventOf` does.
 * Looks between 0.01 and 1e6; 0.01 where less would do too. Throws SpecError, with the least epsilon there is, where no
 * noise is enough.
 */
export function calibrateNoise(target: {
  readonly epsilon: number;
  readonly delta: number;
  readonly eventOf: (noiseMultiplier: number) => DpEvent;
}): { readonly noiseMultiplier: number; readonly bounds: EpsilonBounds } {
  const { epsilon, delta, eventOf } = target;
  checkTarget(epsilon);
  const measure = (logNoise: number): Trial => {
    const noiseMultiplier = noiseAt(logNoise);
    const bounds = epsilonOf(eventOf(noiseMultiplier), delta);
    return { at: logNoise, noiseMultiplier, bounds, excess: excessOf(bounds.epsilon, epsilon) };
  };
  const estimated = (logNoise: number): number => excessOf(estimateEpsilon(eventOf(noiseAt(logNoise)), delta), epsilon);
  const first = measure(estimatedRoot(estimated));
  const closeness = isSampled(eventOf(first.noiseMultiplier)) ? 2e-5 : 1e-11;
  const { enough, tooLittle } = bracketNoise(measure, first);
  if (enough === undefined) {
    const least = tooLittle?.bounds.epsilon ?? Infinity;
    throw new SpecError(
      `No noise reaches epsilon ${epsilon} at delta ${delta}: with a noise multiplier of ${MOST_NOISE} epsilon is still ` +
        `${least}. Ask for a larger epsilon or delta, or spend less elsewhere.`,
      { epsilon, delta, leastEpsilon: least },
    );
  }
  const { noiseMultiplier, bounds } = tooLittle === undefined ? enough : close(measure, enough, tooLittle, closeness);
  return { noiseMultiplier, bounds };
}

/**
 * The largest number of DP-SGD steps within the budget, 0 where one is too many, and the bounds there. 2^53 - 1 where any
 * number fits.
 */
export function mostSteps(target: {
  readonly epsilon: number;
  readonly delta: number;
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
}): { readonly steps: number; readonly bounds: EpsilonBounds } {
  const { epsilon, delta, samplingRate, noiseMultiplier } = target;
  checkTarget(epsilon);
  const eventOf = (steps: number): DpEvent => dpSgdEvent({ samplingRate, noiseMultiplier, steps });
  const measure = (steps: number): StepTrial => {
    const bounds = epsilonOf(eventOf(steps), delta);
    return { steps, bounds, excess: excessOf(bounds.epsilon, epsilon) };
  };
  let within = measure(0);
  let beyond = measure(1);
  if (beyond.excess > 0) return { steps: 0, bounds: within.bounds };
  let guess = estimatedSteps((steps) => excessOf(estimateEpsilon(eventOf(steps), delta), epsilon));
  while (beyond.excess <= 0) {
    within = beyond;
    if (within.steps === MOST_STEPS) return { steps: MOST_STEPS, bounds: within.bounds };
    guess = Math.min(MOST_STEPS, Math.max(guess, within.steps + 1));
    beyond = measure(guess);
    guess = Math.ceil(guess * 1.0005 * Math.exp(Math.min(1, Math.max(0, -beyond.excess)))); // epsilon grows no faster
  }
  let [low, high] = [within.excess, beyond.excess];
  while (beyond.steps - within.steps > 1) {
    const share = low / (low - high);
    const between = within.steps + Math.round((share > 0 ? share : 0.5) * (beyond.steps - within.steps));
    const trial = measure(Math.min(beyond.steps - 1, Math.max(within.steps + 1, between)));
    if (trial.excess <= 0) {
      [within, low] = [trial, trial.excess];
      high /= 2; // the Illinois rule: an end that stays counts half
    } else {
      [beyond, high] = [trial, trial.excess];
      low /= 2;
    }
  }
  return { steps: within.steps, bounds: within.bounds };
}

// --- internal ---

const LEAST_NOISE = 0.01;
const MOST_NOISE = 1e6;
const LOG_RANGE = [Math.log(LEAST_NOISE), Math.log(MOST_NOISE)] as const;
const MOST_STEPS = Number.MAX_SAFE_INTEGER;

interface Trial {
  /** ln of the noise multiplier. */
  readonly at: number;
  readonly noiseMultiplier: number;
  readonly bounds: EpsilonBounds;
  /** ln(epsilon / target), between -50 and 50. */
  readonly excess: number;
}

interface StepTrial {
  readonly steps: number;
  readonly bounds: EpsilonBounds;
  readonly excess: number;
}

/** Exactly the ends of the range at and beyond its ends. */
function noiseAt(logNoise: number): number {
  if (logNoise <= LOG_RANGE[0]) return LEAST_NOISE;
  return logNoise >= LOG_RANGE[1] ? MOST_NOISE : Math.exp(logNoise);
}

function checkTarget(epsilon: number): void {
  if (epsilon > 0 && epsilon < Infinity) return;
  throw new SpecError(`The epsilon to stay within must be a finite number above 0, not ${epsilon}.`, { epsilon });
}

/** ln(epsilon / target) between -50 and 50; 50 for NaN. Above 0 exactly where epsilon is above the target. */
function excessOf(epsilon: number, target: number): number {
  if (epsilon <= target) return Math.min(0, Math.max(-50, Math.log(epsilon / target)));
  return Math.min(50, Math.max(Number.MIN_VALUE, Math.log(epsilon / target) || 50));
}

function isSampled(event: DpEvent): boolean {
  const phases = sampledPhases(event);
  return phases !== 'nonPrivate' && phases.some((phase) => phase.samplingRate < 1);
}

/** Where the estimate falls through the target, to about 1e-4: bisection, as it costs next to nothing. */
function estimatedRoot(excess: (logNoise: number) => number): number {
  let [low, high] = LOG_RANGE;
  while (high - low > 1e-4) {
    const middle = (low + high) / 2;
    if (excess(middle) > 0) low = middle;
    else high = middle;
  }
  return high;
}

function estimatedSteps(excess: (steps: number) => number): number {
  let [low, high] = [0, Math.log(MOST_STEPS)];
  while (high - low > 1e-5) {
    const middle = (low + high) / 2;
    if (excess(Math.round(Math.exp(middle))) > 0) high = middle;
    else low = middle;
  }
  return Math.round(Math.exp(high));
}

/** Steps away from `first` until one trial is within the target and another is not, or an end of the range is reached. */
function bracketNoise(
  measure: (logNoise: number) => Trial,
  first: Trial,
): { readonly enough: Trial | undefined; readonly tooLittle: Trial | undefined } {
  const [least, most] = LOG_RANGE;
  let last = first;
  const stepFor = (excess: number): number => (Math.abs(excess) > 3 ? 0.2 : 1.2 * Math.abs(excess)); // far off: a jump
  let step = Math.max(1e-5, stepFor(first.excess)); // epsilon falls at least as fast as the noise grows, nearly
  for (;;) {
    const within = last.excess <= 0;
    const limit = within ? least : most;
    if (last.at === limit)
      return within ? { enough: last, tooLittle: undefined } : { enough: undefined, tooLittle: last };
    const next = measure(within ? Math.max(least, last.at - step) : Math.min(most, last.at + step));
    if (next.excess <= 0 !== within)
      return within ? { enough: last, tooLittle: next } : { enough: next, tooLittle: last };
    last = next;
    step = Math.max(3 * step, stepFor(next.excess));
  }
}

/** Of the closeness of epsilon: where epsilon jumps, or is that steep, noise that is as close will do. */
const CLOSE_NOISE = 5e-3;

/** Narrows the bracket by false position (Illinois), aiming a little inside, until `enough` is close. */
function close(measure: (logNoise: number) => Trial, enough: Trial, tooLittle: Trial, closeness: number): Trial {
  let [high, low] = [enough, tooLittle];
  let [atHigh, atLow] = [high.excess + closeness / 2, low.excess + closeness / 2];
  for (let i = 0; i < 100 && high.excess < -closeness && high.at - low.at > CLOSE_NOISE * closeness; i++) {
    const share = atLow / (atLow - atHigh);
    const fair = share > 0.001 && share < 0.999 && i % 8 !== 7 ? share : 0.5; // 0.5 now and then: it may be a jump
    const trial = measure(low.at + fair * (high.at - low.at));
    const value = trial.excess + closeness / 2;
    if (trial.excess <= 0) {
      [high, atHigh] = [trial, value];
      atLow /= 2;
    } else {
      [low, atLow] = [trial, value];
      atHigh /= 2;
    }
  }
  return high;
}
