// The server's classifier: goes on learning from each round's labelled synthetic images, from its own last weights.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import type { Classifier } from '../models/classifier.ts';
import { initialParameters } from '../models/initialise.ts';
import { classifierObjective, labelledExamples } from '../training/classifier-objective.ts';
import { floatExamples } from '../training/examples.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { type RoundHooks, trainRound } from '../training/round-training.ts';
import { createTrainer, type TrainingOptions } from '../training/trainer.ts';
import type { LabelledPool } from './labelled-pool.ts';

export interface GlobalClassifier {
  /**
   * Learns from the pool of a round (drawn only where the round is not complete yet) and returns the parameters at its end.
   * The state is on disk when the promise resolves.
   */
  learn(
    round: number,
    pool: () => Promise<Pick<LabelledPool, 'images' | 'labels'>>,
    hooks?: RoundHooks,
  ): Promise<NamedArrays>;
}

export interface GlobalClassifierOptions {
  readonly engine: Engine;
  readonly classifier: Classifier;
  readonly training: TrainingOptions;
  /** File that holds the state. */
  readonly file: string;
  readonly key: Key;
}

export async function createGlobalClassifier(options: GlobalClassifierOptions): Promise<GlobalClassifier> {
  const { engine, classifier, training, file, key } = options;
  const { pixels, classes } = classifier;
  const trainer = await createTrainer(engine, classifierObjective('global classifier', classifier), training);
  return {
    learn: (round, pool, hooks) =>
      trainRound(
        trainer,
        {
          file,
          round,
          start: { kind: 'own', initial: () => initialParameters(classifier.parameters, childKey(key, 'init')) },
          async examples() {
            const { images, labels } = await pool();
            return labelledExamples(floatExamples(images, pixels), labels, classes);
          },
          key: childKey(key, `round-${round}`),
        },
        hooks,
      ),
  };
}
