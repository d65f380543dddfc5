// What a silo has begun or given away in a plan is not begun again: with other images, or when the folder that knew of it is lost.

import { PrivacyError, StateError } from '../errors.ts';
import { stateFileOf } from '../silo/silo-config.ts';
import { sealedReleases } from '../silo/sealed-releases.ts';
import { isThere } from '../storage/presence.ts';
import { loadState } from '../training/state-file.ts';
import type { Prepared } from './prepared-plan.ts';
import type { SiloLayout } from './silo-home.ts';
import { releasesThatLeft, roundDone } from './silo-rounds.ts';

/**
 * Where the model's past is lost, only what the ledger knows may be gone on without: throws StateError for a release that left and
 * has no seal. A round that was sealed or left once, and is not complete on disk, is not trained again, whatever the server knows
 * of it, as that would be paid for twice, and the server may have the first: throws PrivacyError.
 */
export async function requireNotGiven(
  layout: SiloLayout,
  { spec, plan, config }: Prepared,
  round: number,
): Promise<void> {
  if (config === null) return;
  const stored = await loadState(stateFileOf(config));
  if (stored !== null && (stored.round > round || (stored.round === round && stored.finished))) return;
  const left = await releasesThatLeft(layout, plan);
  const seals = await sealedReleases(config, spec.name);
  const unknown = left.find(({ sha256 }) => !seals.some((seal) => seal.sha256 === sha256));
  if (stored === null && unknown) {
    throw new StateError(
      `The decoder of round ${unknown.round} left this silo, but its state ${stateFileOf(config)} is gone, and the privacy ledger in ` +
        `${config.ledgerDir} has no seal of it. Put back the folder as it was.`,
      { round: unknown.round },
    );
  }
  if (![...left, ...seals].some((one) => one.round === round)) return;
  throw new PrivacyError(
    `A decoder of round ${round} of ${spec.name} has left this silo, or was sealed by its ledger to leave, and the folder that could ` +
      'give it again is lost or behind. Another in its place would be paid for a second time, and the server may have the first. ' +
      'Nothing was trained and nothing left. This silo goes on with the next round; where the server waits for this one, whoever ' +
      'runs it can go on without it (a quorum). Another run of the same plan needs another name.',
    { silo: config.name, round, lost: true },
  );
}

/** What was begun with some images, or has left, is not gone on with by others. */
export async function requireNotBegun(layout: SiloLayout, { plan, config, brought }: Prepared): Promise<void> {
  if (!isThere(stateFileOf({ stateDir: layout.state(plan) })) && (await roundDone(layout, plan)) === null) return;
  const what = config === null ? `The decoder in ${brought?.dir}` : 'These images';
  throw new PrivacyError(
    `${what} is not what this silo began the plan ${plan.slice(0, 16)} with. Nothing was trained and nothing left. Name with --data ` +
      'or --release what it began with, put back as it was then, or ask whoever runs the server for a new plan.',
    { plan },
  );
}
