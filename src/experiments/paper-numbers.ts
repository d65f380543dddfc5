// The numbers of the paper to stand beside ours, and what they are numbers of.
//
// Source: ALIGN-FL, arXiv 2512.13316 (IEEE CyberC 2025), its comparison of methods on MNIST with five silos of two
// digits each, latent size 2, without differential privacy. One seed. All accuracies are k / 400: a logistic regression
// on the global encoder's mean, fitted to 1,600 real labelled test images, scored on 400 others. A 95 % interval around
// such a number is 4 to 5 points wide on either side.

/** What the paper reports of one method. Null where it reports nothing that we know of. */
export interface PaperMethod {
  readonly accuracyPercent: number | null;
  /** F1 weighted by class size. */
  readonly f1WeightedPercent: number | null;
}

/** What the paper reports on one data set. */
export interface PaperNumbers {
  /** Where the numbers are from, in one line to print below a table. */
  readonly source: string;
  readonly align: PaperMethod;
  readonly fedavg: PaperMethod;
}

/** The paper's numbers by the kind of data source. Those for Fashion-MNIST are not known to us. */
export const PAPER_NUMBERS: Readonly<Record<string, PaperNumbers>> = {
  mnist: {
    source: 'arXiv 2512.13316, MNIST, five silos, latent size 2, no privacy, one seed, 400 images',
    align: { accuracyPercent: 74.25, f1WeightedPercent: 74.06 },
    fedavg: { accuracyPercent: 43.75, f1WeightedPercent: null },
  },
};

/** The paper's numbers for a data source, or null where there are none. */
export function paperNumbersFor(sourceKind: string): PaperNumbers | null {
  return Object.hasOwn(PAPER_NUMBERS, sourceKind) ? (PAPER_NUMBERS[sourceKind] ?? null) : null;
}
