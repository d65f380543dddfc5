// What a silo trains: as plain data, and as parameters, loss and examples with what of them may leave.

import { imageExamples } from '../data/batches.ts';
import { type ImageSet, selectImages } from '../data/image-set.ts';
import type { DecoderFile } from '../exchange/gate.ts';
import type { OfferedClasses } from '../exchange/release.ts';
import type { Architecture } from '../models/architecture.ts';
import { type ClassifierArchitecture, classifierOf } from '../models/classifier.ts';
import { conditionalVaeOf, type LatentPrior } from '../models/conditional-vae.ts';
import type { ElboOptions } from '../models/elbo.ts';
import { exportDecoder } from '../models/decoder-export.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import type { ParameterSpecs } from '../models/layers.ts';
import type { LinearGaussianOptions } from '../models/linear-gaussian.ts';
import { exportLabelledDecoder } from '../models/labelled-decoder.ts';
import { decoderPart, vaeOf } from '../models/vae.ts';
import { trainingControlOf } from '../privacy/lipschitz-control.ts';
import type { LipschitzControl } from '../privacy/lipschitz-options.ts';
import type { PenaltyLatents } from '../privacy/lipschitz-penalty.ts';
import { augmentedExamples, type AugmentationOptions } from '../training/augmentation.ts';
import { classifierObjective, labelledExamples } from '../training/classifier-objective.ts';
import { conditionalVaeObjective } from '../training/conditional-vae-objective.ts';
import type { Examples } from '../training/examples.ts';
import type { Objective } from '../training/objective.ts';
import type { NamedArrays } from '../training/parameter-slots.ts';
import type { TrainingOptions } from '../training/trainer.ts';
import type { TrainingControl } from '../training/regulariser.ts';
import { weightAverage } from '../training/weight-average.ts';
import { vaeObjective } from '../training/vae-objective.ts';

/** An autoencoder without labels: the paper's. */
export interface VaeModel {
  readonly kind: 'vae';
  readonly architecture: Architecture;
  readonly loss: ElboOptions;
}

/** An autoencoder that knows classes: its decoder draws images of those that the silo offers. */
export interface ConditionalVaeModel {
  readonly kind: 'conditional-vae';
  readonly architecture: Architecture;
  readonly loss: ElboOptions;
  readonly prior: LatentPrior;
  readonly classes: OfferedClasses;
  /** What it learns from before it sees a record; null for random first values. */
  readonly warmStart: WarmStart | null;
}

/** First values from synthetic images of a closed-form generator of the same records (warm-start.ts). */
export interface WarmStart {
  readonly closedForm: LinearGaussianOptions;
  /** What the closed form may cost of the epsilon of all training; null where nothing is private. */
  readonly epsilon: number | null;
  /** Drawn from the closed form, of each class equally many. */
  readonly images: number;
  /** How the model learns from them: without a mechanism, so with smaller batches and larger rates than suit private steps. */
  readonly training: TrainingOptions;
}

/** A generator that is computed once, not trained (linear-gaussian-fit.ts). */
export interface LinearGaussianModel {
  readonly kind: 'linear-gaussian';
  readonly options: LinearGaussianOptions;
  readonly classes: OfferedClasses;
}

/** A classifier of all classes of the federation, for baselines: no decoder is in it, so nothing of it is ever released. */
export interface ClassifierModel {
  readonly kind: 'classifier';
  readonly architecture: ClassifierArchitecture;
  /** C */
  readonly classes: number;
  /** What happens to the images as they are learnt from; null for nothing. */
  readonly augmentation: AugmentationOptions | null;
  /** Decay of the running average of weights that a training ends with; null for the last ones. */
  readonly averaging: number | null;
}

/** Told apart by `kind`. */
export type SiloModel = TrainedModel | LinearGaussianModel;

/** A model that learns step by step. */
export type TrainedModel = VaeModel | ConditionalVaeModel | ClassifierModel;

/** A silo's model for images of one size. */
export interface TrainableModel {
  readonly parameters: ParameterSpecs;
  readonly objective: Objective;
  /** Of a silo's images. `isPrivate`: whatever they show, as many as there are. */
  readonly examples: (images: ImageSet, isPrivate: boolean) => Examples;
  /** Numbers that the loss of one example is summed over: what `privacy.normaliseLoss` divides by. */
  readonly lossTerms: number;
  /** What a form of Lipschitz control does while it trains; nothing where there is no decoder. */
  readonly controlOf: (control: LipschitzControl | null, allowed: PenaltyLatents) => TrainingControl;
  /** The file of its decoder; null where it has none, and then nothing of it may leave but under averaging. */
  readonly decoderFile: ((parameters: NamedArrays) => DecoderFile) | null;
}

/** Throws SpecError where the model does not fit images of this shape. */
export function trainableModel(model: TrainedModel, shape: ImageShape): TrainableModel {
  switch (model.kind) {
    case 'vae': {
      const vae = vaeOf(model.architecture, shape);
      return {
        parameters: vae.parameters,
        objective: vaeObjective('silo VAE', vae, model.loss),
        examples: imageExamples,
        lossTerms: pixelCount(shape),
        controlOf: (control, allowed) => trainingControlOf(vae, control, allowed),
        decoderFile: (parameters) => ({
          onnx: exportDecoder(vae, parameters, shape),
          specs: decoderPart(vae.parameters),
          classes: null,
        }),
      };
    }
    case 'conditional-vae': {
      const { count } = model.classes;
      const vae = conditionalVaeOf(model.architecture, { shape, classes: count, prior: model.prior });
      return {
        parameters: vae.parameters,
        objective: conditionalVaeObjective('silo conditional VAE', vae, model.loss),
        examples: (images, isPrivate) => offeredExamples(images, model.classes, isPrivate),
        lossTerms: pixelCount(shape),
        controlOf: (control, allowed) => trainingControlOf({ vae, offered: model.classes.offered }, control, allowed),
        decoderFile: (parameters) => ({
          onnx: exportLabelledDecoder(vae.generator, parameters, shape),
          specs: vae.generator.parameters,
          classes: model.classes,
        }),
      };
    }
    case 'classifier': {
      const classifier = classifierOf(model.architecture, shape, model.classes);
      return {
        parameters: classifier.parameters,
        objective: classifierObjective('silo classifier', classifier),
        examples(images) {
          const examples = labelledExamples(imageExamples(images), images.labels, model.classes);
          return model.augmentation ? augmentedExamples(examples, shape, model.augmentation) : examples;
        },
        lossTerms: 1,
        controlOf: () =>
          model.averaging === null ? {} : { projection: weightAverage(classifier.parameters, model.averaging) },
        decoderFile: null,
      };
    }
  }
}

// --- internal ---

/**
 * Labelled images of the classes that a silo offers: what it has beside them is nobody's business, and would show in the weights
 * of its classes. Private training keeps their number, as its plan is made for it: an image of another class is an empty one.
 */
function offeredExamples(images: ImageSet, { count, offered }: OfferedClasses, isPrivate: boolean): Examples {
  const isOffered = (label: number) => offered.includes(label);
  const rows = Array.from(images.labels.keys()).filter((row) => isOffered(images.labels[row] as number));
  if (rows.length === images.labels.length) return labelledExamples(imageExamples(images), images.labels, count);
  if (!isPrivate) {
    const own = selectImages(images, rows);
    return labelledExamples(imageExamples(own), own.labels, count);
  }
  const all = labelledExamples(
    imageExamples(images),
    images.labels.map((label) => (isOffered(label) ? label : 0)),
    count,
  );
  return {
    ...all,
    read(chosen, out) {
      all.read(chosen, out);
      for (let i = 0; i < chosen.length; i++) {
        if (!isOffered(images.labels[chosen[i] as number] as number)) out.fill(0, i * all.size, (i + 1) * all.size);
      }
    },
  };
}
