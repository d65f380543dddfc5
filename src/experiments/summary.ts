// `summary.json`: the results of a complete run, in a versioned form for other programs. `docs/summary.md` explains it.

import { z } from 'zod';
import { StateError } from '../errors.ts';
import { certificateSchema, privacyStatementSchema } from '../exchange/privacy-statement-schema.ts';
import { readJson, writeJsonAtomic } from '../storage/atomic-file.ts';
import { diagnosticsSchema } from './diagnostic-fields.ts';
import { type PaperMethod, paperNumbersFor } from './paper-numbers.ts';
import type { Spec } from './spec.ts';

/** Name and version of the format. A change that old readers would misread gets a new number. */
export const SUMMARY_FORMAT = 'align-fl/summary@1';

const fraction = z.number().min(0).max(1);
const spread = z.strictObject({
  mean: fraction.describe('Mean over the splits.'),
  sd: z.number().min(0).max(1).nullable().describe('Sample standard deviation over the splits; null for one split.'),
});
const seconds = z.number().min(0);
const amount = z.int().min(0);
const probeFields = {
  accuracy: spread.describe('Share of right answers.'),
  f1Weighted: spread.describe('F1 averaged over the classes, weighted by their size.'),
  splits: z.int().min(1).describe('Random splits averaged over.'),
  unconverged: amount.describe('Fits among them that stopped at the limit of iterations, not at the optimum.'),
};
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** How good images of a model's prior are beside real ones. Only scores of one extractor and equal counts compare. */
const generationSchema = z.strictObject({
  extractor: z.string().min(1).describe('What looked at the images: only scores of the same one can be compared.'),
  extractorAccuracy: fraction
    .nullable()
    .describe('Share of the test images that it classifies right; null for one from a file.'),
  images: z
    .strictObject({
      real: amount.describe('Of the test set.'),
      synthetic: amount.describe("Of the model's prior."),
    })
    .describe('Images that were compared: only scores of equal counts can be compared.'),
  fid: z.number().min(0).describe('Frechet distance of their features, from 0; biased upwards.'),
  kid: z
    .strictObject({
      mean: z.number().describe('Mean over random subsets; may be below 0.'),
      sd: z.number().min(0).nullable().describe('Sample standard deviation over the subsets.'),
    })
    .describe('Kernel distance of their features, unbiased.'),
  precision: fraction.describe('Share of the synthetic images that lie among real ones.'),
  recall: fraction.describe('Share of the real images that lie among synthetic ones.'),
  density: z.number().min(0).describe('How deep synthetic images lie among real ones; about 1 for real images.'),
  coverage: fraction.describe('Share of the real images that have a synthetic one nearby.'),
  neighbours: z.int().min(1).describe('Nearest neighbours that the last four go by.'),
});

/** Slopes of a decoder that were measured at draws from the prior. */
export const slopeSchema = z.strictObject({
  draws: z.int().min(1).describe('Codes z ~ N(0, I) that were looked at.'),
  largest: z.number().min(0).describe('Largest norm of the Jacobian found: the Lipschitz constant is at least this.'),
  mean: z.number().min(0).describe('Mean norm of the Jacobian.'),
});

const recallPerClass = z
  .array(fraction.nullable())
  .describe('Mean recall of class i at index i; null for a class that was not held out.');

/** How good a classifier is on real held-out images of all classes. */
const classificationSchema = z.strictObject({
  accuracy: fraction.describe('Share of all test images that it names right.'),
  f1Weighted: fraction.describe('F1 averaged over the classes, weighted by their size.'),
  recallPerClass,
  localLabelAccuracy: fraction
    .nullable()
    .describe(
      "Share named right, among all classes, of test images dealt as one silo's own are: recall weighted by its number of images " +
        'of each class; the mean over silos. What a silo sees that tests on images like its own. A simulation alone may know it.',
    ),
});

/** How good a model is: a representation by its probe, a classifier by its answers. Shares are fractions, 0 to 1. All null: not judged. */
export const metricsSchema = z.strictObject({
  classification: classificationSchema
    .nullable()
    .default(null)
    .describe('Of `task: classify`; null for a representation.'),
  probePaperSplit: z
    .strictObject(probeFields)
    .nullable()
    .describe(
      "The paper's protocol: 1,600 test images to fit, 400 to score. Null where there are too few test images.",
    ),
  probeFullTest: z
    .strictObject({
      ...probeFields,
      recallPerClass,
    })
    .nullable()
    .describe('The same probe on all test images, 80 % to fit, 20 % to score. Null for a classifier.'),
  reconstructionMse: z
    .number()
    .min(0)
    .nullable()
    .describe('Mean squared error per pixel on the test images, pixels 0 to 1. Null for what does not reconstruct.'),
  generation: generationSchema
    .nullable()
    .describe('How good images of its prior are; null where they were not asked for, and for what makes none.'),
});

/** Scores of each silo's own model. */
export const perSiloSchema = z.array(
  z.strictObject({
    silo: z.string().describe('Name of the silo.'),
    metrics: metricsSchema.describe('Of its own model, as if that were the global one.'),
  }),
);

const siloSchema = z.strictObject({
  name: z.string().describe('Name of the silo, as in the spec.'),
  examples: amount
    .nullable()
    .describe('Training images, foreign ones included; null where they are at the silo and nobody else knows.'),
  classes: z.record(z.string(), amount).describe('Training images by class number; empty where nobody else knows.'),
  mechanism: z.string().min(1).describe('Privacy mechanism, as in the spec.'),
  epsilon: z
    .union([z.number().min(0), z.literal('Infinity')])
    .nullable()
    .describe(
      'Privacy spent in all rounds of all strategies; "Infinity" for none at all, null where no claim can be made.',
    ),
  delta: fraction.nullable().describe('Delta that belongs to epsilon; null where epsilon is no number.'),
  privacyText: z.string().min(1).describe('What is claimed about privacy, for people.'),
  privacy: privacyStatementSchema.describe(
    "The statement of the silo's last upload under any strategy, which covers all of them.",
  ),
  uploadBytes: z
    .strictObject({
      perRound: z
        .array(amount)
        .describe('What left the silo in each round of the run; 0 in rounds in which nothing came from it.'),
      total: amount.describe('What left the silo in all rounds.'),
    })
    .describe('Sizes of what left the silo.'),
  decoders: z
    .array(
      z.strictObject({
        round: z.int().min(1).describe('In which it reached the server; counts from 1.'),
        answers: z
          .int()
          .min(1)
          .exactOptional()
          .describe('The earlier round that it was made for, where it came late; left out where it came in time.'),
        sha256: sha256.describe('Of the file in `decoders/round-R/`.'),
        bytes: amount.describe('Its size.'),
        certificate: certificateSchema
          .nullable()
          .describe(
            'What its weights prove of its Lipschitz constant, from its statement; null where it brought none.',
          ),
        localLipschitz: slopeSchema
          .nullable()
          .describe('How steep it was found to be, which no certificate may be below; null where nobody looked.'),
      }),
    )
    .describe('Decoders that the silo released; none under a strategy that shares weights.'),
});

const strategySchema = z.strictObject({
  strategy: z.string().min(1).describe('`align`, `fedavg`, `fedprox`, `local-only` or `centralised`.'),
  rounds: z
    .array(
      z.strictObject({
        round: z.int().min(1).describe('Counts from 1.'),
        metrics: metricsSchema.describe(
          'Of the global model after this round; of `local-only` the mean over the silos.',
        ),
        perSilo: perSiloSchema
          .exactOptional()
          .describe("Of each silo's own model, in the order of the spec; of `local-only` alone."),
        seconds: seconds.describe('Time of this round, evaluation included.'),
      }),
    )
    .describe('One entry a round, in order.'),
  final: metricsSchema.describe('`metrics` of the last round.'),
  diagnostics: diagnosticsSchema
    .exactOptional()
    .describe('Failure signatures after the last round; not of `local-only`, which has no global model.'),
  silos: z
    .array(siloSchema)
    .describe('One entry for each silo that ever took part in the run, in the order of the spec.'),
  globalSha256: sha256.describe(
    "Of the global model's file: equal hashes, equal models. Of `local-only`: over the files of all silos' models.",
  ),
  secondsPerStage: z
    .strictObject({
      silos: seconds.describe('Training within the silos.'),
      server: seconds.describe('Sampling and training at the server.'),
      evaluation: seconds.describe('Probes and pictures.'),
      total: seconds.describe('All rounds of this strategy; pauses between stop and resume do not count.'),
    })
    .describe('Where the time went.'),
});

const paperMethodSchema = z.strictObject({
  accuracy: fraction.nullable().describe('To compare with `probePaperSplit.accuracy`.'),
  f1Weighted: fraction.nullable().describe('To compare with `probePaperSplit.f1Weighted`.'),
  fid: z
    .number()
    .min(0)
    .nullable()
    .describe('By another extractor: to compare with `generation.fid` in order, not in value.'),
});

/** The whole file. Unknown keys are errors: a new field is a new version or comes with one. */
export const summarySchema = z.strictObject({
  format: z.literal(SUMMARY_FORMAT).describe('Name and version of this format.'),
  name: z.string().describe('Name of the experiment.'),
  seed: z.int().min(0).describe('Its seed.'),
  specHash: sha256.describe(
    'SHA-256 of the resolved spec without engine.silosAtOnce and the place of ledgers, keys sorted.',
  ),
  alignFlVersion: z.string().describe('Version of the program that finished the run.'),
  dataSet: z
    .strictObject({
      name: z.string().describe('Name of the data set.'),
      sha256: sha256.describe('Of all its images and labels.'),
      train: amount.nullable().describe('Training images, before they were dealt; null where they are at the silos.'),
      test: amount.describe('Test images; 0 where nothing is judged.'),
    })
    .describe('The images of the experiment.'),
  partition: z
    .strictObject({
      file: z.string().describe('Manifest within the run folder.'),
      sha256: sha256.describe('Of that file.'),
    })
    .describe('Which silo had which images.'),
  startedAt: z.iso.datetime().describe('When the run first began, UTC.'),
  finishedAt: z.iso.datetime().describe('When it was complete, UTC.'),
  machine: z
    .strictObject({
      node: z.string().describe('Version of Node.'),
      platform: z.string().describe('System and processor, such as linux-x64.'),
      cores: z.int().min(1).describe('Processor cores.'),
      executor: z.string().describe('What computed: `onnxruntime` or `wasm`.'),
      device: z.string().describe('Where: `cpu`, `webgpu` or `cuda`.'),
    })
    .describe('Where the run was finished.'),
  strategies: z.array(strategySchema).min(1).describe('One entry a strategy, the main one first.'),
  controls: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Such as `raw-pixels`, `pca-2`, `pca-16`, `untrained-encoder`.'),
        metrics: metricsSchema.describe('The same probe on this representation.'),
      }),
    )
    .describe('What the probe says of representations that nobody trained; empty where they were not asked for.'),
  paper: z
    .strictObject({
      source: z.string().describe('Where the numbers are from.'),
      align: paperMethodSchema.nullable().describe('ALIGN-FL under the privacy of the run.'),
      fedavg: paperMethodSchema
        .nullable()
        .describe('Averaging of whole autoencoders; null under privacy, of which the paper reports none.'),
    })
    .nullable()
    .describe("The paper's numbers where the run is comparable, else null."),
});

/** The results of a complete run. */
export type Summary = z.infer<typeof summarySchema>;
/** Scores of one representation. */
export type Metrics = z.infer<typeof metricsSchema>;
export type StrategySummary = Summary['strategies'][number];
export type SiloSummary = StrategySummary['silos'][number];

/** The paper's numbers as the summary holds them: fractions, or null where the experiment is not the paper's. */
export function paperOfSummary(spec: Spec): Summary['paper'] {
  const numbers = paperNumbersFor(spec);
  if (numbers === null) return null;
  const asFraction = (percent: number | null) => (percent === null ? null : percent / 100);
  const asFractions = (method: PaperMethod | null) =>
    method && {
      accuracy: asFraction(method.accuracyPercent),
      f1Weighted: asFraction(method.f1WeightedPercent),
      fid: method.fid,
    };
  return { source: numbers.source, align: asFractions(numbers.align), fedavg: asFractions(numbers.fedavg) };
}

/** Writes `summary` in one step. Its presence is what makes a run complete, so it comes last. Throws StateError if malformed. */
export async function writeSummary(path: string, summary: Summary): Promise<void> {
  await writeJsonAtomic(path, parseSummary(summary, path));
}

/** Reads a summary of this format. Throws StateError: absent, damaged, of another version. */
export async function readSummary(path: string): Promise<Summary> {
  return parseSummary(await readJson(path, { maxBytes: MAX_SUMMARY_BYTES }), path);
}

// --- internal ---

const MAX_SUMMARY_BYTES = 2 ** 28;

function parseSummary(value: unknown, path: string): Summary {
  const result = summarySchema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path: at, message }) => `${at.map(String).join('.')}: ${message}`);
  throw new StateError(
    `${path} is no summary of the format ${SUMMARY_FORMAT}: ${problems.join('; ')}. It is damaged or from another version of ` +
      'align-fl: use that version, or delete the run folder and run it again.',
    { path },
  );
}
