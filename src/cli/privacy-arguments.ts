// How a DP-SGD training is described on the command line: sampling rate, noise and steps, in the words people have.

import { SpecError } from '../errors.ts';
import { type DpEvent, dpSgdEvent } from '../privacy/dp-event.ts';
import { EPOCHS, NOISE_MULTIPLIER, type NumberKind, numberArgument, SAMPLING_RATE, WHOLE } from './number-argument.ts';

/** Options that say how records are sampled and how often, as commander gives them. */
export interface TrainingFlags {
  readonly samplingRate?: string;
  readonly batchSize?: string;
  readonly records?: string;
  readonly noiseMultiplier?: string;
  readonly steps?: string;
  readonly epochs?: string;
}

/** Steps of DP-SGD that are all alike. */
export interface Phase {
  /** Probability that a record is in a step's batch, in (0, 1]. */
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly steps: number;
}

/** From --sampling-rate, or --batch-size over --records. Throws SpecError where neither or both are given. */
export function samplingRateOf(flags: TrainingFlags): number {
  const { samplingRate, batchSize, records } = flags;
  const how = 'Give --sampling-rate, or --batch-size and --records in its place';
  if (samplingRate !== undefined) {
    if (batchSize !== undefined) throw contradiction('--sampling-rate', '--batch-size', 'say how large a batch is');
    if (records !== undefined) throw contradiction('--sampling-rate', '--records', 'say which share a batch is');
    return numberArgument('--sampling-rate', samplingRate, SAMPLING_RATE);
  }
  if (batchSize === undefined && records === undefined) throw missing('--sampling-rate', how);
  if (batchSize === undefined) throw missing('--batch-size', `--records alone does not say how many are drawn. ${how}`);
  if (records === undefined) throw missing('--records', `--batch-size alone does not say of how many. ${how}`);
  const batch = numberArgument('--batch-size', batchSize, BATCH_SIZE);
  const all = numberArgument('--records', records, WHOLE);
  if (batch <= all) return batch / all;
  throw new SpecError(
    `--batch-size: expected at most --records, ${all}, got ${batch}. A batch is a sample of the records: make it smaller.`,
    { path: '--batch-size' },
  );
}

/** From --steps, or --epochs times the steps of an epoch, rounded up. Throws SpecError where neither or both are given. */
export function stepsOf(flags: TrainingFlags, samplingRate: number): number {
  const { steps, epochs } = flags;
  if (steps !== undefined && epochs !== undefined) throw contradiction('--steps', '--epochs', 'say how long it trains');
  if (steps !== undefined) return numberArgument('--steps', steps, WHOLE);
  if (epochs === undefined) throw missing('--steps', 'Give --steps, or --epochs in its place');
  const exact = numberArgument('--epochs', epochs, EPOCHS) / samplingRate;
  return numberArgument('--epochs', String(Math.max(1, Math.ceil(exact * (1 - ROUNDING)))), {
    ...WHOLE,
    expected: 'a number of epochs that makes fewer than 2^53 steps',
  });
}

/** From --noise-multiplier, which must be there. */
export function noiseMultiplierOf({ noiseMultiplier }: TrainingFlags): number {
  if (noiseMultiplier !== undefined) return numberArgument('--noise-multiplier', noiseMultiplier, NOISE_MULTIPLIER);
  throw missing('--noise-multiplier', 'Give it: privacy has no silent defaults');
}

/** The training that flags describe, then each `--phase q,s,T`. Flags may be left out altogether where there is a phase. */
export function phasesOf(flags: TrainingFlags, phaseTexts: readonly string[]): readonly Phase[] {
  const { samplingRate, batchSize, records, noiseMultiplier, steps, epochs } = flags;
  const given = [samplingRate, batchSize, records, noiseMultiplier, steps, epochs].some((flag) => flag !== undefined);
  const phases = phaseTexts.map(phaseOf);
  return given || phases.length === 0 ? [trainingOf(flags), ...phases] : phases;
}

/** The one training that flags describe. */
export function trainingOf(flags: TrainingFlags): Phase {
  const samplingRate = samplingRateOf(flags);
  const noiseMultiplier = noiseMultiplierOf(flags);
  return { samplingRate, noiseMultiplier, steps: stepsOf(flags, samplingRate) };
}

/** All phases, one after another, as an accountant reads them. */
export function eventOfPhases(phases: readonly Phase[]): DpEvent {
  return { type: 'composed', events: phases.map(dpSgdEvent) };
}

/** The value of an option that must be there. */
export function required(flag: string, text: string | undefined, kind: NumberKind): number {
  if (text !== undefined) return numberArgument(flag, text, kind);
  throw missing(flag, `Give ${kind.expected}, such as ${kind.example}`);
}

/** Throws SpecError where `text` is given: the option has no meaning here, for the reason `why`. */
export function unwanted(flag: string, text: string | undefined, why: string): void {
  if (text === undefined) return;
  throw new SpecError(`${flag} was given ('${text}'), but ${why}. Leave it out.`, { path: flag });
}

// --- internal ---

/** Of divisions such as 10 / (256 / 60000), so that a whole number of steps is not rounded up by one. */
const ROUNDING = 1e-12;

const BATCH_SIZE: NumberKind = {
  expected: 'the mean size of a batch, above 0',
  example: '256',
  accepts: (value) => value > 0,
};

function phaseOf(text: string): Phase {
  const [samplingRate, noiseMultiplier, steps, ...more] = text.split(',').map((part) => part.trim());
  if (samplingRate === undefined || noiseMultiplier === undefined || steps === undefined || more.length > 0) {
    throw new SpecError(
      `--phase: expected three numbers q,s,T (sampling rate, noise multiplier, steps), got '${text}'. ` +
        'Write them with commas and without spaces, such as 0.01,1.1,1000.',
      { path: '--phase' },
    );
  }
  return {
    samplingRate: numberArgument('--phase (q)', samplingRate, SAMPLING_RATE),
    noiseMultiplier: numberArgument('--phase (s)', noiseMultiplier, NOISE_MULTIPLIER),
    steps: numberArgument('--phase (T)', steps, WHOLE),
  };
}

function missing(flag: string, next: string): SpecError {
  return new SpecError(`${flag} is missing. ${next}.`, { path: flag });
}

function contradiction(one: string, other: string, what: string): SpecError {
  return new SpecError(`${one} and ${other} both ${what}. Give one of them only.`, { path: other });
}
