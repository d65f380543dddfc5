import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Engine, openEngine } from '../engine/engine.ts';
import { ShapeError } from '../errors.ts';
import { classifierOf } from '../models/classifier.ts';
import { createClassifierEvaluator } from './classifier-evaluator.ts';

const SHAPE = { channels: 1, height: 1, width: 3 };
const CLASSIFIER = classifierOf({ kind: 'mlp', hidden: [], features: 3 }, SHAPE, 3);
/** Says the brightest pixel; the first of them at a tie. */
const BRIGHTEST = {
  'features.weight': Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
  'features.bias': new Float32Array(3),
  'classes.weight': Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
  'classes.bias': new Float32Array(3),
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ executor: 'onnxruntime' });
});
afterAll(() => engine.close());

const setOf = (images: readonly (readonly number[])[], labels: readonly number[]) => ({
  name: 'test',
  shape: SHAPE,
  images: Uint8Array.from(images.flat()),
  labels: Uint8Array.from(labels),
});

test('scores of five images by hand, and of those of some classes among all classes', async () => {
  const images = [
    [9, 0, 0],
    [0, 9, 0],
    [0, 9, 1],
    [0, 9, 0],
    [5, 5, 5],
  ];
  const test = setOf(images, [0, 0, 1, 1, 0]);
  const judge = await createClassifierEvaluator({ engine, classifier: CLASSIFIER, test });
  expect([...(await judge.predict(BRIGHTEST))]).toEqual([0, 1, 1, 1, 0]);
  const { accuracyOn, ...scores } = await judge.judge(BRIGHTEST);
  expect(scores.accuracy).toBeCloseTo(4 / 5, 12);
  expect(scores.f1Weighted).toBeCloseTo((3 * (4 / 5) + 2 * (4 / 5)) / 5, 12); // 2*2/(3+2) and 2*2/(2+3)
  expect(scores.recallPerClass).toEqual([2 / 3, 1, null]);
  expect(accuracyOn([0])).toBeCloseTo(2 / 3, 12);
  expect(accuracyOn([1, 1, 2])).toBe(1);
  expect(accuracyOn([0, 1, 2])).toBeCloseTo(scores.accuracy, 12);
  expect(accuracyOn([2])).toBeNull();
});

test('more images than one run takes are all judged once', async () => {
  const count = 1203;
  const labels = Array.from({ length: count }, (_, i) => i % 3);
  const images = labels.map((label, i) => [0, 1, 2].map((c) => (c === (i < 1000 ? label : 0) ? 200 : 10)));
  const judge = await createClassifierEvaluator({ engine, classifier: CLASSIFIER, test: setOf(images, labels) });
  const { accuracy } = await judge.judge(BRIGHTEST);
  const hits = labels.filter((label, i) => i < 1000 || label === 0).length;
  expect(accuracy).toBe(hits / count);
});

test('no images are refused', async () => {
  const judge = createClassifierEvaluator({ engine, classifier: CLASSIFIER, test: setOf([], []) });
  await expect(judge).rejects.toThrow(ShapeError);
});
