// The datasheet of a set, from what is known of it, and what it says in words: of privacy, of use, of limits. Never softer than
// what is claimed.

import { basename } from 'node:path';
import type { SyntheticFormat } from '../data/synthetic-files.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { DATASHEET_FORMAT, type Datasheet } from './datasheet.ts';
import type { Summary } from './summary.ts';
import type { DrawnSet, SyntheticAmount } from './synthetic-draw.ts';
import { packageVersion } from './version.ts';

/** What a datasheet is made of. */
export interface DescribedSet {
  /** Of the run. */
  readonly folder: string;
  readonly rounds: number;
  /** Of a complete run with ALIGN-FL. */
  readonly summary: Summary;
  /** What the set was drawn from. */
  readonly releases: readonly ReceivedRelease[];
  readonly set: DrawnSet;
  readonly amount: SyntheticAmount;
  readonly format: SyntheticFormat;
  /** Root of the draw. */
  readonly seed: number;
  readonly now: Date;
  readonly files: Datasheet['files'];
}

/** The datasheet of a set. */
export function datasheetOf(described: DescribedSet): Datasheet {
  const { folder, rounds, summary, set, releases, files, amount, format, seed, now } = described;
  const { shape, shares, missing, classes } = set;
  const counted = (select: (share: DrawnSet['shares'][number]) => boolean) =>
    shares.filter(select).reduce((sum, { count }) => sum + count, 0);
  const present = [...new Set(shares.map((share) => share.class))].filter((label) => label !== null);
  return {
    format: DATASHEET_FORMAT,
    madeAt: now.toISOString(),
    alignFlVersion: packageVersion(),
    command: `align-fl synth ${basename(folder)} --per-${amount.per} ${amount.count} --format ${format} --seed ${seed}`,
    origin: {
      run: summary.name,
      seed: summary.seed,
      specHash: summary.specHash,
      alignFlVersion: summary.alignFlVersion,
      dataSet: summary.dataSet.name,
      rounds,
    },
    images: { count: set.origins.length, ...shape, format, quantisation: 'round(255 x)', seed },
    labels:
      classes === null
        ? null
        : {
            source: 'asked-for',
            classes,
            perClass: present.map((label) => ({ class: label, count: counted((share) => share.class === label) })),
            missing: [...missing],
          },
    silos: releases.map(({ silo, round, decoder, privacy }) => ({
      name: silo,
      round,
      decoderSha256: decoder.sha256,
      images: counted((share) => share.silo === silo),
      offers: decoder.classes && [...decoder.classes.offered],
      privacy,
    })),
    formalPrivacy: formalPrivacyOf(releases),
    shares: [...shares],
    utility: utilityOf(summary),
    limits: [...limitsOf(classes === null ? null : missing)],
    licence: null,
    files,
  };
}

// --- internal ---

/** What can be said of images from all of these decoders together. */
function formalPrivacyOf(releases: readonly ReceivedRelease[]): Datasheet['formalPrivacy'] {
  const without = releases.flatMap(({ silo, privacy }) => (privacy.guarantee === 'none' ? [silo] : []));
  if (without.length === 0) {
    const text =
      'Every release behind this set claims differential privacy for each record of its silo, with the epsilon and delta that ' +
      'stand beside it. Drawing images is post-processing: the claims hold for this set as for the decoders, however many ' +
      'images are drawn. They are claims of the silos, from their own ledgers; nobody here can check them. Where one person ' +
      'has records in several silos, or several in one, the losses add up.';
    return { everySilo: true, without, text };
  }
  const isAll = without.length === releases.length;
  const text =
    `NO formal privacy: ${isAll ? 'no release behind this set claims' : `the releases of ${without.join(', ')} do not claim`} ` +
    'differential privacy, so nothing bounds what their images tell of the images they learnt from. They may reproduce them. ' +
    'Treat this set as you would treat the original images. ' +
    (isAll ? '' : 'What the other silos claim holds for their own records alone. ') +
    'A bound on how steep a decoder is (Lipschitz) is no such guarantee.';
  return { everySilo: false, without, text };
}

/** What the run measured under ALIGN-FL. */
function utilityOf({ strategies, dataSet }: Summary): Datasheet['utility'] {
  const align = strategies.find(({ strategy }) => strategy === 'align') as Summary['strategies'][number];
  return {
    strategy: 'align',
    testImages: dataSet.test,
    metrics: align.final,
    text: dataSet.test === 0 ? NOT_MEASURED : MEASURED,
  };
}

const MEASURED =
  'Measured on real images that no silo had, of all classes, of the model that the run trained on images of its decoders. ' +
  'Those were other draws than this set, over all rounds: a model that learns from this set may do better or worse.';

const NOT_MEASURED =
  'Not judged: the run had no test images, so nobody knows what a model that learns from this set is worth on real ones.';

/** What the set is not. */
function limitsOf(missing: readonly number[] | null): readonly string[] {
  return [
    'These images were computed. No person wrote, wore or took what they show.',
    'Whole kinds of images may be missing or too frequent: generators leave out what is rare, and blur what they saw seldom.',
    missing === null
      ? 'There are no labels, and how many images show which class is not known.'
      : "Labels say which class the decoder was asked for. Nobody looked; some images show another class, or none. That classes are equally frequent was chosen here and says nothing of the silos' images.",
    ...(missing && missing.length > 0
      ? [
          `There is no image of class ${missing.join(', ')}: no silo offers it. A model that learns from this set cannot know it.`,
        ]
      : []),
    'It is no substitute for real images in tests: scores on synthetic images say how well a model fits the generators. Judge on real ones before relying on a model, above all where people are concerned.',
    'What a silo had wrong, or too little of, is wrong here too, and cannot be seen in the numbers above.',
  ];
}
