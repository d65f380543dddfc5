import { expect, test } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { NumericalError } from '../errors.ts';
import { latentOverlap, NEIGHBOURS } from './latent-overlap.ts';

const key = seedKey('latent-overlap');
const noise = normals(seedKey('codes'), 400); // [200, 2]
const classes = Uint8Array.from({ length: 200 }, (_, i) => Math.floor(i / 50)); // sorted, as test sets may be

test('classes far apart do not overlap at all', () => {
  const codes = noise.map((value, i) => value + 100 * (classes[i >> 1] as number));
  const result = latentOverlap({ codes, dim: 2, labels: classes, key });
  expect(result).toEqual({ seen: false, overlap: 0, otherNeighbours: 0, chance: 150 / 199, images: 200 });
});

test('codes that say nothing of the class overlap as by chance, and so do codes that are all the same', () => {
  for (const codes of [noise, new Float32Array(400)]) {
    const result = latentOverlap({ codes, dim: 2, labels: classes, key });
    expect(result?.seen).toBe(true);
    expect(Math.abs((result?.overlap as number) - 1)).toBeLessThan(0.1);
  }
});

test('with eleven codes everybody is a neighbour, which is chance to the digit', () => {
  const result = latentOverlap({ codes: noise.slice(0, 22), dim: 2, labels: [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2], key });
  expect(result?.otherNeighbours).toBeCloseTo((4 * 7 + 5 * 6 + 2 * 9) / 110, 12);
  expect(result?.overlap).toBeCloseTo(1, 12);
});

test('neighbours are those that sorting all distances finds', () => {
  const codes = noise.map((value, i) => value + 1.5 * (classes[i >> 1] as number)); // some overlap
  const at = (row: number) => [codes[2 * row] as number, codes[2 * row + 1] as number] as const;
  let others = 0;
  classes.forEach((own, row) => {
    const [x, y] = at(row);
    const near = [...classes.keys()]
      .filter((other) => other !== row)
      .sort((a, b) => Math.hypot(at(a)[0] - x, at(a)[1] - y) - Math.hypot(at(b)[0] - x, at(b)[1] - y));
    others += near.slice(0, NEIGHBOURS).filter((other) => classes[other] !== own).length;
  });
  const result = latentOverlap({ codes, dim: 2, labels: classes, key });
  expect(result?.otherNeighbours).toBeCloseTo(others / (200 * NEIGHBOURS), 12);
  expect(result?.overlap).toBeGreaterThan(0.1);
  expect(result?.overlap).toBeLessThan(0.9);
});

test('nothing is said of too few codes or of one class, and a code that is no number is refused', () => {
  expect(latentOverlap({ codes: noise.slice(0, 20), dim: 2, labels: classes.slice(0, 10), key })).toBeNull();
  expect(latentOverlap({ codes: noise, dim: 2, labels: new Uint8Array(200), key })).toBeNull();
  const codes = noise.with(7, Number.NaN);
  expect(() => latentOverlap({ codes, dim: 2, labels: classes, key })).toThrow(NumericalError);
});
