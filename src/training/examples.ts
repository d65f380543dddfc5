// What a training loop reads from: rows of pixels, wherever they are kept.

import type { Key } from '../engine/keys.ts';

/** N rows of D numbers in [0, 1]. */
export interface Examples {
  /** N */
  readonly count: number;
  /** D */
  readonly size: number;
  /** Copies rows into `out`, one after another. */
  read(rows: ArrayLike<number>, out: Float32Array): void;
  /** As one epoch sees them, where that changes from epoch to epoch: as many of the same size, and the same again for the same key. */
  forEpoch?(key: Key): Pick<Examples, 'count' | 'size' | 'read'>;
}

/** Rows kept as floats: a pool of synthetic images. `values` is [N, D]. */
export function floatExamples(values: Float32Array, size: number): Examples {
  return {
    count: values.length / size,
    size,
    read(rows, out) {
      for (let i = 0; i < rows.length; i++) {
        const start = (rows[i] as number) * size;
        out.set(values.subarray(start, start + size), i * size);
      }
    },
  };
}
