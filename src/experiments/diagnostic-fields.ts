// The paper's failure signatures as the journal and the summary hold them. `docs/diagnostics.md` says what they mean.

import { z } from 'zod';
import { CLASS_CONTRAST_THRESHOLD, SAMPLE_VARIANCE_THRESHOLD } from '../evaluation/averaging.ts';
import { NEIGHBOURS, OVERLAP_THRESHOLD } from '../evaluation/latent-overlap.ts';
import { LEAKAGE_THRESHOLD } from '../evaluation/outlier-leakage.ts';

const seen = z.boolean().describe('Whether the signature shows.');
const advice = z.string().min(1).describe('What to do where it shows.');
const share = z.number().min(0).max(1);

/** Null where a signature cannot be told, or does not apply. */
export const diagnosticsSchema = z.strictObject({
  latentOverlap: z
    .strictObject({
      seen,
      overlap: z.number().min(0).describe(`\`otherNeighbours\` over \`chance\`; shows above ${OVERLAP_THRESHOLD}.`),
      otherNeighbours: share.describe(
        `Mean share of other classes among the ${NEIGHBOURS} nearest codes of a test code.`,
      ),
      chance: share.describe('That share among neighbours drawn at random.'),
      images: z.int().min(1).describe('Test images looked at.'),
      advice,
    })
    .nullable()
    .describe("Overlapping latent clusters: the classes' codes of the global encoder are mixed."),
  averaging: z
    .strictObject({
      seen,
      classContrast: z
        .number()
        .min(0)
        .describe(
          `Variance between the classes' mean reconstructions over that of their mean images; shows below ${CLASS_CONTRAST_THRESHOLD}.`,
        ),
      sampleVariance: z
        .number()
        .min(0)
        .describe(
          `Variance of the global model's synthetic images over that of test images; shows below ${SAMPLE_VARIANCE_THRESHOLD}.`,
        ),
      images: z.int().min(1).describe('Test images looked at.'),
      advice,
    })
    .nullable()
    .describe('Averaging by accident: whatever goes in, the global model gives the same blur.'),
  outlierLeakage: z
    .strictObject({
      seen: z.boolean().describe('Whether it shows in any silo.'),
      silos: z
        .array(
          z.strictObject({
            silo: z.string().describe('Name of the silo.'),
            seen,
            synthetic: share.describe(
              "Share of its decoder's images whose nearest training image is foreign and resembles them.",
            ),
            heldOut: share.describe('The same share of test images of its own classes.'),
            excess: z
              .strictObject({ estimate: z.number(), low: z.number(), high: z.number() })
              .describe(
                `\`synthetic\` minus \`heldOut\`, with its interval of 95 %; shows where \`low\` is above ${LEAKAGE_THRESHOLD}.`,
              ),
          }),
        )
        .min(1)
        .describe('One entry a silo with foreign images.'),
      advice,
    })
    .nullable()
    .describe(
      'Outlier leakage: released decoders dream of foreign training images. Computed from private images, as only a ' +
        'simulation can, and covered by no epsilon.',
    ),
});

/** What showed after the last round of a strategy. */
export type Diagnostics = z.infer<typeof diagnosticsSchema>;

/** A sentence for each signature that shows, with its numbers and what to do. */
export function diagnosticNotices(strategy: string, diagnostics: Diagnostics): readonly string[] {
  const { latentOverlap, averaging, outlierLeakage } = diagnostics;
  const of = (what: string) => `${strategy}: ${what}`;
  return [
    ...(latentOverlap?.seen
      ? [
          of(
            `overlapping latent clusters: of a test image's nearest codes ${percent(latentOverlap.otherNeighbours)} are of ` +
              `other classes, where chance gives ${percent(latentOverlap.chance)}. ${latentOverlap.advice}`,
          ),
        ]
      : []),
    ...(averaging?.seen
      ? [
          of(
            `averaging by accident: the global model's reconstructions keep ${percent(averaging.classContrast)} of the ` +
              `variance between the classes, and its synthetic images have ${percent(averaging.sampleVariance)} of the ` +
              `variance of real ones. ${averaging.advice}`,
          ),
        ]
      : []),
    ...(outlierLeakage?.silos ?? [])
      .filter((silo) => silo.seen)
      .map(({ silo, synthetic, heldOut }) =>
        of(
          `outlier leakage: ${percent(synthetic)} of the decoder's images of ${silo} resemble a foreign training ` +
            `image most, against ${percent(heldOut)} of its test images. ${outlierLeakage?.advice}`,
        ),
      ),
  ];
}

// --- internal ---

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}
