// Where silos of a simulation keep their privacy ledgers.

import { join, resolve } from 'node:path';
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
  if (privacy.ledgerDir) return join(privacy.ledgerDir, silo);
  if (data.source.kind === 'folder') return join(data.source.dir, '.align-fl', silo);
  return layout.siloHome(silo);
}

/** The spec with an absolute `privacy.ledgerDir`: a run that goes on from another working directory finds its ledgers. */
export function withFixedLedgers(spec: Spec): Spec {
  const { privacy } = spec;
  return privacy.ledgerDir ? { ...spec, privacy: { ...privacy, ledgerDir: resolve(privacy.ledgerDir) } } : spec;
}
