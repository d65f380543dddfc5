// From bytes in memory to the rows of numbers that a training step reads.

import { ShapeError } from '../errors.ts';
import { type ImageSet } from './image-set.ts';
import { pixelCount } from '../models/image-shape.ts';

/** Rows of numbers, whatever is behind them: what the training loop reads. */
export interface ImageExamples {
  readonly count: number;
  /** D: numbers of one example. */
  readonly size: number;
  /** Writes the rows one after the other into the beginning of `out`, [B, D] in [0, 1]. */
  read(rows: ArrayLike<number>, out: Float32Array): void;
}

/** Images as numbers b / 255 in [0, 1]. `read` throws ShapeError for a row outside of the set or too small an `out`. */
export function imageExamples(set: ImageSet): ImageExamples {
  const size = pixelCount(set.shape);
  const count = set.labels.length;
  const { images } = set;
  if (images.length !== count * size) {
    throw new ShapeError(`${set.name}: ${count} labels and ${images.length} bytes of ${size} an image do not fit.`);
  }
  return {
    count,
    size,
    read(rows, out) {
      if (out.length < rows.length * size) {
        throw new ShapeError(`${rows.length} rows of ${size} numbers do not fit into ${out.length}.`);
      }
      let to = 0;
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i] as number;
        if (!(row >= 0 && row < count)) {
          throw new ShapeError(`Row ${row} is outside of ${set.name}, which has ${count} images.`, { row });
        }
        const from = row * size;
        for (let d = 0; d < size; d++) out[to++] = UNIT[images[from + d] as number] as number;
      }
    },
  };
}

/** The images of `rows`, or all, as numbers in [0, 1]: [B, D]. Throws ShapeError as `imageExamples` does. */
export function imagePixels(set: ImageSet, rows?: ArrayLike<number>): Float32Array {
  const examples = imageExamples(set);
  const chosen = rows ?? Uint32Array.from({ length: examples.count }, (_, row) => row);
  const out = new Float32Array(chosen.length * examples.size);
  examples.read(chosen, out);
  return out;
}

// --- internal ---

/** b / 255 for every byte b: a look-up is faster than a division. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);
