import { describe, expect, it } from 'vitest';
import { normals, seedKey } from '../engine/keys.ts';
import { nearestNeighbours } from './nearest-neighbours.ts';

/** One pair at a time. */
function slowTwin(queries: Float32Array, references: Float32Array, dim: number) {
  return Array.from({ length: queries.length / dim }, (_, q) => {
    let best = { row: -1, distance: Number.POSITIVE_INFINITY };
    for (let r = 0; r < references.length / dim; r++) {
      let sum = 0;
      for (let d = 0; d < dim; d++) {
        sum += ((queries[q * dim + d] as number) - (references[r * dim + d] as number)) ** 2;
      }
      if (Math.sqrt(sum) < best.distance) best = { row: r, distance: Math.sqrt(sum) };
    }
    return best;
  });
}

describe('nearest neighbours', () => {
  it('are right by hand: on a line, 2.4 is nearest to 2 and 9 to 7', () => {
    const found = nearestNeighbours({
      queries: Float32Array.of(2.5, 9),
      references: Float32Array.of(0, 7, 2),
      dim: 1,
    });
    expect([...found.rows]).toEqual([2, 1]);
    expect([...found.distances]).toEqual([0.5, 2]);
  });

  it.each([
    [1, 1],
    [2, 63],
    [5, 64],
    [7, 131],
  ])('are those of the slow twin for %i queries among %i references', (queryCount, referenceCount) => {
    const dim = 13;
    const queries = normals(seedKey('queries'), queryCount * dim);
    const references = normals(seedKey('references'), referenceCount * dim);
    const twin = slowTwin(queries, references, dim);
    const { rows, distances } = nearestNeighbours({ queries, references, dim });
    expect([...rows]).toEqual(twin.map(({ row }) => row));
    twin.forEach(({ distance }, q) => expect(distances[q]).toBeCloseTo(distance, 12));
  });

  it('have distance exactly 0 where a copy is there, and the first of equals wins', () => {
    const references = normals(seedKey('copies'), 100 * 9);
    references.copyWithin(80 * 9, 20 * 9, 21 * 9);
    const { rows, distances } = nearestNeighbours({ queries: references.slice(80 * 9), references, dim: 9 });
    expect(rows[0]).toBe(20);
    expect([...rows.subarray(1)]).toEqual(Array.from({ length: 19 }, (_, i) => 81 + i));
    expect(distances.every((value) => value === 0)).toBe(true);
  });

  it('of no queries are none', () => {
    const { rows, distances } = nearestNeighbours({
      queries: new Float32Array(0),
      references: Float32Array.of(1),
      dim: 1,
    });
    expect([rows.length, distances.length]).toEqual([0, 0]);
  });

  it('refuses no references, broken rows and numbers that are none', () => {
    const one = Float32Array.of(1);
    expect(() => nearestNeighbours({ queries: one, references: new Float32Array(0), dim: 1 })).toThrow(/at least one/);
    expect(() => nearestNeighbours({ queries: one, references: Float32Array.of(1, 2), dim: 2 })).toThrow(
      /whole queries/,
    );
    expect(() => nearestNeighbours({ queries: Float32Array.of(NaN), references: one, dim: 1 })).toThrow(/not finite/);
  });
});
