// What a person should hear before private training begins: choices that are allowed, but not what most people want.

import type { Spec } from './spec.ts';

/** Warnings for silos with so many records each. A declared number is named in their place: the true one may be secret. */
export function privacyWarnings({ privacy }: Pick<Spec, 'privacy'>, records: readonly number[]): readonly string[] {
  if (privacy.mechanism !== 'dp-sgd') return [];
  const fewest = privacy.records ?? Math.min(...records);
  const whose = privacy.records === null ? `the smallest silo has ${fewest}` : `privacy.records declares ${fewest}`;
  const warnings: string[] = [];
  if (privacy.delta * fewest >= 1) {
    warnings.push(
      `privacy.delta is ${privacy.delta}, but ${whose} records: with a delta from one over the records up, giving one record ` +
        `away entirely would count as private. Take less than ${(0.1 / fewest).toPrecision(1)}.`,
    );
  }
  if (privacy.epsilon > 20) {
    warnings.push(`privacy.epsilon is ${privacy.epsilon}: above 20 or so the guarantee means little.`);
  }
  return warnings;
}
