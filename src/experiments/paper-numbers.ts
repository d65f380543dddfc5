// The numbers of the paper to stand beside ours, what they are numbers of, and beside which runs they may stand.
//
// Source: ALIGN-FL, arXiv 2512.13316 (IEEE CyberC 2025), its comparison of methods on MNIST with five silos of two
// digits each, latent size 2. One seed. All accuracies are k / 400: a logistic regression on the global encoder's mean,
// fitted to 1,600 real labelled test images, scored on 400 others. A 95 % interval around such a number is 4 to 5 points
// wide on either side. FIDs are of 2,000 images and the paper's own extractor: only their order compares with ours. Which
// F1 and FID belong to the Lipschitz row is inferred.

import { modelOfServer, type PrivacySpec, type Spec, syntheticImageCount } from './spec.ts';

/** What the paper reports of one method. Null where it reports nothing that we know of. */
export interface PaperMethod {
  readonly accuracyPercent: number | null;
  /** F1 weighted by class size. */
  readonly f1WeightedPercent: number | null;
  readonly fid: number | null;
}

/** One method of the paper. */
export interface PaperRow extends PaperMethod {
  /** In words. */
  readonly method: string;
  readonly strategy: 'align' | 'fedavg';
  readonly privacy: PaperPrivacy;
}

/** What the paper reports of one experiment. */
export interface PaperNumbers {
  /** Where the numbers are from, in one line to print below a table. */
  readonly source: string;
  readonly align: PaperMethod | null;
  readonly fedavg: PaperMethod | null;
}

/** Every number that the paper reports of its methods, a row for each. */
export const PAPER_ROWS: readonly PaperRow[] = [
  {
    method: 'FedAvg',
    strategy: 'fedavg',
    privacy: 'no privacy',
    accuracyPercent: 43.75,
    f1WeightedPercent: null,
    fid: 148.7,
  },
  {
    method: 'ALIGN-FL, no privacy',
    strategy: 'align',
    privacy: 'no privacy',
    accuracyPercent: 74.25,
    f1WeightedPercent: 74.06,
    fid: 81.91,
  },
  {
    method: 'ALIGN-FL, Lipschitz penalty (weight 1)',
    strategy: 'align',
    privacy: 'Lipschitz penalty of weight 1',
    accuracyPercent: 63.25,
    f1WeightedPercent: 60.01,
    fid: 98.46,
  },
  {
    method: 'ALIGN-FL, DP-SGD (epsilon 10)',
    strategy: 'align',
    privacy: 'DP-SGD with epsilon 10',
    accuracyPercent: 51.75,
    f1WeightedPercent: null,
    fid: null,
  },
];

/** What the decisive parts of a run are. */
export type PaperSubject = Pick<Spec, 'data' | 'silos' | 'model' | 'server' | 'privacy'>;

/**
 * Whether a run's numbers may stand beside that row: MNIST, two digits of its own for each of five silos, all of them in
 * all rounds, latent size 2 at the server, and the row's privacy. Rounds and images are the run's own affair.
 */
export function isComparable({ privacy }: PaperRow, spec: PaperSubject): boolean {
  return isPaperData(spec) && paperPrivacyOf(spec.privacy) === privacy;
}

/**
 * How much a strategy of a comparable run learns from. `isLess`: fewer real images, or, where there are any, fewer synthetic
 * ones than the paper has.
 */
export function learntFrom(
  { data, rounds, local, server, silos }: Spec,
  strategy: PaperRow['strategy'],
): { readonly words: string; readonly isLess: boolean } {
  const perClass = data.partition.kind === 'class-disjoint' ? (data.partition.perClass ?? null) : null;
  const synthetic = syntheticImageCount(server, silos.length);
  const images = perClass === null ? 'all images' : `${perClass.toLocaleString('en')} images a class`;
  const schedule = `${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${local.epochs} epochs`;
  const isFewer = (perClass ?? PER_CLASS) < PER_CLASS;
  if (strategy !== 'align') return { words: `${images}, ${schedule}`, isLess: isFewer };
  return {
    words: `${images}, ${schedule}; ${synthetic.toLocaleString('en')} synthetic a round`,
    isLess: isFewer || synthetic < SYNTHETIC,
  };
}

/** The paper's numbers where a run is comparable to any of its rows, else null: no other numbers are known to us. */
export function paperNumbersFor(spec: PaperSubject): PaperNumbers | null {
  const rows = PAPER_ROWS.filter((row) => isComparable(row, spec));
  const [first] = rows;
  if (!first) return null;
  const of = (strategy: PaperRow['strategy']): PaperMethod | null => {
    const row = rows.find((one) => one.strategy === strategy);
    if (!row) return null;
    const { accuracyPercent, f1WeightedPercent, fid } = row;
    return { accuracyPercent, f1WeightedPercent, fid };
  };
  return {
    source: `arXiv 2512.13316, MNIST, five silos, latent size 2, ${first.privacy}, one seed, 400 images`,
    align: of('align'),
    fedavg: of('fedavg'),
  };
}

// --- internal ---

/** The paper's images of a class, and its synthetic images in total (its scripts have as many of each silo). */
const PER_CLASS = 6000;
const SYNTHETIC = 5000;

type PaperPrivacy = 'no privacy' | 'Lipschitz penalty of weight 1' | 'DP-SGD with epsilon 10';

function isPaperData(spec: PaperSubject): boolean {
  const { source, partition } = spec.data;
  const isFivePairs =
    partition.kind === 'class-disjoint' &&
    partition.classes.length === 5 &&
    partition.classes.every((classes) => classes.length === 2);
  const areAlike = spec.silos.every(
    ({ model, privacy, participation }) => (model ?? privacy ?? participation) === undefined,
  );
  return source.kind === 'mnist' && isFivePairs && areAlike && modelOfServer(spec).latent === 2;
}

/** Null for privacy that the paper says nothing of. */
function paperPrivacyOf(privacy: PrivacySpec): PaperPrivacy | null {
  switch (privacy.mechanism) {
    case 'none':
      return 'no privacy';
    case 'lipschitz': {
      const isPapers = privacy.lipschitzForm === 'paper-penalty' && privacy.lipschitzWeight === 1;
      return isPapers ? 'Lipschitz penalty of weight 1' : null;
    }
    case 'gaussian':
      return null;
    case 'dp-sgd': {
      const { epsilon, delta, mode, lipschitzForm } = privacy;
      const isPapers = epsilon === 10 && delta === 1e-5 && mode === 'full' && lipschitzForm === null;
      return isPapers ? 'DP-SGD with epsilon 10' : null;
    }
  }
}
