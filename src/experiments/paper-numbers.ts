// The numbers of the paper to stand beside ours, what they are numbers of, and beside which runs they may stand.
//
// Source: ALIGN-FL, arXiv 2512.13316 (IEEE CyberC 2025), its comparison of methods on MNIST with five silos of two
// digits each, latent size 2, without differential privacy. One seed. All accuracies are k / 400: a logistic regression
// on the global encoder's mean, fitted to 1,600 real labelled test images, scored on 400 others. A 95 % interval around
// such a number is 4 to 5 points wide on either side.

import { modelOfServer, type Spec } from './spec.ts';

/** What the paper reports of one method. Null where it reports nothing that we know of. */
export interface PaperMethod {
  readonly accuracyPercent: number | null;
  /** F1 weighted by class size. */
  readonly f1WeightedPercent: number | null;
}

/** What the paper reports of one experiment. */
export interface PaperNumbers {
  /** Where the numbers are from, in one line to print below a table. */
  readonly source: string;
  readonly align: PaperMethod;
  readonly fedavg: PaperMethod;
}

/**
 * The paper's numbers where a run is comparable: MNIST, two digits of its own for each of five silos, latent size 2 at
 * the server, no privacy, and all silos in all rounds. Rounds and images are the run's own affair. Null for any other experiment: no other numbers
 * are known to us.
 */
export function paperNumbersFor(
  spec: Pick<Spec, 'data' | 'model' | 'server' | 'privacy' | 'silos'>,
): PaperNumbers | null {
  const { source, partition } = spec.data;
  const isFivePairs =
    partition.kind === 'class-disjoint' &&
    partition.classes.length === 5 &&
    partition.classes.every((classes) => classes.length === 2);
  const areAlike = spec.silos.every((silo) => silo.privacy === undefined && silo.participation === undefined);
  const isComparable = source.kind === 'mnist' && isFivePairs && areAlike && modelOfServer(spec).latent === 2;
  return isComparable && spec.privacy.mechanism === 'none' ? MNIST_LATENT_2 : null;
}

// --- internal ---

const MNIST_LATENT_2: PaperNumbers = {
  source: 'arXiv 2512.13316, MNIST, five silos, latent size 2, no privacy, one seed, 400 images',
  align: { accuracyPercent: 74.25, f1WeightedPercent: 74.06 },
  fedavg: { accuracyPercent: 43.75, f1WeightedPercent: null },
};
