// The numbers in a run's metrics, whatever metrics there are: each with its path, so that new ones need no new code.

import type { Metrics } from '../experiments/summary.ts';

/**
 * `probeFullTest.accuracy` -> 0.76 for every number in `metrics`, in the order of the file. An object with a `mean` (or a
 * `value`) stands for that number. Lists, texts, nulls and counts of what was averaged over are left out.
 */
export function metricValues(metrics: Metrics): ReadonlyMap<string, number> {
  return new Map(numbersBelow(metrics, ''));
}

// --- internal ---

/** How a number was taken, not what it is. */
const ABOUT_OTHERS: ReadonlySet<string> = new Set([
  ...['splits', 'unconverged', 'sd', 'low', 'high', 'count', 'samples'],
  ...['images', 'neighbours', 'extractorAccuracy'],
]);

function numbersBelow(part: object, prefix: string): [string, number][] {
  return Object.entries(part).flatMap(([key, value]: [string, unknown]): [string, number][] => {
    if (ABOUT_OTHERS.has(key)) return [];
    const path = `${prefix}${key}`;
    if (typeof value === 'number') return [[path, value]];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    const { mean, value: single } = value as { readonly mean?: unknown; readonly value?: unknown };
    const own = mean ?? single;
    return typeof own === 'number' ? [[path, own]] : numbersBelow(value, `${path}.`);
  });
}
