import { expect, test } from 'vitest';
import { seedKey, uniforms } from '../engine/keys.ts';
import { type Warp, warpImage } from './warp-image.ts';

const STILL: Warp = { shift: [0, 0], angle: 0, scale: 1, shear: 0, isMirrored: false };
const THREE = { channels: 1, height: 3, width: 3 };
const IMAGE = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);

function warped(warp: Partial<Warp>, image = IMAGE, shape = THREE): number[] {
  const out = new Float32Array(image.length).fill(99);
  warpImage(image, out, shape, { ...STILL, ...warp });
  return Array.from(out, (value) => Math.round(value * 1e4) / 1e4 + 0);
}

test('nothing to do is done exactly', () => {
  const image = Float32Array.from(uniforms(seedKey('warp'), 2 * 5 * 4));
  const out = new Float32Array(image.length);
  warpImage(image, out, { channels: 2, height: 5, width: 4 }, STILL);
  expect(out).toEqual(image);
});

test.each([
  ['one to the right', { shift: [1, 0] }, [0, 1, 2, 0, 4, 5, 0, 7, 8]],
  ['one upwards', { shift: [0, -1] }, [4, 5, 6, 7, 8, 9, 0, 0, 0]],
  ['half a pixel to the right', { shift: [0.5, 0] }, [0.5, 1.5, 2.5, 2, 4.5, 5.5, 3.5, 7.5, 8.5]],
  ['out of sight', { shift: [3, 0] }, [0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ['a quarter turn clockwise', { angle: Math.PI / 2 }, [7, 4, 1, 8, 5, 2, 9, 6, 3]],
  ['mirrored', { isMirrored: true }, [3, 2, 1, 6, 5, 4, 9, 8, 7]],
  ['sheared: the row below to the right, the one above to the left', { shear: 1 }, [2, 3, 0, 4, 5, 6, 0, 7, 8]],
  ['twice as large', { scale: 2 }, [3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7]],
  ['half as large', { scale: 0.5 }, [0, 0, 0, 0, 5, 0, 0, 0, 0]],
] as const)('by hand: %s', (_, warp, wanted) => {
  expect(warped(warp)).toEqual(wanted);
});

test('mirrored and turned: first the turn, then the mirror', () => {
  expect(warped({ angle: Math.PI / 2, isMirrored: true })).toEqual([1, 4, 7, 2, 5, 8, 3, 6, 9]);
});

test('every channel moves alike', () => {
  const two = Float32Array.of(1, 2, 3, 4, 10, 20, 30, 40);
  expect(warped({ shift: [1, 0] }, two, { channels: 2, height: 2, width: 2 })).toEqual([0, 1, 0, 3, 0, 10, 0, 30]);
});

test('is bilinear interpolation of the image on a field of zeros, at any angle, scale and shear', () => {
  const shape = { channels: 1, height: 5, width: 7 };
  const image = Float32Array.from(uniforms(seedKey('slow twin'), 35));
  const warp = { shift: [0.7, -1.2], angle: 0.5, scale: 1.2, shear: 0.3, isMirrored: true } as const;
  const at = (x: number, y: number) => (x < 0 || y < 0 || x > 6 || y > 4 ? 0 : (image[y * 7 + x] as number));
  const found = new Float32Array(35);
  warpImage(image, found, shape, warp);
  for (const [i, value] of found.entries()) {
    // forwards: the place q in the image goes to mirror(R S (q - centre)) + centre + shift; here solved for q
    let [x, y] = [(i % 7) - 3 - 0.7, Math.floor(i / 7) - 2 + 1.2];
    x = -x;
    [x, y] = [(Math.cos(0.5) * x + Math.sin(0.5) * y) / 1.2, (-Math.sin(0.5) * x + Math.cos(0.5) * y) / 1.2];
    x -= 0.3 * y;
    const [u, v] = [x + 3, y + 2];
    const [left, top] = [Math.floor(u), Math.floor(v)];
    let wanted = 0;
    for (const [dx, dy] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      wanted += at(left + dx, top + dy) * (1 - Math.abs(u - left - dx)) * (1 - Math.abs(v - top - dy));
    }
    expect(value).toBeCloseTo(wanted, 5);
  }
});
