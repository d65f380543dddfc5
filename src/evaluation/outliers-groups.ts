// The four groups of real images that every measure of outliers compares: foreign or typical, learnt from or held out.

import { type Key, permutation } from '../engine/keys.ts';

/** Something of each group. */
export interface OutlierGroups<T> {
  /** Foreign images in the training data. */
  readonly members: T;
  /** Foreign images of the same source that were in nobody's training data: the control. */
  readonly heldOut: T;
  /** Images of the silo's own kind in the training data. */
  readonly typical: T;
  /** Images of its own kind that were in nobody's. */
  readonly typicalHeldOut: T;
}

/** Name of a group. */
export type Group = keyof OutlierGroups<unknown>;

/** All four, made one by one. */
export function eachGroup<T>(make: (group: Group) => T): OutlierGroups<T> {
  return {
    members: make('members'),
    heldOut: make('heldOut'),
    typical: make('typical'),
    typicalHeldOut: make('typicalHeldOut'),
  };
}

/** All four, one after the other. */
export async function eachGroupInTurn<T>(make: (group: Group) => Promise<T>): Promise<OutlierGroups<T>> {
  return {
    members: await make('members'),
    heldOut: await make('heldOut'),
    typical: await make('typical'),
    typicalHeldOut: await make('typicalHeldOut'),
  };
}

/** `count` of `total` rows at random, ascending; all of them where there are no more. */
export function someRows(total: number, count: number, key: Key): Uint32Array {
  return permutation(key, total).slice(0, count).sort();
}

/** The chosen rows of `values` [N, F], copied. */
export function takeRows(values: Float32Array, rows: ArrayLike<number>, size: number): Float32Array {
  const out = new Float32Array(rows.length * size);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    out.set(values.subarray(row * size, (row + 1) * size), i * size);
  }
  return out;
}
