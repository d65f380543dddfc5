// One run of an audit: canaries, put in by fair coins, go through a real trainer; every step is read off its parameters.

import { childKey, type Key, uniforms } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { freshState, type NamedArrays } from '../training/parameter-slots.ts';
import type { Trainer } from '../training/trainer.ts';
import { addEvidence, type AuditScores, sortedOut, type StepClaim } from './audit-scores.ts';
import { canaryCoordinates, canaryExamples, canaryObjective } from './dirac-canaries.ts';

export interface CanaryTraining {
  /**
   * Made for `canaryObjective`, with plain SGD at a constant rate and one step an epoch, so that the step's noisy sum is
   * the difference of parameters before and after.
   */
  readonly trainer: Trainer;
  readonly canaries: number;
  /** What the steps claim. With adaptive clipping the noise on the gradients, which is more than what is accounted. */
  readonly claim: StepClaim;
  readonly learningRate: number;
  /** What the trainer divides sums by. */
  readonly expectedBatch: number;
  /** Of the first step. Later ones are read from the trainer's `clipping/norm`, where it has one. */
  readonly clipNorm: number;
}

/**
 * Trains on about half of the canaries and scores all of them. Each run needs a key of its own; scores of several runs may
 * be joined, for they are independent. Throws what the trainer throws, and ShapeError where it made no step.
 */
export async function canaryScores(training: CanaryTraining, key: Key): Promise<AuditScores> {
  const { trainer, canaries, claim, learningRate, expectedBatch } = training;
  const isPresent = uniforms(childKey(key, 'coins'), canaries).map(Math.round);
  const present = Array.from(isPresent.keys()).filter((i) => isPresent[i] === 1);
  const scores = new Float64Array(canaries);
  const start = Object.fromEntries(
    Object.keys(canaryObjective({ canaries, gradientNorm: 1 }).parameters).map((name) => [
      name,
      new Float32Array(name.endsWith('weight') ? canaries : 1),
    ]),
  );
  let before: NamedArrays = start;
  let clipNorm = training.clipNorm;
  let steps = 0;
  await trainer.train(
    { examples: canaryExamples(canaries, present), start: freshState(start), key: childKey(key, 'train') },
    {
      onEpoch(_epoch, _terms, state) {
        const { parameters, memory } = state();
        const sum = noisySum(before, parameters, expectedBatch / learningRate);
        addEvidence(scores, canaryCoordinates(sum, clipNorm), claim);
        before = parameters;
        clipNorm = memory['clipping/norm']?.[0] ?? clipNorm;
        steps++;
      },
    },
  );
  if (steps === 0) throw new ShapeError('The trainer of an audit made no step: it must be made for one epoch or more.');
  return sortedOut(scores, isPresent);
}

/** All scores of several runs. */
export function joined(runs: readonly AuditScores[]): AuditScores {
  const join = (arms: readonly Float64Array[]) => Float64Array.from(arms.flatMap((arm) => Array.from(arm)));
  return { present: join(runs.map(({ present }) => present)), absent: join(runs.map(({ absent }) => absent)) };
}

// --- internal ---

function noisySum(before: NamedArrays, after: NamedArrays, scale: number): NamedArrays {
  return Object.fromEntries(
    Object.entries(after).map(([name, values]) => [
      name,
      values.map((value, i) => ((before[name]?.[i] as number) - value) * scale),
    ]),
  );
}
