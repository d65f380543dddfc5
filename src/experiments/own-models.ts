// Judges the silos' own autoencoders as if each were the global one: what a silo has without any federation.
//
// A control in simulations. It reads encoders from the silos' disks, which no server could: nothing of it ever leaves.

import type { ImageSet } from '../data/image-set.ts';
import type { Engine } from '../engine/engine.ts';
import type { Key } from '../engine/keys.ts';
import { createGlobalEvaluator, type GlobalEvaluator } from '../evaluation/global-evaluator.ts';
import type { Architecture } from '../models/architecture.ts';
import { vaeOf } from '../models/vae.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { finishedParameters, OR_START_AFRESH } from './finished-state.ts';
import type { GenerationScorer } from './generation-scorer.ts';
import { meanMetrics } from './mean-metrics.ts';
import { metricsOf } from './metrics.ts';
import type { Metrics } from './summary.ts';

export interface OwnModels {
  /**
   * The models of the silos that take part in a round, at its end: each, and their mean. Throws StateError where a silo is
   * not there.
   */
  judge(round: number): Promise<OwnJudgement>;
}

export interface OwnJudgement {
  /** Mean over the silos; each deviation is the mean of theirs, which is no less than that of the mean. */
  readonly metrics: Metrics;
  readonly perSilo: readonly { readonly silo: string; readonly metrics: Metrics }[];
}

export interface OwnModelsOptions {
  readonly engine: Engine;
  /** Who takes part in a round, and the round that their own training has come to. */
  readonly silosIn: (
    round: number,
  ) => readonly { readonly name: string; readonly architecture: Architecture; readonly round: number }[];
  /** Random splits that each model is scored on. */
  readonly splits: number;
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
  const { engine, silosIn, splits, test, classes, key, generation, stateDir } = options;
  const evaluators = new Map<string, Promise<GlobalEvaluator>>();
  const evaluatorOf = (architecture: Architecture): Promise<GlobalEvaluator> => {
    const name = JSON.stringify(architecture);
    const vae = vaeOf(architecture, test.shape);
    const evaluator = evaluators.get(name) ?? createGlobalEvaluator({ engine, vae, test, classes, key, splits });
    evaluators.set(name, evaluator);
    return evaluator;
  };
  return {
    async judge(round) {
      const perSilo: { silo: string; metrics: Metrics }[] = [];
      for (const silo of silosIn(round)) {
        const file = stateFileOf({ stateDir: stateDir(silo.name) });
        const parameters = await finishedParameters(file, silo.round, OR_START_AFRESH);
        const evaluator = await evaluatorOf(silo.architecture);
        const vae = vaeOf(silo.architecture, test.shape);
        const scores = await generation.score({ round, vae, parameters, name: `local-only/${silo.name}` });
        perSilo.push({ silo: silo.name, metrics: metricsOf(await evaluator.judge(parameters), scores) });
      }
      return { metrics: meanMetrics(perSilo.map(({ metrics }) => metrics)), perSilo };
    },
  };
}
