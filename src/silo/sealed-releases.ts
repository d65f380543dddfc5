// What a silo's ledger knows to have left it in a run: what it can show where all else about its past is lost.

import { readLedger } from '../privacy/ledger.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import type { SiloConfig } from './silo-config.ts';

/** A release that was paid for and written down before it left. */
export interface SealedRelease {
  readonly round: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Decoders of `run` that the ledger in `ledgerDir` has a seal of, in the order of sealing; none where there is no ledger, or that
 * of another silo. Throws StateError where it is damaged.
 */
export async function sealedReleases(
  { name, ledgerDir }: Pick<SiloConfig, 'name' | 'ledgerDir'>,
  run: string,
): Promise<readonly SealedRelease[]> {
  if (!hasLedger(ledgerDir)) return [];
  const { header, entries } = await readLedger(ledgerDir);
  if (header.silo !== name) return [];
  return entries.flatMap(({ run: of, purpose, round, sealed }) =>
    sealed !== null && of === run && purpose === 'train-own' ? [{ round, sha256: sealed.sha256 }] : [],
  );
}
