// The server's own classifier: learns to tell the classes apart from each round's synthetic, labelled images alone, from its
// own last weights.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import type { Classifier } from '../models/classifier.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { initialParameters } from '../models/initialise.ts';
import { augmentedExamples, type AugmentationOptions } from '../training/augmentation.ts';
import { classifierObjective, labelledExamples } from '../training/classifier-objective.ts';
import { floatExamples } from '../training/examples.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import { type RoundHooks, trainRound } from '../training/round-training.ts';
import { createTrainer, type TrainingOptions } from '../training/trainer.ts';
import { weightAverage } from '../training/weight-average.ts';
import type { LabelledPool } from './labelled-pool.ts';

/** What it learns from. */
type Taught = Pick<LabelledPool, 'images' | 'labels'>;

export interface GlobalClassifier {
  /**
   * Learns from the pool of a round (drawn only where the round is not complete yet) and returns the parameters at its end:
   * their running average, where `averaging` asks for it. The state is on disk when the promise resolves.
   */
  learn(round: number, pool: () => Promise<Taught>, hooks?: RoundHooks): Promise<NamedArrays>;
}

export interface GlobalClassifierOptions {
  readonly engine: Engine;
  readonly classifier: Classifier;
  readonly shape: ImageShape;
  readonly training: TrainingOptions;
  /** What happens to the images as they are learnt from; null for nothing. */
  readonly augmentation: AugmentationOptions | null;
  /** Decay of the running average of the weights (`weight-average.ts`); null for the last weights. */
  readonly averaging: number | null;
  /** File that holds the state. */
  readonly file: string;
  readonly key: Key;
}

export async function createGlobalClassifier(options: GlobalClassifierOptions): Promise<GlobalClassifier> {
  const { engine, classifier, shape, training, augmentation, averaging, file, key } = options;
  const { parameters, pixels, classes } = classifier;
  const objective = classifierObjective('global classifier', classifier);
  const projection = averaging === null ? undefined : weightAverage(parameters, averaging);
  const trainer = await createTrainer(engine, objective, training, { projection });
  return {
    learn: (round, pool, hooks) =>
      trainRound(
        trainer,
        {
          file,
          round,
          start: { kind: 'own', initial: () => initialParameters(parameters, childKey(key, 'init')) },
          examples: async () => {
            const { images, labels } = await pool();
            const examples = labelledExamples(floatExamples(images, pixels), labels, classes);
            return augmentation ? augmentedExamples(examples, shape, augmentation) : examples;
          },
          key: childKey(key, `round-${round}`),
        },
        hooks,
      ),
  };
}
