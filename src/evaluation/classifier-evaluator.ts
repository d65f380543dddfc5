// Judges a classifier on held-out images: of all classes, and of those that a silo would test it on.

import type { numpy as np } from '@jax-js/jax';
import { imagePixels } from '../data/batches.ts';
import type { ImageSet } from '../data/image-set.ts';
import { float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import type { Classifier } from '../models/classifier.ts';
import { parameterInputs, type Parameters } from '../models/layers.ts';
import { type ClassificationScores, scorePredictions } from './classification.ts';
import { inBatches } from './feature-extractor.ts';

export interface ClassifierJudgement {
  /** On all test images. */
  readonly scores: ClassificationScores;
  /** Share named right, among all C classes, of the test images of these classes; null where there are none. */
  accuracyOn(classes: readonly number[]): number | null;
}

/** `parameters -> judgement` on the test images. */
export type ClassifierEvaluator = (parameters: Readonly<Record<string, Float32Array>>) => Promise<ClassifierJudgement>;

export async function createClassifierEvaluator(options: {
  readonly engine: Engine;
  readonly classifier: Classifier;
  readonly test: ImageSet;
}): Promise<ClassifierEvaluator> {
  const { engine, classifier, test } = options;
  const { labels } = test;
  const pixels = imagePixels(test);
  const rows = Math.min(ROWS, labels.length);
  const program = await engine.compile('judged classifier', logitsOf(classifier), {
    parameters: classifier.parameters,
    x: float32(rows, classifier.pixels),
  });
  return async (parameters) => {
    const named = parameterInputs(parameters);
    const { pixels: inputs, classes: outputs } = classifier;
    const run = (x: Float32Array, logits: Float32Array) => program.bind({ ...named, x }, { logits })();
    const all = await inBatches({ rows, inputs, outputs, run }, pixels); // [N, C]
    const predicted = labels.map((_, row) =>
      largest(all.subarray(row * classifier.classes, (row + 1) * classifier.classes)),
    );
    return {
      scores: scorePredictions(labels, predicted, classifier.classes),
      accuracyOn(classes) {
        const own = Array.from(labels.keys()).filter((row) => classes.includes(labels[row] as number));
        if (own.length === 0) return null;
        return own.filter((row) => predicted[row] === labels[row]).length / own.length;
      },
    };
  };
}

// --- internal ---

/** Images of one run. */
const ROWS = 500;

function logitsOf(classifier: Classifier) {
  return ({ parameters, x }: { parameters: Parameters; x: np.Array }) => ({ logits: classifier.logits(parameters, x) });
}

function largest(row: Float32Array): number {
  return row.reduce((best, value, i) => (value > (row[best] as number) ? i : best), 0);
}
