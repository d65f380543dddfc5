// Whether a spec's silos take part in a way that a run can follow: within its rounds, and with somebody always there.

import { answeredRound, isAveraging } from './participation.ts';
import type { Spec } from './spec.ts';
import type { Problem } from './spec-problems.ts';
import { counted } from './counted.ts';

/** Contradictions in who takes part when, between parts of a spec that are sound in themselves. */
export function participationProblems(spec: Parts): Problem[] {
  return [...participationPossible(spec), ...somebodyThere(spec)];
}

// --- internal ---

type Parts = { readonly [Part in 'silos' | 'rounds' | 'strategies']?: Spec[Part] | undefined };

/** Each silo's rounds lie within the run, and something of it arrives. */
function participationPossible({ silos = [], rounds }: Parts): Problem[] {
  return silos.flatMap(({ participation }, index) => {
    if (!participation) return [];
    const { from, to, lateBy } = participation;
    const path = ['silos', index, 'participation'];
    const problems: Problem[] = [];
    if (to !== null && to < from) {
      problems.push({ path: [...path, 'to'], message: `expected round ${from} or later, where it joins, got ${to}` });
    }
    if (rounds === undefined) return problems;
    if (to !== null && to > rounds) {
      const message = `the run has ${counted(rounds, 'round')}, got ${to}; null means up to the last`;
      problems.push({ path: [...path, 'to'], message });
    }
    if (from + lateBy > rounds) {
      const message = `its first release would come in round ${from + lateBy}, but the run has ${counted(rounds, 'round')}`;
      problems.push({ path: [...path, lateBy > 0 ? 'lateBy' : 'from'], message });
    }
    return problems;
  });
}

/** ALIGN-FL needs a decoder to begin with, and its pool only grows; the others need somebody in every round. */
function somebodyThere({ silos, rounds, strategies }: Parts): Problem[] {
  if (!silos || rounds === undefined || silos.every(({ participation }) => participation === undefined)) return [];
  const path = ['silos'];
  if (silos.every(({ participation }) => participation === null)) {
    return [{ path, message: 'no silo ever takes part: participation is null for all of them' }];
  }
  return (strategies ?? []).flatMap((name): Problem[] => {
    if (name === 'centralised') return [];
    const until = name === 'align' ? 1 : rounds;
    const empty = Array.from({ length: until }, (_, i) => i + 1).find(
      (round) => !silos.some((silo) => answeredRound(silo, name, round) !== null),
    );
    if (empty === undefined) return [];
    const needs =
      name === 'align'
        ? 'the pool would be empty; let one silo join in round 1, in time'
        : `${name} has nothing else to go on with; let one silo take part in it${isAveraging(name) ? ', in time' : ''}, or drop ${name}`;
    return [{ path, message: `under ${name} nothing comes from any silo in round ${empty}: ${needs}` }];
  });
}
