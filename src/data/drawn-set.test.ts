import { describe, expect, it } from 'vitest';
import { childKey, seedKey } from '../engine/keys.ts';
import { SpecError } from '../errors.ts';
import { drawDigits, drawnDigits } from './drawn-digits.ts';
import { drawGarments, GARMENT_NAMES } from './drawn-garments.ts';
import { classCounts, type ImageSet, imageSetHash } from './image-set.ts';

const KEY = seedKey('drawn');
const SIZE = 28 * 28;

/** Part of `test` whose nearest neighbour in `train`, in squared distance, has the same label. */
function nearestNeighbour(train: ImageSet, test: ImageSet): number {
  let right = 0;
  for (let i = 0; i < test.labels.length; i++) {
    let least = Infinity;
    let label = -1;
    for (let j = 0; j < train.labels.length; j++) {
      let distance = 0;
      for (let d = 0; d < SIZE && distance < least; d++) {
        distance += ((test.images[i * SIZE + d] as number) - (train.images[j * SIZE + d] as number)) ** 2;
      }
      if (distance < least) {
        least = distance;
        label = train.labels[j] as number;
      }
    }
    if (label === test.labels[i]) right += 1;
  }
  return right / test.labels.length;
}

describe.each([
  { name: 'drawn-digits', draw: drawDigits },
  { name: 'drawn-garments', draw: drawGarments },
])('$name', ({ name, draw }) => {
  it('are the same for the same key, and the first ones whatever the count', () => {
    const many = draw({ key: KEY, count: 40 });
    const few = draw({ key: KEY, count: 7 });
    expect(many.name).toBe(name);
    expect(few.images).toEqual(many.images.subarray(0, 7 * SIZE));
    expect([...few.labels]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(imageSetHash(draw({ key: KEY, count: 40 }))).toBe(imageSetHash(many));
    expect(imageSetHash(draw({ key: childKey(KEY, 'other'), count: 40 }))).not.toBe(imageSetHash(many));
  });

  it('come in turn, all classes or the wanted ones, equally often', () => {
    expect(classCounts(draw({ key: KEY, count: 100 }).labels).map(({ count }) => count)).toEqual(
      Array.from({ length: 10 }, () => 10),
    );
    expect([...draw({ key: KEY, count: 5, classes: [7, 2] }).labels]).toEqual([7, 2, 7, 2, 7]);
    expect(draw({ key: KEY, count: 0 }).images).toHaveLength(0);
  });

  it('all differ, none is empty, none is without background', () => {
    const { images, labels } = draw({ key: KEY, count: 300 });
    const seen = new Set<string>();
    labels.forEach((_, i) => {
      const image = images.subarray(i * SIZE, (i + 1) * SIZE);
      seen.add(image.join());
      expect(image.filter((grey) => grey > 60).length).toBeGreaterThan(15);
      expect(image.filter((grey) => grey === 0).length).toBeGreaterThan(SIZE / 5);
    });
    expect(seen.size).toBe(300);
  });

  it('can be told apart by their nearest neighbour, mostly', () => {
    const train = draw({ key: childKey(KEY, 'train'), count: 1000 });
    const accuracy = nearestNeighbour(train, draw({ key: childKey(KEY, 'test'), count: 200 }));
    expect(accuracy).toBeGreaterThan(0.8);
    expect(accuracy).toBeLessThan(1);
  });

  it('refuse classes that there are not', () => {
    expect(() => draw({ key: KEY, count: 1, classes: [10] })).toThrow(SpecError);
    expect(() => draw({ key: KEY, count: 1, classes: [] })).toThrow(/from 0 to 9, found none/);
    expect(() => draw({ key: KEY, count: -1 })).toThrow(SpecError);
    expect(() => draw({ key: KEY, count: 1.5 })).toThrow(SpecError);
  });
});

describe('drawn digits', () => {
  it('lie in the middle, about 20 pixels large, like those of MNIST', () => {
    const { images } = drawDigits({ key: KEY, count: 500 });
    let ink = 0;
    let border = 0;
    let [sumX, sumY] = [0, 0];
    images.forEach((grey, i) => {
      const [x, y] = [i % 28, Math.floor((i % SIZE) / 28)];
      ink += grey;
      sumX += grey * x;
      sumY += grey * y;
      if (x < 2 || y < 2 || x > 25 || y > 25) border += grey;
    });
    expect(sumX / ink).toBeGreaterThan(13);
    expect(sumX / ink).toBeLessThan(14);
    expect(sumY / ink).toBeGreaterThan(13);
    expect(sumY / ink).toBeLessThan(14);
    expect(border / ink).toBeLessThan(0.002);
    expect(ink / images.length / 255).toBeGreaterThan(0.1); // MNIST: 0.131
    expect(ink / images.length / 255).toBeLessThan(0.15);
  });

  it('make a data set whose parts share no image', () => {
    const set = drawnDigits({ key: KEY, trainCount: 50, testCount: 30 });
    expect([set.name, set.train.name, set.test.name]).toEqual([
      'drawn-digits',
      'drawn-digits/train',
      'drawn-digits/test',
    ]);
    expect(set.classNames).toHaveLength(10);
    expect(set.train.labels).toHaveLength(50);
    expect(set.test.images).not.toEqual(set.train.images.subarray(0, 30 * SIZE));
  });

  it('are these very images, so that a change of the drawings is noticed', () => {
    expect(imageSetHash(drawDigits({ key: KEY, count: 100 }))).toBe(
      '47a2b1fd69725d83e71834886d4e2dc74a7ecdbc0290d24d134cab0c209a3dcc',
    );
    expect(imageSetHash(drawGarments({ key: KEY, count: 100 }))).toBe(
      '3217c14d4062c0822bafb8c2fb858686bbee1b7f8c463699ccc4f9a08bf1b16e',
    );
    expect(GARMENT_NAMES).toHaveLength(10);
  });
});
