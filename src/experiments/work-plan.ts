// How many training steps a run will take, so that progress and time left can be told from the first second.

import { stepsPerEpoch } from '../training/epoch-order.ts';
import { playedStrategies, type Spec, syntheticImageCount } from './spec.ts';

export interface WorkPlan {
  /** Training steps of all silos together in one round. */
  readonly siloSteps: number;
  /** Training steps of the server in one round, by strategy; without those in which nobody trains. */
  readonly serverSteps: Readonly<Record<string, number>>;
}

/** The plan of a spec whose silos have `sizes` images. */
export function workPlan(spec: Spec, sizes: readonly number[]): WorkPlan {
  const { local, server } = spec;
  // Private training draws its batches from as many records as were declared.
  const declared = spec.privacy.mechanism === 'dp-sgd' ? spec.privacy.records : null;
  const stepsOf = (size: number) => local.epochs * stepsPerEpoch(declared ?? size, local.batchSize);
  const siloSteps = sizes.reduce((sum, size) => sum + stepsOf(size), 0);
  const images = syntheticImageCount(server, spec.silos.length);
  const align = server.epochs * stepsPerEpoch(images, server.batchSize);
  const serverSteps = Object.fromEntries(playedStrategies(spec).map((name) => [name, name === 'align' ? align : 0]));
  return { siloSteps, serverSteps };
}
