// A classifier's loss as a training objective, and how labels reach it: each example is its pixels, then its class.

import { lax, numpy as np } from '@jax-js/jax';
import { uint32 } from '../engine/array-spec.ts';
import { ShapeError } from '../errors.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Observe, Parameters } from '../models/layers.ts';
import type { Examples } from './examples.ts';
import type { Objective } from './objective.ts';

/**
 * Softmax cross-entropy of `classifier`, in nats, on rows of D pixels and C class weights that sum to 1 (`labelledExamples`,
 * `augmentedExamples`). Terms: `loss`, and `accuracy`: 1 where the class of largest weight has the one largest logit, else 0,
 * ties included.
 */
export function classifierObjective(label: string, classifier: Classifier): Objective {
  const { pixels, classes } = classifier;
  return {
    label,
    parameters: classifier.parameters,
    exampleSize: pixels + classes,
    bits: () => uint32(1), // nothing is random here, but a step takes bits
    terms: (parameters, { x, bits }, observe) => {
      bits.dispose();
      const target = x.ref.slice([], [pixels, pixels + classes]); // [B, C]
      return crossEntropy(classifier, parameters, { x: x.slice([], [0, pixels]), target }, observe);
    },
  };
}

/**
 * Images with their classes: rows of D pixels, then C numbers that are 1 at the class and 0 elsewhere. Throws ShapeError
 * where labels and images differ in number, or a label is no class from 0 to C - 1 (foreign images have none).
 */
export function labelledExamples(images: Examples, labels: ArrayLike<number>, classes: number): Examples {
  const { count, size: pixels } = images;
  if (labels.length !== count) {
    throw new ShapeError(`Expected a label for each of ${count} images, got ${labels.length}.`, { count });
  }
  for (let i = 0; i < count; i++) {
    const label = labels[i] as number;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ShapeError(
        `Image ${i} has label ${label}; expected a class from 0 to ${classes - 1}. Leave images of no class out.`,
        { row: i, label, classes },
      );
    }
  }
  const size = pixels + classes;
  return {
    count,
    size,
    read(rows, out) {
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i] as number;
        const place = out.subarray(i * size, (i + 1) * size);
        images.read([row], place.subarray(0, pixels));
        place.fill(0, pixels);
        place[pixels + (labels[row] as number)] = 1;
      }
    },
  };
}

// --- internal ---

/** Below every logit: takes classes out of a maximum over the others. */
const FAR_BELOW = 1e9;

/** log sum exp(logits) - sum of target * logits, with the largest logit taken out first so that nothing overflows. */
function crossEntropy(
  classifier: Classifier,
  parameters: Parameters,
  { x, target }: { readonly x: np.Array; readonly target: np.Array },
  observe?: Observe,
) {
  const logits = classifier.logits(parameters, x, observe); // [B, C]
  const own = logits.ref.mul(target.ref).sum(1); // [B]
  const accuracy = isHit(lax.stopGradient(logits.ref), target);
  const largest = lax.stopGradient(np.max(logits.ref, 1, { keepdims: true })); // [B, 1]
  const shifted = np.exp(logits.sub(largest.ref)).sum(1); // [B]
  const total = np.log(shifted).add(largest.reshape(own.shape)); // [B]
  return { loss: total.sub(own), accuracy };
}

/** 1 where the largest logit is that of the largest target alone, else 0: [B]. Consumes both. */
function isHit(logits: np.Array, target: np.Array): np.Array {
  const isOther = np.less(target.ref, np.max(target, 1, { keepdims: true })); // [B, C]
  const own = np.max(logits.ref.sub(np.where(isOther.ref, FAR_BELOW, 0)), 1); // [B]
  const others = np.max(logits.sub(np.where(isOther, 0, FAR_BELOW)), 1); // [B]
  return np.where(np.greater(own, others), 1, 0);
}
