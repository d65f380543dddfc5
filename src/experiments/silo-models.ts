// Which model a silo trains: by the task of the spec and the strategy it is trained for.

import { classCounts, type ImageSet } from '../data/image-set.ts';
import { ShapeError } from '../errors.ts';
import { type ClassifierArchitecture, smallClassifier } from '../models/classifier.ts';
import type { ImageShape } from '../models/image-shape.ts';
import type { ClassifierModel, SiloModel, WarmStart } from '../silo/silo-model.ts';
import {
  generatorOfSilo,
  type GeneratorSpec,
  modelOfServer,
  modelOfSilo,
  privacyOfSilo,
  type SiloSpec,
  type Spec,
  type StrategyName,
} from './spec.ts';

/** What a model is trained on. */
export interface TrainedOn {
  readonly images: ImageSet;
  /** C: all classes of the federation. */
  readonly classes: number;
}

/** What silo `silo` trains under a strategy, on its own images. */
export function modelTrainedBy(spec: Spec, silo: SiloSpec, strategy: StrategyName, own: TrainedOn): SiloModel {
  if (spec.task === 'represent') return { kind: 'vae', architecture: modelOfSilo(spec, silo), loss: spec.loss };
  if (strategy !== 'align') return classifierModel(spec, own);
  const generator = generatorOfSilo(spec, silo);
  if (generator.kind === 'release') throw new ShapeError(`Silo ${silo.name} brings a decoder along and trains none.`);
  const classes = { count: own.classes, offered: offeredBy(spec, silo, own) };
  if (generator.kind === 'linear-gaussian') {
    const { components, frequencies, rank } = generator;
    return { kind: 'linear-gaussian', options: { components, frequencies, rank }, classes };
  }
  const { prior, warmStart } = generator;
  return {
    kind: 'conditional-vae',
    architecture: modelOfSilo(spec, silo),
    loss: spec.loss,
    prior,
    classes,
    warmStart: warmStart && warmStartModel(warmStart),
  };
}

/** What `centralised` trains on the images of all silos. */
export function modelTrainedOnAll(spec: Spec, all: TrainedOn): SiloModel {
  if (spec.task === 'represent') return { kind: 'vae', architecture: modelOfServer(spec), loss: spec.loss };
  return classifierModel(spec, all);
}

/** The classifier of the task. */
export function classifierArchitecture(
  { classifier }: Pick<Spec, 'classifier'>,
  shape: ImageShape,
): ClassifierArchitecture {
  const architecture = classifier.model ?? smallClassifier(shape);
  return classifier.lowPass === null ? architecture : { ...architecture, lowPass: classifier.lowPass };
}

// --- internal ---

function warmStartModel({
  components,
  frequencies,
  rank,
  epsilon,
  images,
  ...training
}: NonNullable<Extract<GeneratorSpec, { kind: 'vae' }>['warmStart']>): WarmStart {
  return { closedForm: { components, frequencies, rank }, epsilon, images, training };
}

/** What its owner declared, in the spec or by the partition; else what it has where nothing is private, and all where something is. */
function offeredBy(spec: Spec, silo: SiloSpec, { images, classes }: TrainedOn): readonly number[] {
  const { partition } = spec.data;
  const index = spec.silos.indexOf(silo);
  const declared = silo.offers ?? (partition.kind === 'class-disjoint' ? partition.classes[index] : undefined);
  if (declared) return [...new Set(declared)].sort((a, b) => a - b);
  if (['dp-sgd', 'gaussian'].includes(privacyOfSilo(spec, silo).mechanism))
    return Array.from({ length: classes }, (_, label) => label);
  return classCounts(images.labels).map(({ label }) => label);
}

function classifierModel(spec: Spec, { images, classes }: TrainedOn): ClassifierModel {
  const { augmentation, averaging } = spec.classifier;
  const architecture = classifierArchitecture(spec, images.shape);
  return { kind: 'classifier', architecture, classes, augmentation, averaging };
}
