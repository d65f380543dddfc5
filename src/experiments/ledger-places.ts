// Where silos of a simulation keep their privacy ledgers.

import { dirname, extname, join, resolve } from 'node:path';
import type { RunLayout } from './run-layout.ts';
import { type PrivacySpec, privacyOfSilo, type Spec } from './spec.ts';

/**
 * The folder of a silo's ledger. It outlives runs where records are somebody's: beside an own folder of images. Public and
 * drawn images have nobody to protect, and every run on them begins with a budget of its own, in the run folder.
 */
export function ledgerDirOf(
  { privacy, data, silos }: Pick<Spec, 'privacy' | 'data' | 'silos'>,
  layout: RunLayout,
  silo: string,
): string {
  const own = silos.find(({ name }) => name === silo);
  const { ledgerDir } = own === undefined ? privacy : privacyOfSilo({ privacy }, own);
  if (ledgerDir) return join(ledgerDir, silo);
  if (data.source.kind === 'folder') return join(folderOf(data.source.dir), '.align-fl', silo);
  return layout.siloHome(silo);
}

/** The spec with absolute folders of ledgers: a run that goes on from another working directory finds them. */
export function withFixedLedgers(spec: Spec): Spec {
  const silos = spec.silos.map((silo) => (silo.privacy ? { ...silo, privacy: fixed(silo.privacy) } : silo));
  return { ...spec, silos, privacy: fixed(spec.privacy) };
}

// --- internal ---

/** An .npz file may be named itself or by its folder: the ledger is the same. */
function folderOf(dir: string): string {
  return extname(dir).toLowerCase() === '.npz' ? dirname(dir) : dir;
}

function fixed(privacy: PrivacySpec): PrivacySpec {
  return privacy.ledgerDir ? { ...privacy, ledgerDir: resolve(privacy.ledgerDir) } : privacy;
}
