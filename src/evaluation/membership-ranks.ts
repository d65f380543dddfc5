// Two samples compared by ranks: the Mann-Whitney test and the area under the ROC curve, which are one statistic.

import { ShapeError } from '../errors.ts';
import { normalCdf, normalQuantile } from '../privacy/normal-distribution.ts';
import { CONFIDENCE, type Estimate } from './outliers-intervals.ts';

/** How far the values of `a` lie above those of `b`. */
export interface RankComparison {
  /** Pairs in which a's value is the larger one, ties counted half: Mann and Whitney's U of `a`. */
  readonly u: number;
  /** Two-sided, by the normal approximation with corrections for ties and continuity; 1 where all values are equal. */
  readonly pValue: number;
  /**
   * U as a share of all pairs: the area under the ROC curve of a threshold that takes large values for `a`. Its interval is
   * that of DeLong, DeLong and Clarke-Pearson (1988), which has no width where the samples do not overlap.
   */
  readonly auc: Estimate;
}

/** Compares two samples of at least one value each. Throws ShapeError for an empty one. */
export function compareRanks(a: ArrayLike<number>, b: ArrayLike<number>): RankComparison {
  const [m, n] = [a.length, b.length];
  if (m === 0 || n === 0) {
    throw new ShapeError(`Expected two samples to compare, but got ${m} and ${n} values.`, { a: m, b: n });
  }
  const pooled = midRanks([...Array.from(a), ...Array.from(b)]);
  const rankSum = pooled.ranks.subarray(0, m).reduce((sum, rank) => sum + rank, 0);
  const u = rankSum - (m * (m + 1)) / 2;
  return { u, pValue: twoSided({ u, m, n, ties: pooled.ties }), auc: areaOf(pooled.ranks, a, b) };
}

// --- internal ---

interface MidRanks {
  /** From 1; equal values share the mean of their ranks. */
  readonly ranks: Float64Array;
  /** Sum of t^3 - t over groups of t equal values. */
  readonly ties: number;
}

function midRanks(values: readonly number[]): MidRanks {
  const order = values.map((_, i) => i).sort((i, j) => (values[i] as number) - (values[j] as number));
  const ranks = new Float64Array(values.length);
  let ties = 0;
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++;
    for (let i = from; i < to; i++) ranks[order[i] as number] = (from + to + 1) / 2;
    const equal = to - from;
    ties += equal ** 3 - equal;
    from = to;
  }
  return { ranks, ties };
}

/** U is about normal with mean mn/2 and the variance of Lehmann (1975), 1.20, with ties. */
function twoSided({ u, m, n, ties }: { u: number; m: number; n: number; ties: number }): number {
  const all = m + n;
  const variance = ((m * n) / 12) * (all + 1 - ties / (all * (all - 1)));
  if (!(variance > 0)) return 1;
  const excess = Math.max(0, Math.abs(u - (m * n) / 2) - 0.5); // half a step, as U is a whole number
  return Math.min(1, 2 * normalCdf(-excess / Math.sqrt(variance)));
}

/** The placements of each value among the other sample, by ranks (Sun and Xu 2014), and the variance of their means. */
function areaOf(pooled: Float64Array, a: ArrayLike<number>, b: ArrayLike<number>): Estimate {
  const [m, n] = [a.length, b.length];
  const within = (own: ArrayLike<number>) => midRanks(Array.from(own)).ranks;
  const above = within(a).map((rank, i) => ((pooled[i] as number) - rank) / n);
  const below = within(b).map((rank, j) => 1 - ((pooled[m + j] as number) - rank) / m);
  const estimate = above.reduce((sum, value) => sum + value, 0) / m;
  const error = Math.sqrt(variance(above) / m + variance(below) / n);
  const reach = error * normalQuantile((1 + CONFIDENCE) / 2);
  return { estimate, low: Math.max(0, estimate - reach), high: Math.min(1, estimate + reach) };
}

function variance(values: Float64Array): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}
