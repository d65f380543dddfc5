// What a silo's ledger knows to have left it in a run: what it can show where all else about its past is lost.

import { readLedger } from '../privacy/ledger.ts';
import { isOfRun } from '../privacy/ledger-charges.ts';
import { hasLedger } from '../privacy/ledger-file.ts';
import type { SiloConfig } from './silo-config.ts';

/** A release that was paid for and written down before it left. */
export interface SealedRelease {
  readonly round: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Decoders of `run` that the ledger in `ledgerDir` has a seal of, in the order of sealing: under `plan`, or under any where none is
 * named. None where there is no ledger, or that of another silo. Throws StateError where it is damaged.
 */
export async function sealedReleases(
  { name, ledgerDir, plan }: Pick<SiloConfig, 'name' | 'ledgerDir' | 'plan'>,
  run: string,
): Promise<readonly SealedRelease[]> {
  if (!hasLedger(ledgerDir)) return [];
  const { header, entries } = await readLedger(ledgerDir);
  if (header.silo !== name) return [];
  const own = entries.filter((one) => one.purpose === 'train-own' && isOfRun(one, { run, plan: plan ?? one.plan }));
  return own.flatMap(({ round, sealed }) => (sealed === null ? [] : [{ round, sha256: sealed.sha256 }]));
}
