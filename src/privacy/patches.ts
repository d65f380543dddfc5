// The windows that a 4 x 4 convolution (stride 2, padding 1) looks through, as columns: im2col.

import { numpy as np } from '@jax-js/jax';

/**
 * `x [B, C, H, W] -> [B, C * 16, H/2 * W/2]`: row (c, i, j) of column (y, x) is the element at (2y + i - 1, 2x + j - 1)
 * of channel c, zero outside of the image. H and W are even.
 */
export function patches(x: np.Array): np.Array {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [h, w] = [height / 2, width / 2];
  const border: [number, number][] = [
    [0, 0],
    [0, 0],
    [1, 1],
    [1, 1],
  ];
  // Every window is two blocks of two, down and across: offset 2 a + i of a window is place i of block y + a.
  const blocks = np.pad(x, border).reshape([batch, channels, h + 1, 2, w + 1, 2]);
  const shifted = [0, 1].flatMap((down) =>
    [0, 1].map((right) => blocks.ref.slice([], [], [down, down + h], [], [right, right + w], [])),
  ); // each [B, C, h, 2, w, 2]
  blocks.dispose();
  return np
    .stack(shifted)
    .reshape([2, 2, batch, channels, h, 2, w, 2])
    .transpose([2, 3, 0, 5, 1, 7, 4, 6]) // [B, C, a, i, b, j, h, w]
    .reshape([batch, channels * 16, h * w]);
}
