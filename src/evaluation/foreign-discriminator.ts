// Tells foreign images from typical ones, so that synthetic images can be asked which they look like.

import { joinRows } from './feature-rows.ts';
import { childKey, type Key, permutation } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { fitLogisticRegression, predictClasses } from './logistic-probe.ts';
import { takeRows } from './outliers-groups.ts';
import { type Share, shareOf } from './outliers-intervals.ts';

export interface DiscriminatorOptions {
  /** [N, F] Real foreign images: pixels or features. */
  readonly foreign: Float32Array;
  /** [T, F] Real typical images. */
  readonly typical: Float32Array;
  /** F */
  readonly dim: number;
  /** Decides which half it learns from. */
  readonly key: Key;
}

/** A logistic regression, its mistakes on real images that it did not learn from, and its verdicts. */
export interface ForeignDiscriminator {
  /** Held-out foreign images that it takes for typical. */
  readonly missed: Share;
  /** Held-out typical images that it takes for foreign. */
  readonly falseAlarms: Share;
  /** Which rows of features [M, F] look foreign. */
  looksForeign(features: Float32Array): readonly boolean[];
}

/** The verdict on images of unknown kind. */
export interface ForeignShare {
  readonly looksForeign: Share;
  /**
   * The share that explains `looksForeign` given the mistakes on real images (Rogan and Gladen 1978), 0 to 1. As good as
   * the assumption that these images are mistaken as often as real ones. Null where the discriminator is no better than chance.
   */
  readonly corrected: number | null;
}

/**
 * Learns from a random half of equally many foreign and typical images and is judged on the other. Features are divided
 * by their root mean square, so that the penalty (scikit-learn's C = 1) means the same for pixels and features. Throws
 * ShapeError where there are fewer than two of either kind.
 */
export function trainDiscriminator({ foreign, typical, dim, key }: DiscriminatorOptions): ForeignDiscriminator {
  const count = Math.min(foreign.length, typical.length) / dim;
  if (!(count >= 2)) {
    throw new ShapeError(
      'Expected two or more foreign and typical images: one of each to learn from, one to judge by.',
      {
        foreign: foreign.length / dim,
        typical: typical.length / dim,
      },
    );
  }
  const parts = {
    foreign: halved(foreign, count, dim, childKey(key, 'foreign')),
    typical: halved(typical, count, dim, childKey(key, 'typical')),
  };
  const learnt = joinRows(parts.foreign.first, parts.typical.first);
  const scale = 1 / (rootMeanSquare(learnt) || 1);
  const scaled = (features: Float32Array) => features.map((value) => value * scale);
  const model = fitLogisticRegression({
    features: scaled(learnt),
    dim,
    labels: Uint8Array.from({ length: learnt.length / dim }, (_, row) =>
      row < parts.foreign.first.length / dim ? 1 : 0,
    ),
    classes: 2,
  });
  const looksForeign = (features: Float32Array) =>
    Array.from(predictClasses(model, scaled(features)), (label) => label === 1);
  return {
    missed: shareOf(looksForeign(parts.foreign.second).map((flag) => !flag)),
    falseAlarms: shareOf(looksForeign(parts.typical.second)),
    looksForeign,
  };
}

/** What the discriminator says of images [M, F], M at least 1. */
export function foreignShare(discriminator: ForeignDiscriminator, features: Float32Array): ForeignShare {
  const looksForeign = shareOf(discriminator.looksForeign(features));
  const { missed, falseAlarms } = discriminator;
  const skill = 1 - missed.share - falseAlarms.share;
  if (!(skill > 0)) return { looksForeign, corrected: null };
  return { looksForeign, corrected: Math.min(1, Math.max(0, (looksForeign.share - falseAlarms.share) / skill)) };
}

// --- internal ---

/** `count` random rows in two halves, the larger one first. */
function halved(features: Float32Array, count: number, dim: number, key: Key) {
  const order = permutation(key, features.length / dim).subarray(0, count);
  const middle = Math.ceil(count / 2);
  return {
    first: takeRows(features, order.subarray(0, middle), dim),
    second: takeRows(features, order.subarray(middle), dim),
  };
}

function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
