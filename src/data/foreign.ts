// Foreign images slipped in among a silo's own, to see later whether a decoder gives them away. Which ones they
// are is remembered for evaluation only: training reads no labels, and no release carries the positions.

import { childKey, type Key, permutation } from '../engine/keys.ts';
import { DataError, SpecError } from '../errors.ts';
import { FOREIGN_LABEL, type ImageSet, selectImages } from './image-set.ts';

/** What a silo trains on, and what only the evaluation may know about it. */
export interface SiloData {
  readonly name: string;
  /** Own and foreign images in one shuffled order; foreign ones are labelled `FOREIGN_LABEL`. */
  readonly set: ImageSet;
  /** Rows of the foreign images in `set`, ascending. */
  readonly foreignRows: Uint32Array;
}

/** How many: a rate relative to the silo's *own* images, or a number. */
export type ForeignAmount =
  /** The paper's "5 %" is 600 foreign on 12,000 own: rate 0.05, though 4.8 % of the mixture. Rounded to whole images. */
  { readonly rate: number } | { readonly count: number };

/** What `mixForeign` needs. */
export interface ForeignMix {
  readonly silos: readonly { readonly name: string; readonly set: ImageSet }[];
  /** Names of the silos that get foreign images; each gets its own, no image goes to two. */
  readonly into: readonly string[];
  readonly amount: ForeignAmount;
  /** Where foreign images are drawn from, without replacement. */
  readonly foreign: ImageSet;
  readonly key: Key;
}

/**
 * Adds foreign images to the named silos and shuffles these; the others pass unchanged. Throws SpecError for an
 * unknown or doubled name, a negative amount, or one beyond the foreign set; DataError where image shapes differ.
 */
export function mixForeign({ silos, into, amount, foreign, key }: ForeignMix): readonly SiloData[] {
  into.forEach((name, i) => {
    if (!silos.some((silo) => silo.name === name)) {
      const known = silos.map((silo) => silo.name).join(', ');
      throw new SpecError(`foreign.into: expected names of silos (${known}), found ${name}.`, {
        path: `into.${i}`,
        name,
      });
    }
    if (into.indexOf(name) !== i) {
      throw new SpecError(`foreign.into: expected each silo once, found ${name} twice.`, { path: `into.${i}`, name });
    }
  });
  const order = permutation(childKey(key, 'choice'), foreign.labels.length);
  let used = 0;
  return silos.map(({ name, set }) => {
    if (!into.includes(name)) return { name, set, foreignRows: new Uint32Array(0) };
    const count = foreignCount(amount, set.labels.length);
    if (used + count > order.length) {
      throw new SpecError(
        `foreign: expected at most ${order.length} images, all that ${foreign.name} has, found a wish for ${used + count}. ` +
          'Lower the rate or the count.',
        { path: 'rate' in amount ? 'rate' : 'count', available: order.length, wished: used + count },
      );
    }
    const chosen = selectImages(foreign, order.subarray(used, used + count));
    used += count;
    return mixInto({ name, set, foreign: chosen, key: childKey(key, 'order', name) });
  });
}

// --- internal ---

function foreignCount(amount: ForeignAmount, own: number): number {
  if ('count' in amount) {
    if (Number.isInteger(amount.count) && amount.count >= 0) return amount.count;
    throw new SpecError(`foreign.count: expected a whole number from 0, found ${amount.count}.`, { path: 'count' });
  }
  if (amount.rate >= 0 && Number.isFinite(amount.rate)) return Math.round(amount.rate * own);
  throw new SpecError(
    `foreign.rate: expected a number from 0 (0.05: 5 foreign images on 100 own), found ${amount.rate}.`,
    {
      path: 'rate',
    },
  );
}

interface Mixture {
  readonly name: string;
  readonly set: ImageSet;
  readonly foreign: ImageSet;
  readonly key: Key;
}

function mixInto({ name, set, foreign, key }: Mixture): SiloData {
  const { channels, height, width } = set.shape;
  const other = foreign.shape;
  if (other.channels !== channels || other.height !== height || other.width !== width) {
    throw new DataError(
      `foreign: expected images of ${channels} x ${height} x ${width} like those of ${set.name}, ` +
        `found ${other.channels} x ${other.height} x ${other.width} in ${foreign.name}. Choose another foreign set.`,
      { silo: name, own: set.name, foreign: foreign.name },
    );
  }
  const own = set.labels.length;
  const count = own + foreign.labels.length;
  const size = set.images.length / Math.max(own, 1);
  const images = new Uint8Array(count * size);
  const labels = new Uint8Array(count);
  const foreignRows: number[] = [];
  permutation(key, count).forEach((from, row) => {
    const isForeign = from >= own;
    const source = isForeign ? foreign.images : set.images;
    const at = (isForeign ? from - own : from) * size;
    images.set(source.subarray(at, at + size), row * size);
    labels[row] = isForeign ? FOREIGN_LABEL : (set.labels[from] as number);
    if (isForeign) foreignRows.push(row);
  });
  return { name, set: { ...set, images, labels }, foreignRows: Uint32Array.from(foreignRows) };
}
