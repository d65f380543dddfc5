import { expect, test } from 'vitest';
import type { ImageSet } from '../data/image-set.ts';
import { type ConditionalVaeModel, trainableModel } from './silo-model.ts';

const SHAPE = { channels: 1, height: 1, width: 2 };
/** Two pixels an image; the second class is not offered. */
const IMAGES: ImageSet = {
  name: 'three',
  shape: SHAPE,
  images: Uint8Array.of(255, 0, 51, 102, 0, 255),
  labels: Uint8Array.of(0, 1, 2),
};
const model = (offered: readonly number[]): ConditionalVaeModel => ({
  kind: 'conditional-vae',
  architecture: { kind: 'mlp', hidden: [2], latent: 1 },
  loss: { reconstruction: 'mse', klWeight: 1 },
  prior: { kind: 'normal' },
  classes: { count: 3, offered },
  warmStart: null,
});

/** What training sees of the images: two pixels and three places of a class in each row. */
function rowsOf(offered: readonly number[], isPrivate: boolean): number[][] {
  const examples = trainableModel(model(offered), SHAPE).examples(IMAGES, isPrivate);
  const out = new Float32Array(examples.count * examples.size).fill(Number.NaN);
  examples.read(
    Uint32Array.from({ length: examples.count }, (_, i) => i),
    out,
  );
  return Array.from({ length: examples.count }, (_, i) =>
    Array.from(out.subarray(i * examples.size, (i + 1) * examples.size), (value) => Number(value.toFixed(3))),
  );
}

test('a conditional VAE sees images of the classes that its silo offers, and no other', () => {
  expect(rowsOf([0, 2], false)).toEqual([
    [1, 0, 1, 0, 0],
    [0, 1, 0, 0, 1],
  ]);
  expect(rowsOf([0, 1, 2], false)).toHaveLength(3);
});

test('under privacy it sees an empty example in their place: as many as the plan was made for, and nothing of them', () => {
  expect(rowsOf([0, 2], true)).toEqual([
    [1, 0, 1, 0, 0],
    [0, 0, 0, 0, 0],
    [0, 1, 0, 0, 1],
  ]);
  expect(rowsOf([0, 1, 2], true)).toEqual(rowsOf([0, 1, 2], false));
});
