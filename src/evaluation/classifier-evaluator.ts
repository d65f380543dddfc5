// Judges a classifier on held-out real images: what training on synthetic images alone is worth.

import type { numpy as np } from '@jax-js/jax';
import { imageExamples } from '../data/batches.ts';
import type { ImageSet } from '../data/image-set.ts';
import { float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { ShapeError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import { parameterInputs, type Parameters } from '../models/layers.ts';
import { type ClassificationScores, scorePredictions } from './classification.ts';

export interface ClassifierJudgement extends ClassificationScores {
  /**
   * Share of the test images of these classes that are predicted right, among all classes, 0 to 1; null where there are no
   * such images. With the classes that a silo holds, its local-label accuracy: what a test split at home would show.
   */
  accuracyOn(classes: readonly number[]): number | null;
}

export interface ClassifierEvaluator {
  /** [N] The class of the largest logit; the first of them at a tie. */
  predict(parameters: Readonly<Record<string, Float32Array>>): Promise<Uint32Array>;
  judge(parameters: Readonly<Record<string, Float32Array>>): Promise<ClassifierJudgement>;
}

/** Compiles the classifier once, for any number of parameters to judge. Throws ShapeError where there are no test images. */
export async function createClassifierEvaluator({
  engine,
  classifier,
  test,
}: {
  readonly engine: Engine;
  readonly classifier: Classifier;
  readonly test: ImageSet;
}): Promise<ClassifierEvaluator> {
  const { pixels, classes } = classifier;
  const examples = imageExamples(test);
  if (examples.count === 0) throw new ShapeError(`${test.name} has no images to judge a classifier on.`);
  const rows = Math.min(CHUNK, examples.count);
  const program = await engine.compile(
    'global classifier',
    ({ parameters, x }: { parameters: Parameters; x: np.Array }) => ({ logits: classifier.logits(parameters, x) }),
    { parameters: classifier.parameters, x: float32(rows, pixels) },
  );
  const x = new Float32Array(rows * pixels);
  const logits = new Float32Array(rows * classes);

  const predict: ClassifierEvaluator['predict'] = async (parameters) => {
    const run = program.bind({ ...parameterInputs(parameters), x }, { logits });
    const predicted = new Uint32Array(examples.count);
    for (let start = 0; start < examples.count; start += rows) {
      const first = Math.min(start, examples.count - rows); // the last chunk overlaps the one before
      examples.read(
        Array.from({ length: rows }, (_, i) => first + i),
        x,
      );
      await run();
      for (let i = 0; i < rows; i++) predicted[first + i] = largest(logits.subarray(i * classes, (i + 1) * classes));
    }
    return predicted;
  };

  return {
    predict,
    async judge(parameters) {
      const scores = scorePredictions(test.labels, await predict(parameters), classes);
      return { ...scores, accuracyOn: (some) => shareOfHits(scores, some) };
    },
  };
}

// --- internal ---

const CHUNK = 500;

function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

function shareOfHits({ confusion }: ClassificationScores, classes: readonly number[]): number | null {
  const chosen = [...new Set(classes)].map((label) => ({ label, row: confusion[label] ?? [] }));
  const examples = chosen.reduce((sum, { row }) => sum + row.reduce((total, count) => total + count, 0), 0);
  const hits = chosen.reduce((sum, { label, row }) => sum + (row[label] ?? 0), 0);
  return examples === 0 ? null : hits / examples;
}
