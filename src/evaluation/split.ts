// Which examples a probe learns from and which it is scored on: the paper's fifth, and stratified splits.

import { childKey, type Key, permutation, uniforms } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';

/** Row numbers of two disjoint parts. */
export interface Split {
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

export interface SplitOptions {
  /** [N] The class of each example. */
  readonly labels: ArrayLike<number>;
  /** Rows to split. Default: all N. */
  readonly rows?: ArrayLike<number>;
  readonly key: Key;
  /** Share of the rows held out, strictly between 0 and 1. Default 0.2. */
  readonly testShare?: number;
}

/**
 * A random split that keeps the shares of the classes, both parts in random order. The sizes are scikit-learn's
 * `train_test_split(stratify=labels)`: ceil(testShare * rows) are held out, and each class gives its share of them
 * rounded down or up, so that the sum is exact (largest remainders first, ties at random). A class with a single example
 * falls into one part; scikit-learn refuses it. Throws ShapeError where a part would be empty.
 */
export function stratifiedSplit({ labels, rows, key, testShare = 0.2 }: SplitOptions): Split {
  const count = rows?.length ?? labels.length;
  const testCount = Math.ceil(testShare * count - 1e-9); // 0.1 * 30 must hold out 3, not 4
  if (!(testCount > 0 && testCount < count)) {
    throw new ShapeError(`Cannot hold out a share of ${testShare} of ${count} examples: one part would be empty.`, {
      count,
      testShare,
    });
  }
  const byClass = new Map<number, number[]>();
  for (const i of permutation(childKey(key, 'examples'), count)) {
    const row = rows === undefined ? i : (rows[i] as number);
    const label = labels[row] as number;
    const members = byClass.get(label);
    if (members) members.push(row);
    else byClass.set(label, [row]);
  }
  const groups = [...byClass].sort(([a], [b]) => a - b).map(([, members]) => members);
  const trainCounts = proportionalCounts(
    groups.map((members) => members.length),
    count - testCount,
    childKey(key, 'remainders'),
  );
  const train = groups.flatMap((members, c) => members.slice(0, trainCounts[c]));
  const test = groups.flatMap((members, c) => members.slice(trainCounts[c]));
  return { train: shuffled(train, childKey(key, 'train')), test: shuffled(test, childKey(key, 'test')) };
}

/** The paper's test images: a random fifth of all (2,000 of 10,000), not stratified, in random order. */
export function paperSubset(key: Key, count: number): Uint32Array {
  return permutation(key, count).subarray(0, Math.floor(count / 5));
}

/**
 * The fewest images that a probe of so many classes makes sense on: the four fifths that teach it have room for one of
 * each class, and both parts for some at all.
 */
export function fewestImagesToProbe(classes: number): number {
  return Math.max(5, Math.ceil(1.25 * classes));
}

// --- internal ---

/** Splits `total` in proportion to `counts` into whole numbers, each rounded down or up. */
function proportionalCounts(counts: readonly number[], total: number, key: Key): readonly number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const floors = counts.map((count) => Math.floor((total * count) / all));
  const left = total - floors.reduce((sum, count) => sum + count, 0);
  const tieBreakers = uniforms(key, counts.length);
  const remainder = (c: number): number => (total * (counts[c] as number)) % all; // whole numbers: ties are exact
  const first = counts
    .map((_, c) => c)
    .sort((a, b) => remainder(b) - remainder(a) || (tieBreakers[a] as number) - (tieBreakers[b] as number))
    .slice(0, left);
  return floors.map((count, c) => (first.includes(c) ? count + 1 : count));
}

function shuffled(rows: readonly number[], key: Key): Uint32Array {
  return permutation(key, rows.length).map((i) => rows[i] as number);
}
