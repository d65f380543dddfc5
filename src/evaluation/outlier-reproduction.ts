// Does an autoencoder reproduce an image, or map it to another kind? Asked of the neighbours of its reconstruction.

import { ShapeError } from '../errors.ts';
import { nearestNeighbours } from './nearest-neighbours.ts';
import { type Share, shareOf } from './outliers-intervals.ts';

export interface ReproductionOptions {
  /** [N, F] Of images of one kind, as pixels or features. */
  readonly reconstructions: Float32Array;
  /** [K, F] Real images of that kind, with those that went in one after another among them. */
  readonly own: Float32Array;
  /** Row in `own` of the image that the first reconstruction is of. */
  readonly first: number;
  /** [T, F] Real images of the other kind. */
  readonly other: Float32Array;
  /** [S, F] What the decoder makes of z ~ N(0, I). */
  readonly synthetic: Float32Array;
  /** F */
  readonly dim: number;
}

/**
 * Shares of the N reconstructions by their nearest neighbour. Give equally many images of each kind, as more are nearer; and
 * the same ones to groups that are to be compared, as it depends on them what a given blur is nearest to.
 */
export interface Reproduction {
  /** Images of each kind to be near to. */
  readonly references: { readonly own: number; readonly other: number; readonly synthetic: number };
  /** Among real images the nearest is of the kind that went in. */
  readonly reproduced: Share;
  /** Among images of that kind the nearest is the very image; chance is 1/K. */
  readonly recognised: Share;
  /** Among real and synthetic images: of what kind the nearest is. */
  readonly nearest: { readonly own: Share; readonly other: Share; readonly synthetic: Share };
}

/** Counts neighbours. At equal distances the other kind comes before the own one, and both before synthetic. Throws ShapeError. */
export function reproduction(options: ReproductionOptions): Reproduction {
  const { reconstructions, own, first, other, synthetic, dim } = options;
  const count = reconstructions.length / dim;
  if (!(count > 0 && first + count <= own.length / dim)) {
    throw new ShapeError(
      `Expected one or more reconstructions, of images among the ${own.length / dim} of their kind from row ${first}; got ${count}.`,
      { reconstructions: count, first },
    );
  }
  const among = (references: Float32Array) => nearestNeighbours({ queries: reconstructions, references, dim });
  const nearestOwn = among(own);
  const toOther = among(other).distances;
  const toSynthetic = among(synthetic).distances;
  const kinds = Array.from(nearestOwn.distances, (toOwn, i) => {
    const real = toOwn < (toOther[i] as number) ? ('own' as const) : ('other' as const);
    const isSynthetic = (toSynthetic[i] as number) < Math.min(toOwn, toOther[i] as number);
    return { real, any: isSynthetic ? ('synthetic' as const) : real };
  });
  const share = (kind: 'own' | 'other' | 'synthetic') => shareOf(kinds.map(({ any }) => any === kind));
  return {
    references: { own: own.length / dim, other: other.length / dim, synthetic: synthetic.length / dim },
    reproduced: shareOf(kinds.map(({ real }) => real === 'own')),
    recognised: shareOf(Array.from(nearestOwn.rows, (row, i) => row === first + i)),
    nearest: { own: share('own'), other: share('other'), synthetic: share('synthetic') },
  };
}
