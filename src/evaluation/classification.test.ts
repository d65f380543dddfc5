// Scores by hand and by scikit-learn.

import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { scorePredictions } from './classification.ts';

describe('scorePredictions', () => {
  it('gives by-hand values for two classes', () => {
    // Class 0: 3 examples, 2 found, 2 predicted, F1 4/5. Class 1: 1 example, found, 2 predicted, F1 2/3.
    const scores = scorePredictions([0, 0, 0, 1], [0, 0, 1, 1], 2);
    expect(scores.accuracy).toBe(0.75);
    expect(scores.recallPerClass).toEqual([2 / 3, 1]);
    expect(scores.confusion).toEqual([
      [2, 1],
      [0, 1],
    ]);
    expect(scores.f1Macro).toBeCloseTo((4 / 5 + 2 / 3) / 2, 14);
    expect(scores.f1Weighted).toBeCloseTo((3 * (4 / 5) + 2 / 3) / 4, 14);
  });

  it('treats absent classes like scikit-learn, but for the recall of what does not occur', () => {
    // scikit-learn 1.2.1, t and p as below: accuracy_score(t, p); f1_score(t, p, average='weighted', zero_division=0);
    // f1_score(t, p, average='macro', zero_division=0); recall_score(t, p, average=None, labels=range(6), zero_division=0)
    // Class 4 is never predicted, 3 is predicted without examples, 5 is nowhere.
    const t = [0, 0, 0, 1, 1, 2, 2, 2, 2, 4];
    const p = [0, 0, 1, 1, 2, 2, 2, 0, 2, 3];
    const scores = scorePredictions(t, p, 6);
    expect(scores.accuracy).toBe(0.6);
    expect(scores.f1Weighted).toBeCloseTo(0.6, 14);
    expect(scores.f1Macro).toBeCloseTo(0.3833333333333333, 14);
    expect(scores.recallPerClass).toEqual([2 / 3, 0.5, 0.75, null, 0, null]); // there 0.6666667, 0.5, 0.75, 0, 0, 0
    expect(scores.confusion[4]).toEqual([0, 0, 0, 1, 0, 0]);
  });

  it('is 1 throughout when all is right, and 0 when nothing is', () => {
    expect(scorePredictions([1, 2], [1, 2], 3)).toMatchObject({ accuracy: 1, f1Weighted: 1, f1Macro: 1 });
    expect(scorePredictions([1, 2], [2, 1], 3)).toMatchObject({ accuracy: 0, f1Weighted: 0, f1Macro: 0 });
  });

  it('refuses lengths that differ, nothing at all, and classes that are not there', () => {
    expect(() => scorePredictions([1], [1, 1], 2)).toThrow(ShapeError);
    expect(() => scorePredictions([], [], 2)).toThrow(ShapeError);
    expect(() => scorePredictions([2], [1], 2)).toThrow(/Example 0 has class 2, predicted 1/);
    expect(() => scorePredictions([1], [2], 2)).toThrow(ShapeError);
  });
});
