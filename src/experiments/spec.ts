// What an experiment is, as one schema: everything that decides its numbers, and nothing else.
// Every object is strict: a key that means nothing is an error, not a wish that was not granted.

import { z } from 'zod';
import { STRATEGY_NAMES } from '../federation/strategy.ts';
import { SILO_NAME } from '../net/subjects.ts';
import { imageSourceSchema, partitionSchema, sourceSchema } from './data-spec.ts';
import { evaluationSchema } from './evaluation-spec.ts';
import { classifierSchema, generatorSchema, siloGeneratorSchema } from './generator-spec.ts';
import { participationSchema } from './participation-spec.ts';
import { privacySchema } from './privacy-spec.ts';
import { count, MAX_ROUNDS, MAX_SILOS } from './spec-numbers.ts';
import { modelSchema, type optimizerSchema, type scheduleSchema, trainingFields } from './training-spec.ts';

/** Names of experiments: they become folder names. */
export const EXPERIMENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The whole experiment. Field order here is the order in `spec.json`. */
export const specSchema = z
  .strictObject({
    name: z
      .string()
      .regex(EXPERIMENT_NAME)
      .describe('Short name of the experiment: letters, digits, dot, hyphen, underscore; part of the run folder.'),
    seed: z
      .int()
      .min(0)
      .default(0)
      .describe(
        'Root of all randomness: the same seed gives the same numbers. Not under `privacy.noise: secure`, whose randomness ' +
          'in training comes from the operating system and is never stored.',
      ),
    rounds: count(MAX_ROUNDS).default(10).describe('Federated rounds.'),
    task: z
      .enum(['represent', 'classify'])
      .default('represent')
      .describe(
        '`represent`: as in the paper, decoders without labels teach an autoencoder; `classify`: generators of classes teach a ' +
          'classifier, which is judged on real held-out images.',
      ),
    data: z
      .strictObject({
        source: sourceSchema,
        partition: partitionSchema,
        foreign: z
          .strictObject({
            source: imageSourceSchema.describe('Where the foreign images come from; another set than the own images.'),
            rate: z.number().gt(0).max(1).describe('Foreign images for each own image. The paper: 0.05.'),
            silos: z.array(siloName()).min(1).max(MAX_SILOS).describe('Silos that have foreign images.'),
          })
          .nullable()
          .default(null)
          .describe('Foreign images mixed into some silos, remembered for evaluation only; null for none.'),
      })
      .describe('Images, and who has which.'),
    silos: z
      .array(
        z
          .strictObject({
            name: siloName(),
            model: modelSchema.exactOptional().describe('Its own model; the default `model` where it is left out.'),
            privacy: privacySchema
              .exactOptional()
              .describe(
                'Its own privacy mechanism, written out wholly; the default `privacy` where it is left out. Only the folder of ' +
                  'ledgers is that of the default unless it names another.',
              ),
            generator: siloGeneratorSchema.exactOptional(),
            offers: z
              .array(z.int().min(0).max(255))
              .min(1)
              .max(256)
              .exactOptional()
              .describe(
                'Classes that it gives images of under `task: classify`. They become public, so its owner declares them. Left out: ' +
                  'its list in a class-disjoint partition; else those that it has where nothing is private, and where something is all of ' +
                  'them: what it draws of a class that it lacks is noise. Beside a release, classes that this offers; left out: all of ' +
                  'those.',
              ),
            participation: participationSchema.exactOptional(),
          })
          .describe('One participant.'),
      )
      .min(1)
      .max(MAX_SILOS)
      .describe('The participants, each with data and a model of its own.'),
    model: modelSchema
      .prefault({ kind: 'mlp', hidden: [512, 256, 128], latent: 2 })
      .describe("Model of every silo that names none, and of the server. The default is the paper's."),
    loss: z
      .strictObject({
        reconstruction: z
          .enum(['mse', 'bernoulli'])
          .default('mse')
          .describe('`mse`: squared error, as in the paper; `bernoulli`: cross-entropy. Both are sums over pixels.'),
        klWeight: z
          .number()
          .min(0)
          .max(1e6)
          .default(1)
          .describe('Weight of the KL term, which is averaged over batch and latent dimensions as in the paper.'),
      })
      .prefault({})
      .describe('What silos and server minimise.'),
    local: z
      .strictObject(trainingFields({ epochs: 10 }))
      .prefault({})
      .describe('Training within a silo.'),
    server: z
      .strictObject({
        model: modelSchema
          .nullable()
          .default(null)
          .describe('Model of the server; null for the default `model` of the silos.'),
        ...trainingFields({ epochs: 20 }),
        images: count(10_000_000).default(5000).describe('Synthetic images drawn from the decoders in each round.'),
        imagesPer: z
          .enum(['silo', 'total'])
          .default('silo')
          .describe(
            "Whether `images` counts each silo's share or all of them together. Under `task: classify` every class gets an equal " +
              'part of the sum.',
          ),
      })
      .prefault({})
      .describe('Training at the server, on synthetic images only.'),
    strategies: z
      .array(
        z
          .enum(STRATEGY_NAMES)
          .describe(
            '`align`: decoders are shared and sampled; `fedavg`: weights of whole models are averaged; `fedprox`: likewise, with ' +
              'silos held near the average; `local-only`: nothing is shared, each silo is judged alone; `centralised`: one ' +
              'model trained on the images of all silos, the upper bound.',
          ),
      )
      .min(1)
      .default(['align'])
      .describe('The first is the main one, the others are baselines beside it.'),
    fedprox: z
      .strictObject({
        mu: z
          .number()
          .min(0)
          .max(1e6)
          .default(0.01)
          .describe(
            'Weight of the proximal term mu/2 ||w - w_t||^2 in the loss of each silo (Li et al. 2020, who chose among 0.001, ' +
              '0.01, 0.1 and 1 for each task); 0 is FedAvg.',
          ),
      })
      .prefault({})
      .describe('What `fedprox` among the strategies does; means nothing without it.'),
    generator: generatorSchema.prefault({ kind: 'vae' }),
    classifier: classifierSchema,
    privacy: privacySchema,
    evaluation: evaluationSchema,
    engine: z
      .strictObject({
        executor: z
          .enum(['auto', 'onnxruntime', 'wasm'])
          .default('auto')
          .describe('`auto`: ONNX Runtime where it is installed, else WebAssembly.'),
        device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu').describe('Where ONNX Runtime computes.'),
        silosAtOnce: count(1024)
          .nullable()
          .default(null)
          .describe(
            'Silos that train at the same time, one thread each; null for the number of cores. Decides no number.',
          ),
        serverThreads: count(256)
          .default(2)
          .describe("Threads of the server's training. Another number may change the last bits of the results."),
      })
      .prefault({})
      .describe('What computes.'),
  })
  .describe('An experiment of align-fl.');

/** A resolved experiment: every default filled in. */
export type Spec = z.infer<typeof specSchema>;
/** What may be written down: fields with defaults may be left out. */
export type SpecInput = z.input<typeof specSchema>;
export type SourceSpec = z.infer<typeof sourceSchema>;
/** Images that this process can load and deal. */
export type ImageSourceSpec = z.infer<typeof imageSourceSchema>;
/** Images that stay where they are. */
export type AtSilosSpec = Extract<SourceSpec, { kind: 'at-silos' }>;
export type PartitionSpec = z.infer<typeof partitionSchema>;
export type ForeignSpec = NonNullable<Spec['data']['foreign']>;
export type SiloSpec = Spec['silos'][number];
export type ModelSpec = z.infer<typeof modelSchema>;
export type LossSpec = Spec['loss'];
export type OptimizerSpec = z.infer<typeof optimizerSchema>;
export type ScheduleSpec = z.infer<typeof scheduleSchema>;
export type TrainingSpec = Spec['local'];
export type ServerSpec = Spec['server'];
export type StrategyName = Spec['strategies'][number];
export type PrivacySpec = Spec['privacy'];
export type GeneratorSpec = Spec['generator'];
export type EvaluationSpec = Spec['evaluation'];
export type EngineSpec = Spec['engine'];

/**
 * Whether `local-only` is read off ALIGN-FL's silos, which train alone anyway, instead of training them again. A classifier of
 * their own is another model than the generator that they release.
 */
export function sharesSilos({ strategies, task }: Pick<Spec, 'strategies' | 'task'>): boolean {
  return task === 'represent' && strategies.includes('align') && strategies.includes('local-only');
}

/** The strategy that trains the silos of `strategy`, and in whose folders their states lie. */
export function trainedUnder(spec: Pick<Spec, 'strategies' | 'task'>, strategy: StrategyName): StrategyName {
  return strategy === 'local-only' && sharesSilos(spec) ? 'align' : strategy;
}

/** The strategies that have rounds of their own to play. */
export function playedStrategies(spec: Pick<Spec, 'strategies' | 'task'>): StrategyName[] {
  return spec.strategies.filter((name) => trainedUnder(spec, name) === name);
}

/** The model that silo `silo` trains. */
export function modelOfSilo(spec: Pick<Spec, 'model'>, silo: SiloSpec): ModelSpec {
  return silo.model ?? spec.model;
}

/** The privacy mechanism of a silo, and the folder of its ledger. */
export function privacyOfSilo({ privacy }: Pick<Spec, 'privacy'>, { privacy: own }: SiloSpec): PrivacySpec {
  if (own === undefined) return privacy;
  return own.ledgerDir || !privacy.ledgerDir ? own : { ...own, ledgerDir: privacy.ledgerDir };
}

/** The privacy mechanisms of all silos, in their order. */
export function privaciesOf(spec: Pick<Spec, 'privacy' | 'silos'>): readonly PrivacySpec[] {
  return spec.silos.map((silo) => privacyOfSilo(spec, silo));
}

/** The generator that silo `silo` releases. */
export function generatorOfSilo(
  spec: Pick<Spec, 'generator'>,
  silo: SiloSpec,
): GeneratorSpec | NonNullable<SiloSpec['generator']> {
  return silo.generator ?? spec.generator;
}

/** The model that the server trains. */
export function modelOfServer(spec: Pick<Spec, 'model' | 'server'>): ModelSpec {
  return spec.server.model ?? spec.model;
}

/** Synthetic images of one round in which `siloCount` decoders arrived. */
export function syntheticImageCount(server: ServerSpec, siloCount: number): number {
  return server.imagesPer === 'silo' ? server.images * siloCount : server.images;
}

/** Synthetic images of each class, of one round in which `siloCount` decoders arrived: equal parts, at least one. */
export function imagesPerClass(server: ServerSpec, siloCount: number, classes: number): number {
  return Math.max(1, Math.floor(syntheticImageCount(server, siloCount) / classes));
}

// --- internal ---

function siloName() {
  return z.string().regex(SILO_NAME).describe('Name of a silo: small letters, digits and hyphens, at most 32.');
}
