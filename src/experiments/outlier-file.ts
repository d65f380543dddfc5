// `outliers.json`: what became of the foreign images of a run, in a versioned form. `docs/outliers.md` defines each number.

import { join } from 'node:path';
import { z } from 'zod';
import { StateError } from '../errors.ts';
import { readJson } from '../storage/atomic-file.ts';

/** Name and version of the format. A change that old readers would misread gets a new number. */
export const OUTLIERS_FORMAT = 'align-fl/outliers@1';

const fraction = z.number().min(0).max(1);
const count = z.int().min(0);
const estimate = z.strictObject({ estimate: z.number(), low: z.number(), high: z.number() });
const share = z.strictObject({ count, of: z.int().min(1), share: fraction, low: fraction, high: fraction });
const groupsOf = <T extends z.ZodType>(of: T) => ({ members: of, heldOut: of, typical: of, typicalHeldOut: of });
const gains = z.strictObject({ foreign: estimate, typical: estimate });

const reproduction = z.strictObject({
  references: z.strictObject({ own: count, other: count, synthetic: count }),
  reproduced: share.describe('The real image nearest to the reconstruction is of the kind that went in.'),
  recognised: share.describe('The nearest of that kind is the very image that went in.'),
  nearest: z.strictObject({ own: share, other: share, synthetic: share }),
});
const foreignShare = z.strictObject({
  looksForeign: share,
  corrected: fraction.nullable().describe("Corrected for the discriminator's mistakes; null where it has no skill."),
});
const leaveOut = z.strictObject({
  inTraining: estimate,
  heldOut: estimate,
  difference: estimate.describe('Held out minus in training.'),
  pValue: fraction.describe('Mann-Whitney, two-sided.'),
});
const advantage = z.strictObject({
  auc: estimate,
  advantage: estimate.describe('TPR - FPR of a threshold chosen on other images.'),
  truePositives: share,
  falsePositives: share,
  bestAdvantage: fraction.describe('TPR - FPR of the best threshold on the same images: too large by chance.'),
});
const kinds = z.strictObject({ foreign: advantage, typical: advantage });

const space = z.strictObject({
  space: z.string().min(1).describe('`pixels`, `normalised pixels`, or the name of a feature extractor.'),
  reproduction: z.strictObject({
    members: reproduction,
    heldOut: reproduction,
    typicalHeldOut: reproduction,
    separation: estimate.describe(
      'Nearest is foreign: share where a member went in, less that where a typical one did.',
    ),
  }),
  discriminator: z.strictObject({
    missed: share.describe('Foreign images held out from it that it takes for typical.'),
    falseAlarms: share.describe('Typical images held out from it that it takes for foreign.'),
    synthetic: foreignShare,
    reconstructed: z.strictObject(groupsOf(foreignShare)),
  }),
  nearestSynthetic: z.strictObject({ foreign: leaveOut, typical: leaveOut }),
  membershipByDistance: kinds.describe('Black box: from the decoder alone.'),
});

const judgement = z.strictObject({
  images: z.strictObject({ ...groupsOf(count), synthetic: count }),
  reconstructionError: z.strictObject({
    mean: z.strictObject(groupsOf(estimate)).describe('Squared error summed over pixels, averaged over images.'),
    gain: gains.describe('Held out minus in training.'),
  }),
  membershipByReconstruction: kinds.describe('White box: from the reconstruction error.'),
  spaces: z.array(space).min(1),
});

/** The whole file. Unknown keys are errors: a new field is a new version or comes with one. */
export const outlierFileSchema = z.strictObject({
  format: z.literal(OUTLIERS_FORMAT),
  name: z.string().describe('Name of the experiment.'),
  seed: z.int().min(0),
  specHash: z.string().regex(/^[0-9a-f]{64}$/),
  strategy: z.string().min(1),
  round: z.int().min(1).describe('Round at whose end the models are judged.'),
  silo: z.string().describe('The silo with the foreign images.'),
  ownSource: z.string(),
  foreignSource: z.string(),
  models: z.strictObject({
    silo: judgement.nullable().describe("The silo's own autoencoder; null under `centralised`."),
    global: judgement.nullable().describe('The global model; null under `local-only`.'),
  }),
  figure: z.strictObject({
    file: z.string().describe('Picture within the run folder.'),
    rows: z.array(z.string()).describe('What is in its rows, from the top.'),
  }),
});

/** What became of the foreign images of a run. */
export type OutlierFile = z.infer<typeof outlierFileSchema>;
/** What became of them in one model. */
export type OutlierVerdict = NonNullable<OutlierFile['models']['silo']>;

/** Where the file lies in the run folder `root`. */
export function outlierFilePath(root: string): string {
  return join(root, 'outliers.json');
}

/** Checks `value`, which is or becomes the file `path`. Throws StateError where it is not of this format. */
export function parseOutliers(value: unknown, path: string): OutlierFile {
  const result = outlierFileSchema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path: at, message }) => `${at.map(String).join('.')}: ${message}`);
  throw new StateError(
    `${path} is no file of the format ${OUTLIERS_FORMAT}: ${problems.join('; ')}. Make it again with align-fl outliers.`,
    { path },
  );
}

/** Reads a file of this format. Throws StateError: absent, damaged, of another version. */
export async function readOutliers(path: string): Promise<OutlierFile> {
  return parseOutliers(await readJson(path, { maxBytes: MAX_BYTES }), path);
}

// --- internal ---

const MAX_BYTES = 2 ** 24;
