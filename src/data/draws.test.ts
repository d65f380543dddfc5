import { describe, expect, it } from 'vitest';
import { seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { drawsFrom } from './draws.ts';

const KEY = seedKey('draws');

describe('the random numbers of a drawing', () => {
  it('are the same for the same key', () => {
    const [a, b] = [drawsFrom(KEY, 10), drawsFrom(KEY, 10)];
    expect([a.uniform(0, 1), a.pick(5), a.normal(1)]).toEqual([b.uniform(0, 1), b.pick(5), b.normal(1)]);
  });

  it('have the ranges and moments that they promise', () => {
    const draws = drawsFrom(KEY, 40_000);
    const uniforms = Array.from({ length: 10_000 }, () => draws.uniform(2, 4));
    expect(Math.min(...uniforms)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...uniforms)).toBeLessThan(4);
    const normals = Array.from({ length: 10_000 }, () => draws.normal(2));
    const mean = normals.reduce((sum, x) => sum + x, 0) / 10_000;
    const variance = normals.reduce((sum, x) => sum + x * x, 0) / 10_000;
    expect(Math.abs(mean)).toBeLessThan(0.08); // four standard errors
    expect(Math.sqrt(variance)).toBeGreaterThan(1.93); // the cut takes 0.2 % off
    expect(Math.sqrt(variance)).toBeLessThan(2.06);
    expect(Math.max(...normals.map(Math.abs))).toBeLessThanOrEqual(6);
    const picks = Array.from({ length: 5000 }, () => draws.pick(3));
    expect(new Set(picks)).toEqual(new Set([0, 1, 2]));
  });

  it('end where the drawing was said to end', () => {
    const draws = drawsFrom(KEY, 2);
    draws.normal(1);
    expect(() => draws.pick(2)).toThrow(ShapeError);
  });
});
