// Who takes part when: silos that join late, leave, come late by a round, or have images and never play.

import { generatorOfSilo, playedStrategies, type SiloSpec, type Spec, type StrategyName } from './spec.ts';

/**
 * The round whose task a silo answers in round `round` of a strategy, or null where nothing comes from it: it has not joined
 * or has left, it is late, or averaging goes on without it. What would come after the last round is never asked for.
 */
export function answeredRound({ participation }: SiloSpec, strategy: StrategyName, round: number): number | null {
  if (participation === undefined) return round;
  if (participation === null) return null;
  const { from, to, lateBy } = participation;
  // An average is complete when its round ends: whoever is late is left out, and is not asked to train for nothing.
  if (lateBy > 0 && isAveraging(strategy)) return null;
  const answered = round - lateBy;
  return answered >= from && answered <= (to ?? Number.POSITIVE_INFINITY) ? answered : null;
}

/** The round in which a silo first takes part, from 1. */
export function firstRoundOf({ participation }: SiloSpec): number {
  return participation?.from ?? 1;
}

/** The last round that a silo trains in under a strategy, or null where there is none. */
export function lastRoundOf({ rounds }: Pick<Spec, 'rounds'>, silo: SiloSpec, strategy: StrategyName): number | null {
  for (let round = rounds; round >= 1; round--) {
    const answered = answeredRound(silo, strategy, round);
    if (answered !== null) return answered;
  }
  return null;
}

/** Silos from which something comes in a round, in the order of the spec. */
export function silosIn(spec: Pick<Spec, 'silos'>, strategy: StrategyName, round: number): readonly SiloSpec[] {
  return spec.silos.filter((silo) => answeredRound(silo, strategy, round) !== null);
}

/** Whether a silo trains in any round of a strategy. */
export function takesPart(spec: Pick<Spec, 'rounds'>, silo: SiloSpec, strategy: StrategyName): boolean {
  return roundsOf(spec, silo, strategy) > 0;
}

/** Rounds that a silo trains in under a strategy. */
export function roundsOf({ rounds }: Pick<Spec, 'rounds'>, silo: SiloSpec, strategy: StrategyName): number {
  if (silo.participation === undefined) return rounds;
  let count = 0;
  for (let round = 1; round <= rounds; round++) if (answeredRound(silo, strategy, round) !== null) count += 1;
  return count;
}

/**
 * What a silo does for a strategy: it `trains` step by step, `computes` a closed form, or gives a decoder that it `brings` along
 * from elsewhere.
 */
export function workOf(
  spec: Pick<Spec, 'task' | 'generator'>,
  silo: SiloSpec,
  strategy: StrategyName,
): 'trains' | 'computes' | 'brings' {
  if (strategy !== 'align') return 'trains';
  const { kind } = generatorOfSilo(spec, silo);
  if (kind === 'release') return 'brings';
  return spec.task === 'classify' && kind === 'linear-gaussian' ? 'computes' : 'trains';
}

/** Rounds in which a silo looks at its records, over all strategies: what its private training has to pay for. */
export function plannedRounds(
  spec: Pick<Spec, 'strategies' | 'rounds' | 'task' | 'generator'>,
  silo: SiloSpec,
): number {
  const strategies = playedStrategies(spec).filter((name) => name !== 'centralised');
  const own = strategies.filter((name) => workOf(spec, silo, name) !== 'brings');
  return own.reduce((sum, name) => sum + roundsOf(spec, silo, name), 0);
}

/** Silos of which a decoder has come by the end of a round: the pool only grows. */
export function decodersBy(spec: Pick<Spec, 'silos'>, round: number): number {
  return spec.silos.filter(({ participation }) => {
    if (participation === undefined) return true;
    return participation !== null && participation.from + participation.lateBy <= round;
  }).length;
}

/** Whether a strategy averages weights, and so needs what comes to come in time. */
export function isAveraging(strategy: StrategyName): boolean {
  return strategy === 'fedavg' || strategy === 'fedprox';
}
