// The privacy statement of a release as programs read it: its schema, and what each mechanism may say.

import { z } from 'zod';
import { LIPSCHITZ_FORMS } from '../privacy/lipschitz-options.ts';
import { PLAIN_TEXT } from './plain-text.ts';

/** Characters of a declaration at most. */
export const MAX_DECLARATION = 2000;

const epsilon = z.union([z.number().min(0), z.literal('Infinity')]);

const noPrivacySchema = z.strictObject({
  mechanism: z.literal('none').describe('Nothing was done to protect the training images.'),
  guarantee: z.literal('none').describe('None.'),
  epsilon: z.literal('Infinity').describe('Privacy spent. Text, as JSON knows no infinity.'),
  delta: z.null().describe('There is none to an epsilon that is no number.'),
  text: z.string().min(1).describe('For people: shown wherever the release is.'),
});

const declaredSchema = z.strictObject({
  mechanism: z
    .literal('declared')
    .describe(
      'The decoder was made elsewhere. What is said of its privacy is what its maker says, and nobody checked it.',
    ),
  guarantee: z.literal('none').describe('None that align-fl knows of.'),
  epsilon: z.null().describe('Not known: no ledger of align-fl saw the training.'),
  delta: z.null().describe('Not known.'),
  declaration: z.string().max(MAX_DECLARATION).regex(/^\S/u).regex(PLAIN_TEXT).describe("The maker's own words."),
  text: z.string().min(1).describe('For people: shown wherever the release is.'),
});

/** A `LipschitzCertificate` in a file. */
export const certificateSchema = z.strictObject({
  bound: z.number().min(0).describe('Upper bound of the Lipschitz constant, everywhere.'),
  perLayer: z
    .array(
      z.strictObject({
        layer: z.string().min(1).max(1024).describe('Name of its weight in the file.'),
        norm: z.number().min(0).describe('Upper bound of its operator norm.'),
      }),
    )
    .max(2048)
    .describe('Layers with weights, in order.'),
});

const lipschitzControlSchema = z.strictObject({
  form: z.enum(LIPSCHITZ_FORMS).describe('How the decoder was kept flat.'),
  weight: z.number().min(0).nullable().describe('Weight of the penalty in the loss; null where there is none.'),
  bound: z
    .number()
    .gt(0)
    .nullable()
    .describe(
      'What was aimed at: norm of the Jacobian of images with respect to codes; null for the target of the form.',
    ),
  latents: z
    .enum(['posterior', 'prior'])
    .nullable()
    .describe('Between which codes slopes were looked at; null where no slope was.'),
  certificate: certificateSchema
    .nullable()
    .describe(
      'What the weights prove, computed again by whoever receives them; null where no file was sealed, or no bound.',
    ),
});

const lipschitzSchema = z.strictObject({
  mechanism: z
    .literal('lipschitz')
    .describe('The decoder was kept flat. No formal privacy guarantee is known from that.'),
  guarantee: z.literal('none').describe('None.'),
  epsilon: z.literal('Infinity').describe('Privacy spent. Text, as JSON knows no infinity.'),
  delta: z.null().describe('There is none to an epsilon that is no number.'),
  lipschitz: lipschitzControlSchema.describe('The form of the control.'),
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
  before: releaseStages()
    .exactOptional()
    .describe('Looks at the records before the first step, each a plain Gaussian mechanism, which epsilon includes.'),
  noise: z.enum(['secure', 'seeded']).describe('Where the randomness is from.'),
  mode: z.enum(['full', 'decoder-only', 'fixed-encoder']).describe('What was trained privately.'),
  lipschitz: lipschitzControlSchema
    .exactOptional()
    .describe('Lipschitz control beside it, which adds nothing to the guarantee and takes nothing from it.'),
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

const gaussianFields = {
  mechanism: z.literal('gaussian').describe('Clipped sums and products of records with Gaussian noise, released once.'),
  neighbours: z.literal('add-or-remove-one').describe('Which data sets are hard to tell apart.'),
  unit: z.literal('record').describe('Whose privacy: that of one record in one silo.'),
  stages: releaseStages().describe('Looks at the records, each a plain Gaussian mechanism.'),
  noise: z.enum(['secure', 'seeded']).describe('Where the randomness is from.'),
  text: z.string().min(1).describe('For people: shown wherever the release is.'),
} as const;

const gaussianSchema = z.discriminatedUnion('guarantee', [
  z.strictObject({
    ...gaussianFields,
    guarantee: z.literal('epsilon-delta').describe('For each record, over all of the life of the silo.'),
    epsilon: z.number().min(0).describe("Spent in all of the silo's life on these records, by its ledger."),
    delta: z.number().gt(0).lt(1).describe('Belongs to epsilon.'),
    nominalEpsilon: z.null().describe(NOMINAL),
  }),
  z.strictObject({
    ...gaussianFields,
    guarantee: z.literal('none').describe('None: the text says why.'),
    epsilon: z.literal('Infinity').describe('Privacy spent. Text, as JSON knows no infinity.'),
    delta: z.null().describe('There is none to an epsilon that is no number.'),
    nominalEpsilon: z.number().min(0).describe(NOMINAL),
  }),
]);

/** A statement on its way in or out. */
export const privacyStatementSchema = z.discriminatedUnion('mechanism', [
  noPrivacySchema,
  declaredSchema,
  lipschitzSchema,
  gaussianSchema,
  dpSgdSchema,
]);

/** A statement of a decoder that was made elsewhere: it can claim no guarantee. */
export const foreignStatementSchema = z.discriminatedUnion('mechanism', [noPrivacySchema, declaredSchema]);

/** Nothing was done to protect the training images. */
export type NoPrivacy = Readonly<z.infer<typeof noPrivacySchema>>;
/** What the maker of a decoder says of it, which nobody checked. */
export type DeclaredPrivacy = Readonly<z.infer<typeof declaredSchema>>;
/** A decoder that was kept flat, which is no guarantee. */
export type LipschitzPrivacy = Readonly<z.infer<typeof lipschitzSchema>>;
/** Training by DP-SGD, with a guarantee or, where the text says why, without. */
export type DpSgdPrivacy = Readonly<z.infer<typeof dpSgdSchema>>;
/** Noisy moments, with a guarantee or, where the text says why, without. */
export type GaussianPrivacy = Readonly<z.infer<typeof gaussianSchema>>;
/** Told apart by `mechanism`. */
export type PrivacyStatement = NoPrivacy | DeclaredPrivacy | LipschitzPrivacy | GaussianPrivacy | DpSgdPrivacy;
/** Lipschitz control as statements have it. */
export type LipschitzClaim = LipschitzPrivacy['lipschitz'];

// --- internal ---

function releaseStages() {
  return z
    .array(
      z.strictObject({
        name: z.string().min(1).max(100),
        noiseMultiplier: z.number().min(0).describe('Noise standard deviation over the bound of one record.'),
        clipNorm: z.number().gt(0).describe('L2, from the middle of a group.'),
      }),
    )
    .min(1)
    .max(100);
}
