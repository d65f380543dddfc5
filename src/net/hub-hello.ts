// Whether a silo that says hello may take part: not with another version, and not without what it has given away already.

import type { HubRecords } from './hub-records.ts';
import type { Body, Denied } from './messages.ts';

export interface HelloRules {
  readonly version: string;
  readonly plan: string;
  readonly records: HubRecords;
  readonly committedSoFar: (silo: string) => readonly { readonly round: number }[];
}

/** Why not; null where it may. */
export function judgeHello(
  hello: Body<'hello'>,
  { version, plan, records, committedSoFar }: HelloRules,
): Denied | null {
  const { rounds, isRevoked, committedRound } = records.of(hello.silo);
  if (isRevoked) {
    return { code: 'REVOKED', message: 'This identity was revoked. Ask whoever runs the server for a new invite.' };
  }
  if (minor(hello.version) !== minor(version)) {
    const message = `The server runs align-fl ${version}, this silo ${hello.version}. Install the same minor version.`;
    return { code: 'VERSION', message };
  }
  const announced = [...rounds.entries()].filter(([, all]) => all.some(({ state }) => state !== 'refused'));
  const given = Math.max(
    committedRound,
    ...committedSoFar(hello.silo).map(({ round }) => round),
    ...announced.map(([round]) => round),
  );
  const knows = hello.state.plan === plan ? (hello.state.round ?? 0) : 0;
  if (knows >= given) return null;
  return {
    code: 'LOST_STATE',
    message:
      `The server has a release of ${hello.silo} of round ${given}, but the folder of this silo knows of ` +
      `${knows === 0 ? 'none' : `round ${knows} at most`}. Going on would spend its privacy budget again. Put back the folder ` +
      'that knows of it, with its ledger.',
  };
}

// --- internal ---

function minor(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
