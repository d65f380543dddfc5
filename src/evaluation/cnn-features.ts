// The default eye of the evaluation: a small convolutional classifier, trained on the real training images with their
// labels. It exists in simulations only, where somebody may see all images; nothing of it ever reaches a silo or server.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { numpy as np } from '@jax-js/jax';
import { imageExamples, imagePixels } from '../data/batches.ts';
import { type DataSet, type ImageSet, imageSetHash } from '../data/image-set.ts';
import { float32, sizeOf } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { StateError } from '../errors.ts';
import { type Classifier, classifierOf, smallClassifier } from '../models/classifier.ts';
import { initialParameters } from '../models/initialise.ts';
import { parameterInputs, type Parameters } from '../models/layers.ts';
import { readFileBounded, writeFileAtomic } from '../storage/atomic-file.ts';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '../storage/safetensors.ts';
import { classifierObjective, labelledExamples } from '../training/classifier-objective.ts';
import { freshState, type NamedArrays } from '../training/parameter-slots.ts';
import { createTrainer, type TrainingHooks, type TrainingOptions } from '../training/trainer.ts';
import { contentHash } from '../storage/content-hash.ts';
import { scorePredictions } from './classification.ts';
import { type BatchRun, type FeatureExtractor, inBatches } from './feature-extractor.ts';

export interface CnnFeatureOptions {
  readonly engine: Engine;
  /** Whole: all classes, none of the silos' partitions. Images without a class must have been left out. */
  readonly data: Pick<DataSet, 'name' | 'classNames' | 'train' | 'test'>;
  readonly key: Key;
  /** Where trained parameters are kept for the next call with the same data and settings. Default: nowhere. */
  readonly cacheFolder?: string | undefined;
  /** Default 3, of 128 images a step. */
  readonly epochs?: number;
  readonly hooks?: Pick<TrainingHooks, 'signal' | 'onStep'>;
}

export interface CnnFeatureExtractor extends FeatureExtractor {
  /** Share of the test images that it classifies right, 0 to 1: how much its eye is worth. */
  readonly testAccuracy: number;
  /** Whether its parameters came from the cache. */
  readonly fromCache: boolean;
}

/**
 * Trains the extractor, or reads it from the cache. One factor scales its features so that their mean square over training
 * images is 1, and distances of different data sets are of one order. Judge beside held-out images: a classifier is surer
 * of those that it learnt from, so that their features differ. The same data, settings, key and executor give the same features bit
 * by bit. Throws ShapeError where a label is no class, NumericalError where training diverges, AbortedError when the
 * signal fires.
 */
export async function cnnFeatures(options: CnnFeatureOptions): Promise<CnnFeatureExtractor> {
  const { engine, data, cacheFolder } = options;
  const classifier = classifierOf(smallClassifier(data.train.shape), data.train.shape, data.classNames.length);
  const identity = identityOf(options, classifier);
  const path = cacheFolder === undefined ? null : join(cacheFolder, `cnn-${identity.slice(0, 24)}.safetensors`);
  const cached = path === null ? null : await readCached(path, { identity, classifier });
  const values = cached ?? (await train(classifier, options));
  if (path !== null && cached === null) await writeCached(path, encoded(values, { identity, classifier }));
  const eye = await eyeOf(engine, classifier, values);
  const head = await compiled(engine, classifier, values, {
    label: 'feature classifier',
    f: classifier.classify,
    inputs: classifier.featureSize,
    outputs: classifier.classes,
  });
  const logits = await inBatches(head, await inBatches(eye, pixelsOf(data.test)));
  return {
    name: `cnn trained on ${data.name} training images`,
    size: classifier.featureSize,
    fromCache: cached !== null,
    testAccuracy: accuracyOf(logits, data.test.labels, classifier.classes),
    features: (images) => inBatches(eye, images),
  };
}

// --- internal ---

const FORMAT = 'align-fl/cnn-features@1';
const MAX_FILE_BYTES = 2 ** 28;
/** Images of one run. */
const ROWS = 250;
/** Training images by which features are scaled. */
const MAX_SCALE_IMAGES = 5000;

function trainingOf({ epochs = 3 }: CnnFeatureOptions): TrainingOptions {
  return {
    epochs,
    batchSize: 128,
    optimizer: { kind: 'adam', learningRate: 3e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    schedule: { kind: 'cosine', finalFactor: 0.05 },
  };
}

/** SHA-256 (hex) over all that decides the parameters. */
function identityOf(options: CnnFeatureOptions, { architecture, classes }: Classifier): string {
  const { engine, data, key } = options;
  const decisive = {
    format: FORMAT,
    images: imageSetHash(data.train),
    classes,
    architecture,
    training: trainingOf(options),
    key: Buffer.from(key.bytes).toString('hex'),
    executor: engine.executor,
    device: engine.device,
  };
  return contentHash(JSON.stringify(decisive));
}

async function train(classifier: Classifier, options: CnnFeatureOptions): Promise<NamedArrays> {
  const { engine, data, key, hooks } = options;
  const examples = labelledExamples(imageExamples(data.train), data.train.labels, classifier.classes);
  const objective = classifierObjective('feature extractor', classifier);
  const trainer = await createTrainer(engine, objective, trainingOf(options));
  const start = freshState(initialParameters(classifier.parameters, childKey(key, 'init')));
  const { parameters } = await trainer.train({ examples, start, key: childKey(key, 'train') }, hooks);
  const looked = await inBatches(await eyeOf(engine, classifier, parameters), pixelsOf(data.train, MAX_SCALE_IMAGES));
  const meanSquare = looked.reduce((sum, value) => sum + value * value, 0) / looked.length;
  return meanSquare > 0 ? rescaled(parameters, 1 / Math.sqrt(meanSquare)) : parameters;
}

/** Features times `factor`, logits as they were: a ReLU lets positive factors through. */
function rescaled(parameters: NamedArrays, factor: number): NamedArrays {
  const times = (name: string, by: number) => [name, (parameters[name] as Float32Array).map((value) => value * by)];
  return {
    ...parameters,
    ...Object.fromEntries([
      times('features.weight', factor),
      times('features.bias', factor),
      times('classes.weight', 1 / factor),
    ]),
  };
}

function eyeOf(engine: Engine, classifier: Classifier, values: NamedArrays): Promise<BatchRun> {
  return compiled(engine, classifier, values, {
    label: 'feature extractor',
    f: classifier.features,
    inputs: classifier.pixels,
    outputs: classifier.featureSize,
  });
}

/** A part of the classifier as a network that maps rows of `inputs` numbers to rows of `outputs`. */
interface Part {
  readonly label: string;
  readonly f: (parameters: Parameters, x: np.Array) => np.Array;
  readonly inputs: number;
  readonly outputs: number;
}

async function compiled(
  engine: Engine,
  { parameters }: Classifier,
  values: NamedArrays,
  { label, f, inputs, outputs }: Part,
): Promise<BatchRun> {
  const specs = { parameters, x: float32(ROWS, inputs) };
  const traced = (given: { parameters: Parameters; x: np.Array }) => f(given.parameters, given.x);
  const program = await engine.compile(label, traced, specs);
  const named = parameterInputs(values);
  return {
    rows: ROWS,
    inputs,
    outputs,
    run: (x, value) => program.bind({ ...named, x }, { value })(),
  };
}

/** Share of the images whose class has the largest logit. */
function accuracyOf(logits: Float32Array, labels: Uint8Array, classes: number): number {
  const predicted = Array.from(labels, (_, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
  return scorePredictions(labels, predicted, classes).accuracy;
}

/** Images of a set as numbers, [N, D]: all, or `most` spread over the set. */
function pixelsOf(set: ImageSet, most = Number.POSITIVE_INFINITY): Float32Array {
  const all = set.labels.length;
  const count = Math.min(most, all);
  return imagePixels(
    set,
    Array.from({ length: count }, (_, i) => Math.floor((i * all) / count)),
  );
}

/** Where the folder cannot be written, the next call trains again. */
async function writeCached(path: string, bytes: Uint8Array): Promise<void> {
  await writeFileAtomic(path, bytes).catch((cause: unknown) => {
    if (!(cause instanceof StateError)) throw cause;
  });
}

interface Cached {
  readonly identity: string;
  readonly classifier: Classifier;
}

function encoded(parameters: NamedArrays, { identity, classifier }: Cached): Uint8Array {
  const tensors = Object.entries(classifier.parameters).map(([name, { shape }]): [string, Tensor] => [
    name,
    { dtype: 'F32', shape, data: parameters[name] as Float32Array },
  ]);
  return encodeSafetensors(Object.fromEntries(tensors), { format: FORMAT, identity });
}

/** The parameters in the file, or null where it is absent, damaged or another network's: it is then written anew. */
async function readCached(path: string, { identity, classifier }: Cached): Promise<NamedArrays | null> {
  if (!existsSync(path)) return null;
  try {
    const { tensors, metadata } = decodeSafetensors(await readFileBounded(path, { maxBytes: MAX_FILE_BYTES }));
    if (metadata['identity'] !== identity) return null;
    const values: Record<string, Float32Array> = {};
    for (const [name, spec] of Object.entries(classifier.parameters)) {
      const tensor = tensors[name];
      if (tensor?.dtype !== 'F32' || tensor.data.length !== sizeOf(spec)) return null;
      values[name] = tensor.data;
    }
    return values;
  } catch (cause) {
    if (cause instanceof StateError) return null;
    throw cause;
  }
}
