// The points of `align-fl privacy curve`: epsilon where one thing of a training changes and the others stay.

import { SpecError } from '../errors.ts';
import { type EpsilonBounds, epsilonOf } from '../privacy/accountant.ts';
import { dpSgdEvent } from '../privacy/dp-event.ts';
import { DELTA } from './number-argument.ts';
import { required, samplingRateOf, stepsOf, type TrainingFlags, trainingOf, unwanted } from './privacy-arguments.ts';

/** Options of the command, as commander gives them. */
export interface CurveFlags extends TrainingFlags {
  readonly over?: 'steps' | 'delta' | 'noise';
  readonly delta?: string;
}

/** A curve of ten to twelve points, fewer only along fewer steps. */
export interface Curve {
  /** Name in JSON of what changes. */
  readonly key: 'steps' | 'delta' | 'noiseMultiplier';
  /** Its name in a table. */
  readonly header: string;
  readonly points: readonly { readonly at: number; readonly bounds: EpsilonBounds }[];
}

/** Throws SpecError where something is missing, or given though it is what changes. */
export function curvePoints(flags: CurveFlags): Curve {
  switch (flags.over) {
    case 'steps': {
      const { steps: all, ...phase } = trainingOf(flags);
      const delta = required('--delta', flags.delta, DELTA);
      const marks = Array.from({ length: STEP_POINTS }, (_, i) => Math.ceil((all * (i + 1)) / STEP_POINTS));
      const points = [...new Set(marks)].map((steps) => ({
        at: steps,
        bounds: epsilonOf(dpSgdEvent({ ...phase, steps }), delta),
      }));
      return { key: 'steps', header: 'steps', points };
    }
    case 'delta': {
      unwanted('--delta', flags.delta, 'delta is what changes along this curve');
      const event = dpSgdEvent(trainingOf(flags));
      return { key: 'delta', header: 'delta', points: DELTAS.map((at) => ({ at, bounds: epsilonOf(event, at) })) };
    }
    case 'noise': {
      unwanted('--noise-multiplier', flags.noiseMultiplier, 'the noise is what changes along this curve');
      const samplingRate = samplingRateOf(flags);
      const steps = stepsOf(flags, samplingRate);
      const delta = required('--delta', flags.delta, DELTA);
      const points = NOISE_MULTIPLIERS.map((noiseMultiplier) => ({
        at: noiseMultiplier,
        bounds: epsilonOf(dpSgdEvent({ samplingRate, noiseMultiplier, steps }), delta),
      }));
      return { key: 'noiseMultiplier', header: 'noise multiplier', points };
    }
    default:
      throw new SpecError('--over is missing. Give what changes along the curve: steps, delta or noise.', {
        path: '--over',
      });
  }
}

// --- internal ---

const STEP_POINTS = 12;
const DELTAS = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12];
const NOISE_MULTIPLIERS = [0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.2, 1.5, 2, 3, 5, 8];
