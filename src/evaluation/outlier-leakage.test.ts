import { describe, expect, test } from 'vitest';
import { childKey, normals, seedKey } from '../engine/keys.ts';
import { ShapeError } from '../errors.ts';
import { type OutlierLeakage, outlierLeakage } from './outlier-leakage.ts';

const PIXELS = 36;
const key = seedKey('outlier-leakage');

/** Images that light one half, left or right, with noise of their own. */
function halves(count: number, name: string, { left, light = 0.8, noise = 0.1 }: Half): Float32Array {
  const draws = normals(childKey(key, name), count * PIXELS);
  return draws.map((draw, i) => (i % 6 < 3 === left ? light : 0.1) + noise * draw);
}
interface Half {
  readonly left: boolean;
  readonly light?: number;
  readonly noise?: number;
}
function joined(a: Float32Array, b: Float32Array): Float32Array {
  return Float32Array.of(...a, ...b);
}

const foreign = halves(30, 'foreign', { left: true });
const typical = halves(100, 'typical', { left: false });
const heldOut = halves(200, 'held-out', { left: false });
const judge = (synthetic: Float32Array): OutlierLeakage =>
  outlierLeakage({ foreign, typical, heldOut, synthetic, pixels: PIXELS, key }) as OutlierLeakage;

describe('a decoder', () => {
  test('that dreams of foreign images one time in ten is seen, and the share is right', () => {
    const dreams = joined(halves(20, 'a', { left: true }), halves(180, 'b', { left: false }));
    expect(judge(dreams)).toMatchObject({ seen: true, synthetic: 0.1, heldOut: 0, excess: { estimate: 0.1 } });
  });

  test('that dreams of typical images alone is not, be they dim or bright', () => {
    const dreams = joined(
      halves(100, 'a', { left: false, light: 0.4, noise: 0.01 }),
      halves(100, 'b', { left: false }),
    );
    expect(judge(dreams)).toMatchObject({ seen: false, synthetic: 0 });
  });

  test('that dreams of two foreign images in two hundred is not: so few may be chance', () => {
    const dreams = joined(halves(2, 'a', { left: true }), halves(198, 'b', { left: false }));
    expect(judge(dreams)).toMatchObject({ seen: false, synthetic: 0.01 });
  });

  test('that gives noise, half of it nearest to something foreign, is not: it resembles nothing', () => {
    expect(judge(halves(200, 'a', { left: true, light: 0.1, noise: 1 }))).toMatchObject({ seen: false, synthetic: 0 });
  });
});

test('dreams are held against held-out images: where these are taken for foreign as often, nothing is seen', () => {
  const mixed = joined(halves(20, 'a', { left: true }), halves(180, 'b', { left: false }));
  const result = outlierLeakage({ foreign, typical, heldOut: mixed, synthetic: mixed, pixels: PIXELS, key });
  expect(result).toMatchObject({ seen: false, synthetic: 0.1, heldOut: 0.1 });
});

test('nothing is said of fewer than ten foreign images, and half images are refused', () => {
  const few = foreign.slice(0, 9 * PIXELS);
  expect(outlierLeakage({ foreign: few, typical, heldOut, synthetic: heldOut, pixels: PIXELS, key })).toBeNull();
  expect(() => judge(heldOut.slice(1))).toThrow(ShapeError);
});
