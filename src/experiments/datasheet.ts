// `datasheet.json` beside a synthetic set: where it comes from, what is claimed of it, what it is not. docs/synthetic-data.md
// explains it; the questions are those of Gebru et al. 2021 (Datasheets for Datasets) that a program can answer.

import { z } from 'zod';
import { SYNTHETIC_FORMATS } from '../data/synthetic-files.ts';
import { StateError } from '../errors.ts';
import { privacyStatementSchema } from '../exchange/privacy-statement-schema.ts';
import { readJson } from '../storage/atomic-file.ts';
import { metricsSchema } from './summary.ts';

/** Name and version of the format. A change that old readers would misread gets a new number. */
export const DATASHEET_FORMAT = 'align-fl/datasheet@1';

/** File names within a synthetic set. */
export const DATASHEET_FILE = 'datasheet.json';
export const DATASHEET_TEXT = 'datasheet.md';
export const HASH_LIST = 'SHA256SUMS';

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const classNumber = z.int().min(0).max(255);

/** The whole file. Unknown keys are errors: a new field is a new version or comes with one. */
export const datasheetSchema = z.strictObject({
  format: z.literal(DATASHEET_FORMAT).describe('Name and version of this format.'),
  madeAt: z.iso.datetime().describe('When the set was drawn, UTC. The files of the set do not depend on it.'),
  alignFlVersion: z.string().describe('Version of the program that drew it.'),
  command: z.string().min(1).describe('Draws the same set again, from the same run.'),
  origin: z
    .strictObject({
      run: z.string().describe('Name of the experiment.'),
      seed: count.describe('Its seed.'),
      specHash: sha256.describe('Of its resolved spec, as in summary.json.'),
      alignFlVersion: z.string().describe('Version of the program that finished the run.'),
      dataSet: z.string().describe('What the silos had images of.'),
      rounds: z.int().min(1).describe('Rounds of the run.'),
    })
    .describe('The run that the decoders are from.'),
  images: z
    .strictObject({
      count,
      channels: z.int().min(1),
      height: z.int().min(1),
      width: z.int().min(1),
      format: z.enum(SYNTHETIC_FORMATS),
      quantisation: z.literal('round(255 x)').describe('How pixels in [0, 1] became bytes.'),
      seed: count.describe('Root of the draw.'),
    })
    .describe('What is in the set.'),
  labels: z
    .strictObject({
      source: z.literal('asked-for').describe('The class that the decoder was asked for. Nobody looked at the image.'),
      classes: z.int().min(1).describe('Of the whole federation.'),
      perClass: z
        .array(z.strictObject({ class: classNumber, count }))
        .describe('Images of each class that is in the set, ascending.'),
      missing: z.array(classNumber).describe('Classes that no silo offers: the set has no image of them.'),
    })
    .nullable()
    .describe('Null where decoders take no class, and the images have no labels.'),
  silos: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        round: z
          .int()
          .min(1)
          .describe('That the decoder was made for, the newest of its silo; it came later where it came late.'),
        decoderSha256: sha256,
        images: count.describe('Drawn from it.'),
        offers: z.array(classNumber).nullable().describe('Classes; null where images have no labels.'),
        privacy: privacyStatementSchema.describe(
          'What its release claims. Drawing images is post-processing: it costs no privacy, and a guarantee stays what it was.',
        ),
      }),
    )
    .min(1)
    .describe('One entry a decoder, in the order of the spec.'),
  formalPrivacy: z
    .strictObject({
      everySilo: z.boolean().describe('Whether every release claims an epsilon and a delta.'),
      without: z.array(z.string()).describe('Silos whose release claims none.'),
      text: z.string().min(1).describe('For people.'),
    })
    .describe('What can be said of the set as a whole.'),
  shares: z
    .array(
      z.strictObject({
        silo: z.string().min(1),
        class: classNumber.nullable(),
        start: count.describe('First row, from 0.'),
        count,
      }),
    )
    .describe('Which rows are from whom, in their order in the files.'),
  utility: z
    .strictObject({
      strategy: z.literal('align'),
      testImages: count.describe('Real images, held out from all silos.'),
      metrics: metricsSchema.describe("Of the run's own global model, as in summary.json."),
      text: z.string().min(1).describe('For people.'),
    })
    .describe('What the run measured on real images. Nothing was measured of this very set.'),
  limits: z.array(z.string().min(1)).min(1).describe('For people: what the set is not.'),
  licence: z.null().describe('None is given here: it is for the owners of the images and decoders to say.'),
  files: z
    .array(z.strictObject({ path: z.string().min(1), bytes: count, sha256 }))
    .describe('Of the set, except single PNG files, whose hashes are in metadata.csv. SHA256SUMS has all of them.'),
});

/** What is to be known of a synthetic set. */
export type Datasheet = z.infer<typeof datasheetSchema>;

/** Checks `value`, which is or becomes the file `path`. Throws StateError where it is not of this format. */
export function parseDatasheet(value: unknown, path: string): Datasheet {
  const result = datasheetSchema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path: at, message }) => `${at.map(String).join('.')}: ${message}`);
  throw new StateError(
    `${path} is no file of the format ${DATASHEET_FORMAT}: ${problems.join('; ')}. Draw the set again with align-fl synth.`,
    { path },
  );
}

/** Reads a file of this format. Throws StateError: absent, damaged, of another version. */
export async function readDatasheet(path: string): Promise<Datasheet> {
  return parseDatasheet(await readJson(path, { maxBytes: MAX_BYTES }), path);
}

// --- internal ---

const MAX_BYTES = 2 ** 26;
