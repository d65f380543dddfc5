// An audit of the real private trainer: canaries go through it, and what they show is held against what is claimed.
//
// Faults for controls are made outside of the trainer, by giving it another plan or clip norm than the claim has: a trainer
// that could be told to misbehave would itself be a risk.

import { setImmediate } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key, secretKey, seedKey } from '../engine/keys.ts';
import { auditEpsilon, auditProfile, type EpsilonAudit, type ProfileAudit } from '../privacy/audit-bounds.ts';
import type { AuditScores, StepClaim } from '../privacy/audit-scores.ts';
import { canaryScores, joined } from '../privacy/canary-run.ts';
import { clipperOf } from '../privacy/clipping.ts';
import { canaryObjective } from '../privacy/dirac-canaries.ts';
import { createDpTrainers, type DpStepOptions } from '../privacy/dp-trainer.ts';
import type { Trainer, TrainingOptions } from '../training/trainer.ts';
import type { AuditSubject } from './audit-subject.ts';

/** Ways to break a step on purpose, while it goes on claiming what an honest one does. */
export const FAULTS = ['no noise', 'noise / 10', 'clipping off'] as const;
export type Fault = (typeof FAULTS)[number];

export interface AuditProgress {
  /** Under way, counted from 1. */
  readonly run: number;
  readonly runs: number;
  /** Steps done of all runs, over all steps: 0 to 1. */
  readonly share: number;
}

export interface AuditHooks {
  readonly signal?: AbortSignal | undefined;
  /** After every step; must be quick. */
  readonly onProgress?: ((progress: AuditProgress) => void) | undefined;
}

export interface AuditOutcome {
  /** Of all canaries of all runs, from which both bounds are read. */
  readonly scores: AuditScores;
  readonly epsilon: EpsilonAudit;
  readonly profile: ProfileAudit;
  /** Whether either of both contradicts the claim. */
  readonly isRefuted: boolean;
}

/**
 * Audits the step of `subject` as it is, or with a fault. Coins that put canaries in come from `seed`; samples and noise too
 * where the spec's noise is seeded, else from the operating system, so that no two audits are alike. Throws AbortedError.
 */
export async function runAudit(
  engine: Engine,
  subject: AuditSubject,
  {
    seed,
    fault = null,
    hooks = {},
  }: { readonly seed: number; readonly fault?: Fault | null; readonly hooks?: AuditHooks },
): Promise<AuditOutcome> {
  const { training, claimedEpsilon, runs, canariesPerRun: canaries, confidence } = subject.audit;
  const { delta, noise } = subject.privacy;
  const honest = honestStep(subject);
  const { options, noiseMultiplier, gradientNorm, claim, clipNorm, followsNorm } =
    fault === null ? honest : broken(honest, fault);
  const { expectedBatch, learningRate } = honest;
  const objective = canaryObjective({ canaries, gradientNorm });
  const plan = { ...training, noiseMultiplier, expectedBatch, stepsPerEpoch: 1 };
  const trainers = await createDpTrainers(engine, objective, plainSgd(training.steps, honest), options);
  const root = childKey(seedKey(seed), 'audit', fault ?? 'as it is');
  const runScores: AuditScores[] = [];
  for (let run = 1; run <= runs; run++) {
    const key = childKey(root, `run-${run}`);
    const trainer = attended(trainers(plan), {
      key: noise === 'secure' ? secretKey(key.path) : null,
      followsNorm,
      signal: hooks.signal,
      onStep: (step) => hooks.onProgress?.({ run, runs, share: (run - 1 + step / training.steps) / runs }),
    });
    runScores.push(await canaryScores({ trainer, canaries, claim, learningRate, expectedBatch, clipNorm }, key));
  }
  const all = joined(runScores);
  const epsilon = auditEpsilon(all, { delta, confidence });
  const profile = auditProfile(all, { confidence, claimedDelta: subject.claimedDelta });
  return { scores: all, epsilon, profile, isRefuted: epsilon.epsilonLower > claimedEpsilon || profile.isRefuted };
}

// --- internal ---

interface AuditedStep {
  readonly options: DpStepOptions;
  /** What the trainer's plan is given. */
  readonly noiseMultiplier: number;
  readonly expectedBatch: number;
  readonly learningRate: number;
  /** L2 norm of a canary's gradient. */
  readonly gradientNorm: number;
  /** What a step's noisy gradients claim. */
  readonly claim: StepClaim;
  /** Claimed bound of one example, of the first step at least. */
  readonly clipNorm: number;
  /** Whether later bounds are the trainer's to tell. A constant one is not: it is part of the claim. */
  readonly followsNorm: boolean;
}

function honestStep({ privacy, audit }: AuditSubject): AuditedStep {
  const { clipping, clipNorm, quantile, mode, noise, physicalBatch } = privacy;
  const { samplingRate, noiseMultiplier } = audit.training;
  const { canariesPerRun } = audit;
  const expectedBatch = Math.max(1, Math.round((samplingRate * canariesPerRun) / 2));
  const { first, gradientNoise } = clipperOf(privacy, { noiseMultiplier, expectedBatch });
  return {
    options: {
      ...{ clipping, clipNorm, quantile, mode, noise },
      averaging: null, // every step is read: averages would tell nothing more
      // Several passes a step, as in the spec, but not hundreds where the audited batch is larger.
      physicalBatch: physicalBatch && Math.min(canariesPerRun, Math.max(physicalBatch, Math.ceil(expectedBatch / 4))),
    },
    noiseMultiplier,
    expectedBatch,
    learningRate: 1,
    gradientNorm: clipping === 'adaptive' ? BEYOND_ALL_BOUNDS : audit.gradientNorm * first,
    claim: { samplingRate, noiseMultiplier: gradientNoise },
    clipNorm: first,
    followsNorm: clipping === 'adaptive',
  };
}

/** Longer than the largest bound that adaptive clipping takes, 1e6. */
const BEYOND_ALL_BOUNDS = 1e7;

function broken(step: AuditedStep, fault: Fault): AuditedStep {
  switch (fault) {
    case 'no noise':
      return { ...step, noiseMultiplier: NEXT_TO_NOTHING };
    case 'noise / 10':
      return { ...step, noiseMultiplier: step.noiseMultiplier / 10 };
    case 'clipping off': {
      const { clipNorm, claim, options } = step;
      return {
        ...step,
        options: { ...options, clipping: 'fixed', clipNorm: FAR_AWAY * clipNorm },
        noiseMultiplier: claim.noiseMultiplier / FAR_AWAY, // the same noise as before
        gradientNorm: TOO_LONG * clipNorm,
        followsNorm: false,
      };
    }
  }
}

const NEXT_TO_NOTHING = 1e-9;
const FAR_AWAY = 1000;
const TOO_LONG = 10;

/** One step an epoch, each the negative noisy sum over the expected batch. */
function plainSgd(steps: number, { expectedBatch, learningRate }: AuditedStep): TrainingOptions {
  return {
    epochs: steps,
    batchSize: expectedBatch,
    optimizer: { kind: 'sgd', learningRate, momentum: 0 },
    schedule: { kind: 'constant' },
  };
}

/** `trainer` with a listener, with a key of its own where one is given, and silent on its clip norm where that is claimed. */
function attended(
  trainer: Trainer,
  options: {
    readonly key: Key | null;
    readonly followsNorm: boolean;
    readonly signal: AbortSignal | undefined;
    readonly onStep: (step: number) => void;
  },
): Trainer {
  const { key, followsNorm, signal, onStep } = options;
  return {
    train: (job, hooks = {}) =>
      trainer.train(
        { ...job, key: key ?? job.key },
        {
          signal,
          onStep: ({ step }) => onStep(step),
          onEpoch: async (epoch, terms, state) => {
            await hooks.onEpoch?.(epoch, terms, followsNorm ? state : () => ({ ...state(), memory: {} }));
            await setImmediate(); // let a Ctrl-C be heard
          },
        },
      ),
  };
}
