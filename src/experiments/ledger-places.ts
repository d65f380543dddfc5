// Where silos of a simulation keep their privacy ledgers, and what a person should hear before private training begins.

import { join } from 'node:path';
import type { RunLayout } from './run-layout.ts';
import type { Spec } from './spec.ts';

/**
 * The folder of a silo's ledger. It outlives runs where records are somebody's: beside an own folder of images. Public and
 * drawn images have nobody to protect, and every run on them begins with a budget of its own, in the run folder.
 */
export function ledgerDirOf(
  { privacy, data }: Pick<Spec, 'privacy' | 'data'>,
  layout: RunLayout,
  silo: string,
): string {
  if (privacy.mechanism !== 'none' && privacy.ledgerDir !== null) return join(privacy.ledgerDir, silo);
  if (data.source.kind === 'folder') return join(data.source.dir, '.align-fl', silo);
  return layout.siloHome(silo);
}

/** Choices that are allowed, but not what most people want. */
export function privacyWarnings({ privacy }: Pick<Spec, 'privacy'>, records: readonly number[]): readonly string[] {
  if (privacy.mechanism === 'none') return [];
  const fewest = Math.min(...records);
  const warnings: string[] = [];
  if (privacy.delta * fewest >= 1) {
    warnings.push(
      `privacy.delta is ${privacy.delta}, but the smallest silo has ${fewest} records: with a delta from one over the ` +
        `records up, giving one record away entirely would count as private. Take less than ${(0.1 / fewest).toPrecision(1)}.`,
    );
  }
  if (privacy.epsilon > 20) {
    warnings.push(`privacy.epsilon is ${privacy.epsilon}: above 20 or so the guarantee means little.`);
  }
  return warnings;
}
