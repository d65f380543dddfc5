// A plan of private training: the numbers by which the trainer samples, clips and draws noise, and by which it is accounted.
// Both read this one object, so they cannot disagree.

import { calibrateNoise } from './calibrate.ts';
import type { ClippingOptions } from './clipping.ts';
import { type DpEvent, dpSgdEvent } from './dp-event.ts';

/** Which parameters are trained under DP-SGD. */
export type DpMode =
  /** All of them: the guarantee covers whatever is released. */
  | 'full'
  /** The decoder alone, beside an encoder that learns without noise: no guarantee, as the decoder's gradients pass through it. */
  | 'decoder-only'
  /** The decoder alone, beside an encoder that stays as it was drawn, before any data: the guarantee covers the decoder. */
  | 'fixed-encoder';

/** What a silo wants of its private training. */
export interface DpSgdOptions extends ClippingOptions {
  readonly mechanism: 'dp-sgd';
  /** Target for the whole of the planned work, at `delta`. */
  readonly epsilon: number;
  readonly delta: number;
  readonly mode: DpMode;
  /** Number of records that the plan may assume, declared by the owner and public; null: the actual number is public. */
  readonly records: number | null;
  /** `secure`: keys fresh from the operating system, never stored. `seeded`: repeatable, for experiments only. */
  readonly noise: 'secure' | 'seeded';
  /** Decay of the running average of the weights that is released; null for the last weights. */
  readonly averaging: number | null;
  /** Divides the loss by the number of pixels, so that clip norms mean the same for images of any size. */
  readonly normaliseLoss: boolean;
  /** Rows that are computed at once; larger batches are accumulated. null: chosen from the batch size. */
  readonly physicalBatch: number | null;
}

/** What decides whether a guarantee holds at all. */
export type SoundnessOptions = Pick<DpSgdOptions, 'clipping' | 'mode' | 'noise'>;

/** What was planned, for one silo. */
export interface DpSgdPlan {
  /** q: each step sees each record with this probability. */
  readonly samplingRate: number;
  /** m: the sum of clipped gradients is divided by this public number, never by the actual batch. */
  readonly expectedBatch: number;
  readonly stepsPerEpoch: number;
  /** z: noise standard deviation over the bound of one record's contribution, as accounted. */
  readonly noiseMultiplier: number;
  /** Steps of all the planned work. */
  readonly steps: number;
  /** Done with the records before the first of them, with secure noise, and part of the target; nothing where it is left out. */
  readonly before?: DpEvent;
}

export interface PlannedWork {
  /** Records that the silo has. */
  readonly records: number;
  readonly batchSize: number;
  /** Per round. */
  readonly epochs: number;
  /** Rounds of all strategies together: each of them looks at the data. */
  readonly rounds: number;
  /** Done with the records before all of them, out of the same epsilon. Default nothing. */
  readonly before?: DpEvent;
}

/**
 * Plans training so that all of it together costs at most epsilon at delta: q = batch size / records, an epoch is
 * ceil(records / batch size) steps, and the noise is calibrated to the total, what comes before the first step included.
 * With `options.records` the plan depends on the declared number alone, and the neighbouring relation is add-or-remove;
 * without, the number of records is public. Throws SpecError where no noise is enough.
 */
export function planDpSgd(options: DpSgdOptions, work: PlannedWork): DpSgdPlan {
  const records = options.records ?? work.records;
  const expectedBatch = Math.min(work.batchSize, records);
  const samplingRate = expectedBatch / records;
  const stepsPerEpoch = Math.ceil(records / expectedBatch);
  const steps = stepsPerEpoch * work.epochs * work.rounds;
  const before = work.before ? { before: work.before } : {};
  const { noiseMultiplier } = calibrateNoise({
    epsilon: options.epsilon,
    delta: options.delta,
    eventOf: (z) => nominalEvent({ samplingRate, noiseMultiplier: z, ...before }, steps),
  });
  return { samplingRate, expectedBatch, stepsPerEpoch, noiseMultiplier, steps, ...before };
}

/** What `steps` steps of the plan do with the records, and what comes before the first of them. */
export function plannedEvent(options: SoundnessOptions, plan: DpSgdPlan, steps: number): DpEvent {
  const reason = whyNoGuarantee(options);
  if (reason !== null) return { type: 'nonPrivate', reason };
  return nominalEvent(plan, steps);
}

/** The event of the same done soundly: what a nominal epsilon stands for. */
export function nominalEvent(
  { samplingRate, noiseMultiplier, before }: Pick<DpSgdPlan, 'samplingRate' | 'noiseMultiplier' | 'before'>,
  steps: number,
): DpEvent {
  const event = dpSgdEvent({ samplingRate, noiseMultiplier, steps });
  return before ? { type: 'composed', events: [before, event] } : event;
}

/** Why no epsilon may be claimed, or null where one may. */
export function whyNoGuarantee({ clipping, mode, noise }: SoundnessOptions): string | null {
  if (clipping === 'paper-unsound') {
    return (
      'The clip norm is the un-noised median of gradient norms: it moves with the records it should protect, so noise ' +
      'scaled by it bounds nothing and reveals it.'
    );
  }
  if (mode === 'decoder-only') {
    return (
      "The encoder learns without noise, and the decoder's gradients pass through it: noise on the decoder alone does " +
      'not cover what the encoder carries over.'
    );
  }
  if (noise === 'seeded') {
    return (
      'The randomness comes from the seed of the spec, which whoever has the spec can repeat and take away again: for ' +
      'experiments only.'
    );
  }
  return null;
}
