import { describe, expect, it } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { type Chain } from './curves.ts';
import { drawsFrom } from './draws.ts';
import { drawChain, inkToGrey, NO_INK, newInk } from './pen.ts';

const SIDE = 12;

function grey(chain: Chain, options: { startRadius: number; endRadius: number; softness: number }): Uint8Array {
  const ink = newInk(SIDE);
  drawChain(ink, chain, { ...options, reach: options.softness / 2 });
  const out = new Uint8Array(SIDE * SIDE + 5);
  inkToGrey(ink, { peak: 255, softness: options.softness, out, offset: 5 });
  return out.subarray(5);
}

/** Every pixel against every point of a finely cut line. */
function slowDistance(chain: Chain, startRadius: number, endRadius: number, x: number, y: number): number {
  const segments = chain.length / 2 - 1;
  let least = Infinity;
  for (let i = 0; i < segments; i++) {
    for (let step = 0; step <= 2000; step++) {
      const t = step / 2000;
      const px = (chain[2 * i] as number) * (1 - t) + (chain[2 * i + 2] as number) * t;
      const py = (chain[2 * i + 1] as number) * (1 - t) + (chain[2 * i + 3] as number) * t;
      const radius = startRadius + ((i + t) / segments) * (endRadius - startRadius);
      least = Math.min(least, Math.hypot(x + 0.5 - px, y + 0.5 - py) - radius);
    }
  }
  return least;
}

describe('the pen', () => {
  it('draws a line of its width, dark outside, with an edge between', () => {
    const picture = grey(Float64Array.of(2, 6, 10, 6), { startRadius: 2, endRadius: 2, softness: 1 });
    const column = Array.from({ length: SIDE }, (_, y) => picture[y * SIDE + 6]);
    expect(column).toEqual([0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]); // centres 0.5 and 1.5 from the line; 2.5 is outside
    const soft = grey(Float64Array.of(2, 6.5, 10, 6.5), { startRadius: 2, endRadius: 2, softness: 2 });
    expect(soft[8 * SIDE + 6]).toBe(128); // 2 from the line: half
    expect(soft[5 * SIDE + 6]).toBe(255);
  });

  it('agrees with the slow way wherever the ink reaches, for a widening line', () => {
    const draws = drawsFrom(seedKey('pen'), 100);
    for (let trial = 0; trial < 3; trial++) {
      const chain = Float64Array.from({ length: 8 }, () => draws.uniform(-2, SIDE + 2));
      const ink = newInk(SIDE);
      // Along a widening line the nearest point is not quite where the ink is thickest: within 0.02 here.
      drawChain(ink, chain, { startRadius: 1, endRadius: 1.3, reach: 1 });
      for (let i = 0; i < SIDE * SIDE; i++) {
        const expected = slowDistance(chain, 1, 1.3, i % SIDE, Math.floor(i / SIDE));
        const found = ink.distance[i] as number;
        if (expected < 0.95) expect(Math.abs(found - expected)).toBeLessThan(0.02);
        else expect(found).toBeGreaterThan(0.9);
      }
    }
  });

  it('leaves the sheet blank where nothing was drawn, also for a line outside', () => {
    const ink = newInk(SIDE);
    drawChain(ink, Float64Array.of(-50, -50, -40, -60), { startRadius: 1, endRadius: 1, reach: 1 });
    expect(ink.distance.every((distance) => distance === NO_INK)).toBe(true);
    expect(
      grey(Float64Array.of(-50, -50, -40, -60), { startRadius: 1, endRadius: 1, softness: 1 }).some((v) => v > 0),
    ).toBe(false);
  });

  it('makes a dot of a line without length', () => {
    const picture = grey(Float64Array.of(6.5, 6.5, 6.5, 6.5), { startRadius: 1.2, endRadius: 1.2, softness: 0.2 });
    expect(picture.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0)).toBe(5);
  });
});
