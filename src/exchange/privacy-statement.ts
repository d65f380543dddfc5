// What a release claims about the privacy of the examples behind it, in words that anyone can read and programs can check.

import { z } from 'zod';
import type { EpsilonBounds } from '../privacy/accountant.ts';
import { type DpSgdOptions, type DpSgdPlan, whyNoGuarantee } from '../privacy/dp-plan.ts';
import { epsilonWords } from '../privacy/event-words.ts';

const epsilon = z.union([z.number().min(0), z.literal('Infinity')]);

const noPrivacySchema = z.strictObject({
  mechanism: z.literal('none').describe('Nothing was done to protect the training images.'),
  guarantee: z.literal('none').describe('None.'),
  epsilon: z.literal('Infinity').describe('Privacy spent. Text, as JSON knows no infinity.'),
  delta: z.null().describe('There is none to an epsilon that is no number.'),
  text: z.string().min(1).describe('For people: shown wherever the release is.'),
});

const dpSgdFields = {
  mechanism: z.literal('dp-sgd').describe('Clipped and noised gradients (Abadi et al. 2016).'),
  neighbours: z
    .enum(['zero-out-one', 'add-or-remove-one'])
    .describe('Which data sets are hard to tell apart. `zero-out-one`: the number of records is public.'),
  unit: z.literal('record').describe('Whose privacy: that of one record in one silo.'),
  accountant: z
    .strictObject({ method: z.literal('min(rdp, pld)'), rdp: epsilon, pld: epsilon })
    .describe('Two upper bounds, of which the smaller is claimed.'),
  sampling: z
    .strictObject({ kind: z.literal('poisson'), rate: z.number().gt(0).max(1), expectedBatch: z.int().min(1) })
    .describe('How a step chooses records.'),
  clipping: z
    .strictObject({
      kind: z.enum(['fixed', 'adaptive', 'auto-s', 'paper-unsound']),
      clipNorm: z.number().gt(0).describe('L2; the first one where it changes.'),
      quantile: z.number().nullable(),
    })
    .describe('How the influence of a record is bounded.'),
  noiseMultiplier: z.number().min(0).describe('Noise standard deviation over that bound, as accounted.'),
  steps: z.int().min(0).describe('Behind this release: of its run and strategy so far.'),
  noise: z.enum(['secure', 'seeded']).describe('Where the randomness is from.'),
  mode: z.enum(['full', 'decoder-only', 'fixed-encoder']).describe('What was trained privately.'),
  text: z.string().min(1).describe('For people: shown wherever the release is.'),
} as const;

const NOMINAL =
  'What the steps behind this release would cost if they were sound and secret, for comparison; null where epsilon counts.';

const dpSgdSchema = z.discriminatedUnion('guarantee', [
  z.strictObject({
    ...dpSgdFields,
    guarantee: z.literal('epsilon-delta').describe('For each record, over all of the life of the silo.'),
    epsilon: z.number().min(0).describe("Spent in all of the silo's life on these records, by its ledger."),
    delta: z.number().gt(0).lt(1).describe('Belongs to epsilon.'),
    nominalEpsilon: z.null().describe(NOMINAL),
  }),
  z.strictObject({
    ...dpSgdFields,
    guarantee: z.literal('none').describe('None: the text says why.'),
    epsilon: z.literal('Infinity').describe('Privacy spent. Text, as JSON knows no infinity.'),
    delta: z.null().describe('There is none to an epsilon that is no number.'),
    nominalEpsilon: z.number().min(0).describe(NOMINAL),
  }),
]);

/** A statement on its way in or out. */
export const privacyStatementSchema = z.discriminatedUnion('mechanism', [noPrivacySchema, dpSgdSchema]);

/** Nothing was done to protect the training images. */
export type NoPrivacy = Readonly<z.infer<typeof noPrivacySchema>>;
/** Training by DP-SGD, with a guarantee or, where the text says why, without. */
export type DpSgdPrivacy = Readonly<z.infer<typeof dpSgdSchema>>;
/** Told apart by `mechanism`. */
export type PrivacyStatement = NoPrivacy | DpSgdPrivacy;

/** The statement of training without a privacy mechanism. To be chosen by name: there is no default. */
export const NO_PRIVACY: NoPrivacy = {
  mechanism: 'none',
  guarantee: 'none',
  epsilon: 'Infinity',
  delta: null,
  text: 'No privacy mechanism was applied. The decoder may reproduce images it was trained on.',
};

export interface DpSgdFacts {
  readonly options: DpSgdOptions;
  readonly plan: DpSgdPlan;
  /** Of this run under its strategy so far. */
  readonly steps: number;
  /** By the silo's ledger, at `options.delta`. */
  readonly spent: EpsilonBounds;
  /** Of these steps alone, as if sound and secret. */
  readonly nominalEpsilon: number;
}

/** What may be claimed of DP-SGD. */
export function dpSgdStatement({ options, plan, steps, spent, nominalEpsilon }: DpSgdFacts): DpSgdPrivacy {
  const reason = whyNoGuarantee(options);
  const common = {
    mechanism: 'dp-sgd',
    neighbours: neighboursOf(options),
    unit: 'record',
    accountant: { method: 'min(rdp, pld)', rdp: asJson(spent.rdp), pld: asJson(spent.pld) },
    sampling: { kind: 'poisson', rate: plan.samplingRate, expectedBatch: plan.expectedBatch },
    clipping: {
      kind: options.clipping,
      clipNorm: options.clipping === 'auto-s' ? 1 : options.clipNorm,
      quantile: options.clipping === 'adaptive' ? options.quantile : null,
    },
    noiseMultiplier: plan.noiseMultiplier,
    steps,
    noise: options.noise,
    mode: options.mode,
  } as const;
  const { delta } = options;
  const { epsilon: total } = spent;
  if (reason === null && Number.isFinite(total)) {
    const text = guaranteeText(options, total);
    return { ...common, guarantee: 'epsilon-delta', epsilon: total, delta, nominalEpsilon: null, text };
  }
  const text = noGuaranteeText(reason, options, nominalEpsilon);
  return { ...common, guarantee: 'none', epsilon: 'Infinity', delta: null, nominalEpsilon, text };
}

/** The neighbouring relation that options lead to: without a declared number of records, the actual one is public. */
export function neighboursOf({ records }: Pick<DpSgdOptions, 'records'>): DpSgdPrivacy['neighbours'] {
  return records === null ? 'zero-out-one' : 'add-or-remove-one';
}

// --- internal ---

function asJson(bound: number): number | 'Infinity' {
  return Number.isFinite(bound) ? bound : 'Infinity';
}

function guaranteeText(options: DpSgdOptions, spent: number): string {
  const relation =
    options.records === null
      ? 'a record replaced by an empty one, the number of records being public'
      : 'a record added or removed';
  const what = options.mode === 'fixed-encoder' ? 'the decoder' : 'the whole model';
  return (
    `DP-SGD on ${what}: (${epsilonWords(spent)}, ${options.delta})-differential privacy for each record of this silo ` +
    `(${relation}), over everything that this silo's ledger was charged for. Numerically computed upper bound. It does not ` +
    'cover the choice of settings by looking at results, nor several records of one person.'
  );
}

function noGuaranteeText(reason: string | null, { delta }: DpSgdOptions, nominal: number): string {
  const why = reason ?? "The silo's ledger holds training without a guarantee on the same records.";
  return (
    `NO guarantee, epsilon is infinite. ${why} (Nominal epsilon ${epsilonWords(nominal)} at delta ${delta}: what these steps ` +
    'would cost if they were sound; for comparison only.)'
  );
}
