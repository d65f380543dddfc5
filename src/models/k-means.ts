// k-means: so many centres that points are near one of them.

import { childKey, type Key, uniforms } from '../engine/keys.ts';

/** Points [n, d], row by row. */
export interface Points {
  readonly values: Float64Array;
  /** d */
  readonly size: number;
}

/**
 * `count` centres [count, d] of `points`: k-means++ (Arthur and Vassilvitskii 2007) by `key`, then Lloyd's rounds. A centre that
 * nothing is near stays where it is.
 */
export function kMeans(
  points: Points,
  { count, rounds, key }: { readonly count: number; readonly rounds: number; readonly key: Key },
): Float64Array {
  const { values, size } = points;
  const n = values.length / size;
  let centres = firstCentres(points, count, key);
  for (let round = 0; round < rounds; round++) {
    const sums = new Float64Array(count * size);
    const counts = new Float64Array(count);
    for (let i = 0; i < n; i++) {
      const nearest = nearestCentre({ values: centres, size }, values.subarray(i * size, (i + 1) * size));
      counts[nearest]!++;
      for (let j = 0; j < size; j++) sums[nearest * size + j]! += values[i * size + j] as number;
    }
    const previous = centres;
    centres = sums.map((sum, at) => {
      const near = counts[Math.floor(at / size)] as number;
      return near > 0 ? sum / near : (previous[at] as number);
    });
  }
  return centres;
}

/** The row of `centres` that is nearest to `point [d]`, the first of equals. */
export function nearestCentre({ values, size }: Points, point: Float64Array): number {
  let nearest = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let k = 0; k * size < values.length; k++) {
    const square = squareDistance(values, k * size, point);
    if (square < least) [nearest, least] = [k, square];
  }
  return nearest;
}

// --- internal ---

function squareDistance(values: Float64Array, from: number, point: Float64Array): number {
  let square = 0;
  for (let j = 0; j < point.length; j++) square += ((values[from + j] as number) - (point[j] as number)) ** 2;
  return square;
}

/** Points, each drawn with a probability in proportion to its square distance to those before. */
function firstCentres({ values, size }: Points, count: number, key: Key): Float64Array {
  const n = values.length / size;
  const pick = uniforms(childKey(key, 'first-centres'), count);
  const centres = new Float64Array(count * size);
  const squares = new Float64Array(n).fill(1);
  for (let k = 0; k < count; k++) {
    const total = squares.reduce((sum, square) => sum + square, 0);
    let left = (pick[k] as number) * total;
    let chosen = 0;
    while (chosen < n - 1 && left >= (squares[chosen] as number)) left -= squares[chosen++] as number;
    const point = values.subarray(chosen * size, (chosen + 1) * size);
    centres.set(point, k * size);
    for (let i = 0; i < n; i++) {
      const square = squareDistance(values, i * size, point);
      squares[i] = k === 0 ? square : Math.min(squares[i] as number, square);
    }
  }
  return centres;
}
