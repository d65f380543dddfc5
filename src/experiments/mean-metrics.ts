// The mean of several models' scores, in the form of one model's.

import { isRecord } from './schema-walk.ts';
import type { Metrics } from './summary.ts';

/**
 * Number by number the mean; counts of splits and of fits are added up. Null where one of them has no score. A deviation
 * becomes the mean of the deviations, which is no less than the deviation of the mean. Expects at least one.
 */
export function meanMetrics(all: readonly Metrics[]): Metrics {
  return meanOf(all, '') as Metrics;
}

// --- internal ---

/** Fits that stand behind a score. */
const COUNTS: ReadonlySet<string> = new Set(['splits', 'unconverged']);

function meanOf(values: readonly unknown[], key: string): unknown {
  const [first] = values;
  if (values.some((value) => value === null || value === undefined)) return null;
  if (typeof first === 'number') {
    const total = (values as readonly number[]).reduce((sum, value) => sum + value, 0);
    return COUNTS.has(key) ? total : total / values.length;
  }
  if (Array.isArray(first)) {
    return first.map((_, i) =>
      meanOf(
        values.map((value) => (value as readonly unknown[])[i]),
        key,
      ),
    );
  }
  if (!isRecord(first)) return first;
  return Object.fromEntries(
    Object.keys(first).map((name) => [
      name,
      meanOf(
        values.map((value) => (value as Readonly<Record<string, unknown>>)[name]),
        name,
      ),
    ]),
  );
}
