// Which releases a server has for good, as its caller's journal tells.

import type { ReleaseId } from './net-events.ts';

/** A release of a silo that is known already, and the round that it answers. */
export type OwnRelease = Omit<ReleaseId, 'silo'>;

/** The release of a silo's newest round; null where there is none. */
export function newestOf(releases: readonly OwnRelease[]): OwnRelease | null {
  return releases.reduce<OwnRelease | null>((best, one) => (best && best.round > one.round ? best : one), null);
}
