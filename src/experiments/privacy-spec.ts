// Privacy in a spec: a mechanism, written out, with all that a guarantee depends on.

import { z } from 'zod';
import { LIPSCHITZ_FORMS } from '../privacy/lipschitz-options.ts';
import { count, positive } from './spec-numbers.ts';

/** Privacy mechanism. It has no default, and neither have epsilon and delta. */
export const privacySchema = z
  .discriminatedUnion('mechanism', [
    z.strictObject({
      mechanism: z.literal('none').describe('No formal privacy: the decoders may reveal training images.'),
      ledgerDir: ledgerDir()
        .exactOptional()
        .describe(
          "Folder of the silos' privacy ledgers: where one there has a limited budget, training without privacy is refused. " +
            'As under dp-sgd where it is null or left out.',
        ),
    }),
    z.strictObject({
      mechanism: z
        .literal('lipschitz')
        .describe("The decoder is kept flat, as the paper's LCD-VAE. No formal privacy: epsilon is infinite."),
      lipschitzForm: lipschitzForm().default('paper-penalty').describe(forms()),
      ...lipschitzNumbers(),
      ledgerDir: ledgerDir()
        .exactOptional()
        .describe(
          "Folder of the silos' privacy ledgers: where one there has a limited budget, training without a guarantee is refused. " +
            'As under dp-sgd where it is null or left out.',
        ),
    }),
    z.strictObject({
      mechanism: z
        .literal('gaussian')
        .describe(
          'For `generator.kind: linear-gaussian`: sums and products of clipped records, released once with Gaussian noise.',
        ),
      epsilon: positive(10_000).describe('What the release costs each silo, in all; the noise is calibrated to it.'),
      delta: z.number().gt(0).lt(0.1).describe('Probability beyond epsilon; far below one over the records of a silo.'),
      clipNorm: positive(1e6)
        .nullable()
        .default(null)
        .describe(
          'How far a record may lie from the middle of its class, as L2 norm of pixels 0 to 1. Not to be read off the data; null ' +
            'for one that follows from the number of pixels.',
        ),
      noise: z
        .enum(['secure', 'seeded'])
        .default('secure')
        .describe('`secure`: keys from the operating system; `seeded`: repeatable, for experiments, NO guarantee.'),
      ledgerDir: ledgerDir().default(null).describe('As under dp-sgd.'),
    }),
    z.strictObject({
      mechanism: z
        .literal('dp-sgd')
        .describe('Differentially private training: each gradient clipped, their sum noised (Abadi et al. 2016).'),
      epsilon: positive(10_000).describe(
        'What all rounds of all strategies together may cost each silo; the noise is calibrated to it.',
      ),
      delta: z
        .number()
        .gt(0)
        .lt(0.1)
        .describe('Probability beyond epsilon; far below one over the records of a silo. The paper: 1e-5.'),
      mode: z
        .enum(['full', 'decoder-only', 'fixed-encoder'])
        .default('full')
        .describe(
          "`full`: the whole autoencoder is trained privately; `decoder-only`: the paper's ablation, no guarantee; " +
            '`fixed-encoder`: the decoder alone, beside an encoder that is never trained.',
        ),
      clipping: z
        .enum(['auto-s', 'fixed', 'adaptive', 'paper-unsound'])
        .default('auto-s')
        .describe(
          '`auto-s`: gradients normalised, nothing to tune; `fixed`: clipped to clipNorm; `adaptive`: to a quantile that is ' +
            "estimated privately; `paper-unsound`: the authors' un-noised median, NO guarantee, for comparison.",
        ),
      clipNorm: positive(1e6)
        .default(1)
        .describe('L2 norm to which `fixed` clips, and where `adaptive` and `paper-unsound` start.'),
      quantile: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.5)
        .describe('Share of gradients that `adaptive` aims to leave unclipped; the paper: the median.'),
      records: count(1_000_000_000)
        .nullable()
        .default(null)
        .describe(
          'Number of records of each silo, declared without looking, for add-or-remove neighbours; null: the actual number ' +
            'is public and neighbours differ in one record that is emptied.',
        ),
      noise: z
        .enum(['secure', 'seeded'])
        .default('secure')
        .describe('`secure`: keys from the operating system; `seeded`: repeatable, for experiments, NO guarantee.'),
      averaging: z
        .number()
        .gt(0)
        .lt(1)
        .nullable()
        .default(null)
        .describe(
          'Decay of the running average of weights that is released, such as 0.999; null for the last weights.',
        ),
      normaliseLoss: z
        .boolean()
        .default(false)
        .describe('Divides the loss by the number of pixels, so that clip norms mean the same for images of any size.'),
      physicalBatch: count(65_536)
        .nullable()
        .default(null)
        .describe('Rows computed at once; what a batch has beyond is accumulated. null: chosen from local.batchSize.'),
      ledgerDir: ledgerDir()
        .default(null)
        .describe(
          "Folder of the silos' privacy ledgers, which add up over runs; null: beside the images for an own folder of " +
            'images, and within the run folder for public and drawn ones.',
        ),
      lipschitzForm: lipschitzForm()
        .nullable()
        .default(null)
        .describe(
          `Lipschitz control beside DP-SGD, between draws from the prior, at no cost in epsilon; null for none. ${forms()}`,
        ),
      ...lipschitzNumbers(),
    }),
  ])
  .describe('Privacy mechanism. It has no default: write out what you want.');

// --- internal ---

/** What the forms are, in a hint. */
function forms(): string {
  return (
    "`paper-penalty`: the paper's, on the gradient of the pixel sum, no bound; `jacobian-spectral`, `jacobian-frobenius`: on " +
    'what that norm of the Jacobian has above lipschitzBound; `spectral-normalisation`: every layer is constrained, so that ' +
    'lipschitzBound holds everywhere, with a certificate.'
  );
}

function lipschitzForm() {
  return z.enum(LIPSCHITZ_FORMS);
}

/** Which of them a form needs is checked in spec-checks.ts. */
function lipschitzNumbers() {
  return {
    lipschitzWeight: z
      .number()
      .min(0)
      .max(1e6)
      .nullable()
      .default(null)
      .describe(
        'Weight of a penalty in the loss, lambda_GP; 0 is plain training. The paper: 1. Beside DP-SGD it weighs against ' +
          'clipped gradients, whose norm is at most the clip norm. Null for spectral-normalisation.',
      ),
    lipschitzBound: positive(1e6)
      .nullable()
      .default(null)
      .describe(
        'Bound on how far images move, pixels 0 to 1, for a step of length one in codes. Null for paper-penalty, whose ' +
          'target is 1.',
      ),
  };
}

function ledgerDir() {
  return z.string().min(1).max(4096).nullable();
}
