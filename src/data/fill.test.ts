import { describe, expect, it } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { type Chain, chainThrough } from './curves.ts';
import { drawsFrom } from './draws.ts';
import { coverShape } from './fill.ts';

const SIDE = 8;

function coverage(chain: Chain): Float32Array {
  const out = new Float32Array(SIDE * SIDE);
  coverShape(out, SIDE, chain);
  return out;
}

/** Whether a point is inside: a ray to the right crosses the outline an odd number of times. */
function isInside(chain: Chain, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0; i < chain.length; i += 2) {
    const j = (i + 2) % chain.length;
    const [x0, y0, x1, y1] = [chain[i], chain[i + 1], chain[j], chain[j + 1]] as [number, number, number, number];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) inside = !inside;
  }
  return inside;
}

describe('a filled shape', () => {
  it('covers the pixels of a rectangle in full, and half where its edge halves them', () => {
    const out = coverage(Float64Array.of(1.5, 2, 4, 2, 4, 5, 1.5, 5));
    expect([...out.subarray(3 * SIDE, 4 * SIDE)]).toEqual([0, 0.5, 1, 1, 0, 0, 0, 0]);
    expect([...out.subarray(SIDE, 2 * SIDE)].every((part) => part === 0)).toBe(true);
    expect(out.reduce((sum, part) => sum + part, 0)).toBe(7.5);
  });

  it('agrees with counting many points of every pixel', () => {
    const draws = drawsFrom(seedKey('fill'), 100);
    for (let trial = 0; trial < 5; trial++) {
      const points = Array.from({ length: 6 }, (): [number, number] => [draws.uniform(-1, 9), draws.uniform(-1, 9)]);
      const chain = chainThrough(trial % 2 === 0 ? 'straight' : 'loop', points, 4);
      const out = coverage(chain);
      let difference = 0;
      for (let i = 0; i < SIDE * SIDE; i++) {
        let hits = 0;
        for (let k = 0; k < 400; k++) {
          const x = (i % SIDE) + ((k % 20) + 0.5) / 20;
          const y = Math.floor(i / SIDE) + (Math.floor(k / 20) + 0.5) / 20;
          if (isInside(chain, x, y)) hits += 1;
        }
        expect(Math.abs(hits / 400 - (out[i] as number))).toBeLessThan(0.13);
        difference += Math.abs(hits / 400 - (out[i] as number)) / (SIDE * SIDE);
      }
      expect(difference).toBeLessThan(0.02);
    }
  });

  it('outside of the sheet covers nothing', () => {
    expect(coverage(Float64Array.of(20, 20, 30, 20, 30, 30)).some((part) => part !== 0)).toBe(false);
    expect(coverage(Float64Array.of(-9, 1, -2, 1, -2, 5)).some((part) => part !== 0)).toBe(false);
  });
});
