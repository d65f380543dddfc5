// How many training steps a run will take, so that progress and time left can be told from the first second.

import { stepsPerEpoch } from '../training/epoch-order.ts';
import { answeredRound, decodersBy } from './participation.ts';
import { playedStrategies, privacyOfSilo, type Spec, syntheticImageCount } from './spec.ts';

export interface WorkPlan {
  /** Training steps of all silos together in one round; their mean where silos do not take part in all of them. */
  readonly siloSteps: number;
  /** Training steps of the server in one round (their mean), by strategy; without those in which nobody trains. */
  readonly serverSteps: Readonly<Record<string, number>>;
}

/** The plan of a spec whose silos have `sizes` images. */
export function workPlan(spec: Spec, sizes: readonly number[]): WorkPlan {
  const { local, server } = spec;
  const rounds = Array.from({ length: spec.rounds }, (_, i) => i + 1);
  const played = playedStrategies(spec);
  const stepsOf = sizes.map((size, i) => {
    const privacy = privacyOfSilo(spec, spec.silos[i] as Spec['silos'][number]);
    // Private training draws its batches from as many records as were declared.
    const declared = privacy.mechanism === 'dp-sgd' ? privacy.records : null;
    return local.epochs * stepsPerEpoch(declared ?? size, local.batchSize);
  });
  const siloSteps = mean(
    played.flatMap((name) =>
      rounds.map((round) =>
        stepsOf.reduce((sum, steps, i) => {
          const silo = spec.silos[i] as Spec['silos'][number];
          return name === 'centralised' || answeredRound(silo, name, round) !== null ? sum + steps : sum;
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

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
