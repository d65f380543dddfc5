// What a person should hear before private training begins: choices that are allowed, but not what most people want.

import type { PrivacySpec, Spec } from './spec.ts';

/**
 * Warnings for the spec's silos, which have so many records each. A declared number is named in their place, and none where
 * neighbours differ in a record more or less and nothing was declared: the true one is secret then. That a warning comes at all
 * still tells that there are at least 1 / delta.
 */
export function privacyWarnings(
  { privacy, silos }: Pick<Spec, 'privacy' | 'silos'>,
  records: readonly number[],
): readonly string[] {
  const others = records.filter((_, i) => silos[i]?.privacy === undefined);
  const own = silos.flatMap(({ name, privacy: written }, i) => {
    const size = records[i];
    if (written === undefined || size === undefined) return [];
    return warningsOf(written, { fewest: size, whose: name, path: `silos.${name}.privacy` });
  });
  if (others.length === 0) return own;
  return [...warningsOf(privacy, { fewest: Math.min(...others), whose: 'the smallest silo', path: 'privacy' }), ...own];
}

// --- internal ---

interface Place {
  readonly fewest: number;
  readonly whose: string;
  readonly path: string;
}

function warningsOf(privacy: PrivacySpec, place: Place): readonly string[] {
  if (privacy.mechanism !== 'dp-sgd' && privacy.mechanism !== 'gaussian') return [];
  const { path } = place;
  const declared = privacy.mechanism === 'dp-sgd' ? privacy.records : null;
  const fewest = declared ?? place.fewest;
  // The Gaussian mechanism protects the number of records, and no field declares one.
  const isSecret = privacy.mechanism === 'gaussian';
  const whose =
    declared !== null
      ? `${path}.records declares ${fewest}`
      : `${place.whose} has ${isSecret ? `at least ${Math.ceil(1 / privacy.delta)}` : fewest}`;
  const advice = isSecret ? 'one far below one over its records' : `less than ${(0.1 / fewest).toPrecision(1)}`;
  const warnings: string[] = [];
  if (privacy.delta * fewest >= 1) {
    warnings.push(
      `${path}.delta is ${privacy.delta}, but ${whose} records: with a delta from one over the records up, giving one record ` +
        `away entirely would count as private. Take ${advice}.`,
    );
  }
  if (privacy.epsilon > 20) {
    warnings.push(`${path}.epsilon is ${privacy.epsilon}: above 20 or so the guarantee means little.`);
  }
  return warnings;
}
