// Scores of predicted classes: accuracy, F1, recall and the confusion matrix, with scikit-learn's conventions.

import { ShapeError } from '../errors.ts';

export interface ClassificationScores {
  /** Share of examples predicted right, 0 to 1. */
  readonly accuracy: number;
  /** F1 of each class weighted by its number of examples, 0 to 1: the paper's F1. */
  readonly f1Weighted: number;
  /** Plain mean of F1 over the classes that occur among truths or predictions, 0 to 1. */
  readonly f1Macro: number;
  /** [C] Share of each class's examples predicted right; null for a class without examples. */
  readonly recallPerClass: readonly (number | null)[];
  /** [C, C] Counts: row = true class, column = predicted class. */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * Scores N predictions against the truth. A class that is never predicted, or has no examples, has F1 0 (scikit-learn's
 * `zero_division=0`); of a class without examples there is no recall, where scikit-learn says 0. Throws ShapeError on lengths that differ, no examples, or a class outside of C.
 */
export function scorePredictions(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): ClassificationScores {
  const confusion = confusionMatrix(truth, predicted, classes);
  const perClass = confusion.map((row, c) => {
    const hits = row[c] as number;
    const examples = sum(row);
    const predictions = sum(confusion.map((other) => other[c] as number));
    return { hits, examples, predictions, f1: ratio(2 * hits, examples + predictions) };
  });
  const occurring = perClass.filter(({ examples, predictions }) => examples + predictions > 0);
  return {
    accuracy: sum(perClass.map(({ hits }) => hits)) / truth.length,
    f1Weighted: sum(perClass.map(({ f1, examples }) => f1 * examples)) / truth.length,
    f1Macro: sum(occurring.map(({ f1 }) => f1)) / occurring.length,
    recallPerClass: perClass.map(({ hits, examples }) => (examples === 0 ? null : hits / examples)),
    confusion,
  };
}

// --- internal ---

function confusionMatrix(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  if (truth.length !== predicted.length || truth.length === 0) {
    throw new ShapeError(
      `Expected as many predictions as examples and at least one; got ${predicted.length} for ${truth.length}.`,
      { examples: truth.length, predictions: predicted.length },
    );
  }
  const confusion = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (let i = 0; i < truth.length; i++) {
    const row = confusion[truth[i] as number];
    const column = predicted[i] as number;
    if (row?.[column] === undefined) {
      throw new ShapeError(
        `Example ${i} has class ${truth[i]}, predicted ${column}; expected both among 0 to ${classes - 1}.`,
        { example: i, classes },
      );
    }
    row[column]++;
  }
  return confusion;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
