// Whether a silo that says hello may take part: not with another version, and not without what it has given away already.

import type { HubRecords } from './hub-records.ts';
import { type Body, type Denied, MOST_NAMED, type NamedRelease } from './messages.ts';
import { eachOnce, firstMissing } from './named-releases.ts';

export interface HelloRules {
  readonly version: string;
  readonly plan: string;
  readonly records: HubRecords;
  /** By the caller's journal, and by this process. */
  readonly committed: (silo: string) => readonly NamedRelease[];
}

/**
 * Why not; null where it may. A silo whose folder knows less than the server has is let in where its ledger has a seal of every
 * release that the server has, which the denial names: then nothing that was spent is forgotten. It is the silo's own word, as its
 * ledger is. Who leaves need not know its past.
 */
export function judgeHello(hello: Body<'hello'>, rules: HelloRules): Denied | null {
  if (rules.records.of(hello.silo).gone !== null) {
    return { code: 'REVOKED', message: 'This identity was revoked. Ask whoever runs the server for a new invite.' };
  }
  if (minor(hello.version) !== minor(rules.version)) {
    const message = `The server runs align-fl ${rules.version}, this silo ${hello.version}. Install the same minor version.`;
    return { code: 'VERSION', message };
  }
  const given = forgottenRound(hello, rules);
  if (given === null) return null;
  const releases = releasesOf(hello.silo, rules);
  const unsealed = firstMissing(releases, hello.seals);
  if (unsealed === null) return null;
  const knows = knownRound(hello, rules);
  const isTooMany = releases.length > MOST_NAMED;
  const seals = isTooMany
    ? `No ledger helps: these are ${releases.length} releases, and a hello names ${MOST_NAMED} at most.`
    : 'Or name the privacy ledger (--ledger) that has a seal of all that left in this run; training without a mechanism keeps none.';
  const shown =
    hello.seals.length === 0 ? '' : `The ledger that was shown has no seal of that of round ${unsealed.round}. `;
  return {
    code: 'LOST_STATE',
    ...(isTooMany ? {} : { releases: [...releases] }),
    message:
      `The server has a release of ${hello.silo} of round ${given}, but the folder of this silo knows of ` +
      `${knows === 0 ? 'none' : `round ${knows} at most`}. Going on would spend its privacy budget again. ${shown}Put back the folder ` +
      `that knows of it. ${seals}`,
  };
}

/** The newest round of which the server has a release that the silo's folder knows nothing of; null where it knows all, or leaves. */
export function forgottenRound(hello: Body<'hello'>, rules: HelloRules): number | null {
  if (hello.isLeaving === true) return null;
  const given = Math.max(0, ...releasesOf(hello.silo, rules).map(({ round }) => round));
  return given > knownRound(hello, rules) ? given : null;
}

// --- internal ---

/** Releases of a silo that the server has, each once: committed, or announced and not refused. */
function releasesOf(silo: string, { records, committed }: HelloRules): readonly NamedRelease[] {
  const announced = [...records.of(silo).rounds.values()]
    .flat()
    .filter(({ state }) => state !== 'refused')
    .map(({ header: { round, decoder } }) => ({ round, sha256: decoder.sha256 }));
  return eachOnce([...committed(silo), ...announced]);
}

function knownRound({ state }: Body<'hello'>, { plan }: HelloRules): number {
  return state.plan === plan ? (state.round ?? 0) : 0;
}

function minor(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
