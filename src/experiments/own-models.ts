// Judges the silos' own autoencoders as if each were the global one: what a silo has without any federation.
//
// A control in simulations. It reads encoders from the silos' disks, which no server could: nothing of it ever leaves.

import type { ImageSet } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import { StateError } from '../errors.ts';
import { createGlobalEvaluator, type GlobalEvaluator } from '../evaluation/global-evaluator.ts';
import { vaeOf } from '../models/vae.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { loadState } from '../training/state-file.ts';
import type { GenerationScorer } from './generation-scorer.ts';
import { meanMetrics } from './mean-metrics.ts';
import { metricsOf } from './metrics.ts';
import { modelOfSilo, type Spec } from './spec.ts';
import type { Metrics } from './summary.ts';

export interface OwnModels {
  /** The silos' models at the end of a round: each, and their mean. Throws StateError where a silo is not there. */
  judge(round: number): Promise<OwnJudgement>;
}

export interface OwnJudgement {
  /** Mean over the silos; each deviation is the mean of theirs, which is no less than that of the mean. */
  readonly metrics: Metrics;
  readonly perSilo: readonly { readonly silo: string; readonly metrics: Metrics }[];
}

export interface OwnModelsOptions {
  readonly engine: Engine;
  readonly spec: Spec;
  readonly test: ImageSet;
  /** C */
  readonly classes: number;
  /** That of the global evaluator: then all models are scored on the same splits. */
  readonly key: Key;
  readonly generation: GenerationScorer;
  /** Folder of a silo's state. */
  readonly stateDir: (silo: string) => string;
}

/** A judge of the silos in `stateDir`; silos of one architecture share a compiled model. */
export function createOwnModels(options: OwnModelsOptions): OwnModels {
  const { engine, spec, test, classes, key, generation, stateDir } = options;
  const evaluators = new Map<string, Promise<GlobalEvaluator>>();
  const evaluatorOf = (silo: Spec['silos'][number]): Promise<GlobalEvaluator> => {
    const architecture = modelOfSilo(spec, silo);
    const name = JSON.stringify(architecture);
    const vae = vaeOf(architecture, test.shape);
    const evaluator =
      evaluators.get(name) ??
      createGlobalEvaluator({ engine, vae, test, classes, key, splits: spec.evaluation.probeSplits });
    evaluators.set(name, evaluator);
    return evaluator;
  };
  return {
    async judge(round) {
      const perSilo: { silo: string; metrics: Metrics }[] = [];
      for (const silo of spec.silos) {
        const file = stateFileOf({ stateDir: stateDir(silo.name) });
        const state = await loadState(file);
        if (!state?.finished || state.round !== round) throw notThere(file, round);
        const evaluator = await evaluatorOf(silo);
        const vae = vaeOf(modelOfSilo(spec, silo), test.shape);
        const scores = await generation.score({
          round,
          vae,
          parameters: state.parameters,
          name: `local-only/${silo.name}`,
        });
        perSilo.push({ silo: silo.name, metrics: metricsOf(await evaluator.judge(state.parameters), scores) });
      }
      return { metrics: meanMetrics(perSilo.map(({ metrics }) => metrics)), perSilo };
    },
  };
}

// --- internal ---

function notThere(file: string, round: number): StateError {
  return new StateError(
    `${file} is not at the end of round ${round}, so the silo's own model cannot be judged. Restore the folder as it was, or ` +
      'use another run folder to start afresh.',
    { file, round },
  );
}
