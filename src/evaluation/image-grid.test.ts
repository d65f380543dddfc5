// Grids, decoded again and looked at pixel by pixel.

import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../errors.ts';
import { imageGridPng } from './image-grid.ts';

const grey = { channels: 1, height: 2, width: 2 };

/** Rows of a decoded grey picture. */
function rowsOf(png: Uint8Array): number[][] {
  const { width, height, data } = decode(png);
  return Array.from({ length: height }, (_, y) => [...data.subarray(y * width, (y + 1) * width)]);
}

describe('imageGridPng', () => {
  it('lays images out row by row between grey gaps', () => {
    const images = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    const gap = 72;
    expect(rowsOf(imageGridPng({ images, shape: grey, columns: 2, gap: 1 }))).toEqual([
      [gap, gap, gap, gap, gap, gap, gap],
      [gap, 1, 2, gap, 5, 6, gap],
      [gap, 3, 4, gap, 7, 8, gap],
      [gap, gap, gap, gap, gap, gap, gap],
      [gap, 9, 10, gap, gap, gap, gap],
      [gap, 11, 12, gap, gap, gap, gap],
      [gap, gap, gap, gap, gap, gap, gap],
    ]);
  });

  it('clamps numbers to 0 to 1 and paints what is not a number black', () => {
    const images = Float32Array.of(-3, 0.5, 1, 7, Number.NaN, Number.POSITIVE_INFINITY, 0, 0.2);
    const rows = rowsOf(imageGridPng({ images, shape: grey, columns: 2, gap: 0 }));
    expect(rows).toEqual([
      [0, 128, 0, 255],
      [255, 255, 0, 51],
    ]);
  });

  it('enlarges pixels to squares', () => {
    const rows = rowsOf(imageGridPng({ images: Uint8Array.of(1, 2, 3, 4), shape: grey, columns: 9, scale: 3, gap: 0 }));
    expect(rows.length).toBe(6);
    expect(rows[2]).toEqual([1, 1, 1, 2, 2, 2]);
    expect(rows[3]).toEqual([3, 3, 3, 4, 4, 4]);
  });

  it('paints three channels, stored one after the other, as RGB', () => {
    const shape = { channels: 3, height: 1, width: 2 };
    const png = decode(imageGridPng({ images: Uint8Array.of(10, 11, 20, 21, 30, 31), shape, columns: 1, gap: 0 }));
    expect(png).toMatchObject({ width: 2, height: 1, channels: 3, depth: 8 });
    expect([...png.data]).toEqual([10, 20, 30, 11, 21, 31]);
  });

  it('prints numbers above the images', () => {
    const shape = { channels: 1, height: 1, width: 7 };
    const images = new Uint8Array(14).fill(255);
    const rows = rowsOf(imageGridPng({ images, shape, columns: 1, gap: 1, labels: [7, 10] }));
    const drawn = rows.slice(1, 6).map((row) => row.map((value) => (value === 235 ? '#' : '.')).join(''));
    expect(drawn).toEqual(['...###...', '.....#...', '....#....', '....#....', '....#....']);
    const second = rows.slice(9, 14).map((row) => row.map((value) => (value === 235 ? '#' : '.')).join(''));
    expect(second).toEqual(['..#..###.', '.##..#.#.', '..#..#.#.', '..#..#.#.', '.###.###.']);
  });

  it('gives the same bytes for the same images', () => {
    const options = { images: Uint8Array.of(1, 2, 3, 4), shape: grey, columns: 1 };
    expect(imageGridPng(options)).toEqual(imageGridPng(options));
  });

  it('refuses sizes that do not fit', () => {
    const images = Uint8Array.of(1, 2, 3, 4);
    expect(() => imageGridPng({ images: images.subarray(1), shape: grey, columns: 1 })).toThrow(ShapeError);
    expect(() => imageGridPng({ images: images.subarray(4), shape: grey, columns: 1 })).toThrow(ShapeError);
    expect(() => imageGridPng({ images, shape: { channels: 2, height: 1, width: 2 }, columns: 1 })).toThrow(/1 or 3/);
    expect(() => imageGridPng({ images, shape: grey, columns: 0 })).toThrow(ShapeError);
    expect(() => imageGridPng({ images, shape: grey, columns: 1, labels: [1, 2] })).toThrow(ShapeError);
  });
});
