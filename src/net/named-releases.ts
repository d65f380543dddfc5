// Releases of one silo by their round and hash: which is the newest, and which of some are not among others.

import type { NamedRelease } from './messages.ts';

/** The release of the newest round; null where there is none. */
export function newestOf(releases: readonly NamedRelease[]): NamedRelease | null {
  return releases.reduce<NamedRelease | null>((best, one) => (best && best.round > one.round ? best : one), null);
}

/** Each of them once, with nothing else of them. */
export function eachOnce(releases: readonly NamedRelease[]): readonly NamedRelease[] {
  return [...new Map(releases.map((one) => [nameOf(one), { round: one.round, sha256: one.sha256 }])).values()];
}

/** The first of `releases` that is not among `others`; null where all are. */
export function firstMissing(releases: readonly NamedRelease[], others: readonly NamedRelease[]): NamedRelease | null {
  const known = new Set(others.map(nameOf));
  return releases.find((one) => !known.has(nameOf(one))) ?? null;
}

/** Those of `releases` that are among `others`. */
export function commonTo(releases: readonly NamedRelease[], others: readonly NamedRelease[]): readonly NamedRelease[] {
  const known = new Set(others.map(nameOf));
  return releases.filter((one) => known.has(nameOf(one)));
}

// --- internal ---

function nameOf({ round, sha256 }: NamedRelease): string {
  return `${round}/${sha256}`;
}
