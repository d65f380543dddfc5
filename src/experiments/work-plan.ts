// How many training steps a run will take, so that progress and time left can be told from the first second.

import { stepsPerEpoch } from '../training/epoch-order.ts';
import { answeredRound, decodersBy, firstRoundOf, workOf } from './participation.ts';
import {
  generatorOfSilo,
  playedStrategies,
  privacyOfSilo,
  type SiloSpec,
  type Spec,
  type StrategyName,
  syntheticImageCount,
} from './spec.ts';

export interface WorkPlan {
  /** Training steps of all silos together in one round; their mean where silos do not take part in all of them. */
  readonly siloSteps: number;
  /** Training steps of the server in one round (their mean), by strategy; without those in which nobody trains. */
  readonly serverSteps: Readonly<Record<string, number>>;
}

/** The plan of a spec whose silos have `sizes` images. */
export function workPlan(spec: Spec, sizes: readonly number[]): WorkPlan {
  const { server } = spec;
  const rounds = Array.from({ length: spec.rounds }, (_, i) => i + 1);
  const played = playedStrategies(spec);
  const siloSteps = mean(
    played.flatMap((name) =>
      rounds.map((round) =>
        sizes.reduce((sum, size, i) => {
          const silo = spec.silos[i] as SiloSpec;
          const isThere = name === 'centralised' || answeredRound(silo, name, round) !== null;
          return isThere ? sum + stepsOf(spec, silo, { strategy: name, round, size }) : sum;
        }, 0),
      ),
    ),
  );
  const align = mean(
    rounds.map((round) => {
      const images = syntheticImageCount(server, decodersBy(spec, round));
      return server.epochs * stepsPerEpoch(images, server.batchSize);
    }),
  );
  const serverSteps = Object.fromEntries(played.map((name) => [name, name === 'align' ? align : 0]));
  return { siloSteps, serverSteps };
}

// --- internal ---

/** Looks at the records, and what is made of them: about so many. */
const CLOSED_FORM_STEPS = 5;

/** Training steps of a silo with `size` images in one round. */
function stepsOf(
  spec: Spec,
  silo: SiloSpec,
  { strategy, round, size }: { readonly strategy: StrategyName; readonly round: number; readonly size: number },
): number {
  const work = workOf(spec, silo, strategy);
  if (work === 'brings') return 0;
  if (work === 'computes') return CLOSED_FORM_STEPS;
  const privacy = privacyOfSilo(spec, silo);
  // Private training draws its batches from as many records as were declared.
  const declared = privacy.mechanism === 'dp-sgd' ? privacy.records : null;
  const steps = spec.local.epochs * stepsPerEpoch(declared ?? size, spec.local.batchSize);
  const generator = generatorOfSilo(spec, silo);
  const isFirst =
    spec.task === 'classify' && strategy === 'align' && answeredRound(silo, strategy, round) === firstRoundOf(silo);
  if (!isFirst || generator.kind !== 'vae' || generator.warmStart === null) return steps;
  const { epochs, images, batchSize } = generator.warmStart;
  return steps + epochs * stepsPerEpoch(images, batchSize);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
