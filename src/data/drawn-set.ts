// What drawn data sets have in common: classes in turn, and a key of its own for every image.

import { childKey, type Key } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { type Draws, drawsFrom } from './draws.ts';
import type { DataSet, ImageSet } from './image-set.ts';

/** What to draw. */
export interface DrawnWish {
  readonly key: Key;
  readonly count: number;
  /** Image i is of class `classes[i % classes.length]`. Default: all ten. */
  readonly classes?: readonly number[] | undefined;
}

/** A drawn data set: how many images of each part. */
export interface DrawnCounts {
  readonly key: Key;
  readonly trainCount: number;
  readonly testCount: number;
}

/** Height and width of drawn images, as in MNIST. */
export const DRAWN_SIDE = 28;

/** Where one drawing goes: `DRAWN_SIDE` squared bytes of `out` from `offset`, all 0 before. */
export interface Sheet {
  readonly out: Uint8Array;
  readonly offset: number;
}

/** A kind of pictures. */
export interface DrawnKind {
  readonly name: string;
  /** Classes are 0..classCount-1. */
  readonly classCount: number;
  /** Most random numbers that one drawing takes. */
  readonly drawLimit: number;
  readonly draw: (label: number, draws: Draws, sheet: Sheet) => void;
}

/**
 * N drawings, [N, 1, 28, 28]. Image i depends on the key, i and its class alone, so that the first n images are the
 * same whatever the count. Throws SpecError for a class that the kind has not, or a count that is no number.
 */
export function drawSet(kind: DrawnKind, { key, count, classes }: DrawnWish): ImageSet {
  if (!(Number.isInteger(count) && count >= 0)) {
    throw new SpecError(`${kind.name}: expected a whole number of images from 0, found ${count}.`, {
      path: 'count',
      count,
    });
  }
  const inTurn = classes ?? Array.from({ length: kind.classCount }, (_, label) => label);
  const unknown = inTurn.find((label) => !(Number.isInteger(label) && label >= 0 && label < kind.classCount));
  if (unknown !== undefined || inTurn.length === 0) {
    throw new SpecError(
      `${kind.name}: expected classes from 0 to ${kind.classCount - 1}, found ${unknown ?? 'none'}. Edit the classes.`,
      { path: 'classes', found: unknown ?? null },
    );
  }
  const size = DRAWN_SIDE * DRAWN_SIDE;
  const images = new Uint8Array(count * size);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const label = inTurn[i % inTurn.length] as number;
    labels[i] = label;
    kind.draw(label, drawsFrom(childKey(key, i), kind.drawLimit), { out: images, offset: i * size });
  }
  return { name: kind.name, shape: { channels: 1, height: DRAWN_SIDE, width: DRAWN_SIDE }, images, labels };
}

/** A kind as a data set; training and test images are drawn under keys of their own. */
export function drawDataSet(
  kind: DrawnKind,
  classNames: readonly string[],
  { key, trainCount, testCount }: DrawnCounts,
): DataSet {
  const part = (name: string, count: number): ImageSet => ({
    ...drawSet(kind, { key: childKey(key, name), count }),
    name: `${kind.name}/${name}`,
  });
  return { name: kind.name, classNames, train: part('train', trainCount), test: part('test', testCount) };
}
