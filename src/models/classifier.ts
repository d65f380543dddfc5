// Image classifiers as pure functions: they say which class an image shows, and their last hidden layer says what it
// looks like. Judges of generated images look at that layer; classifiers taught with synthetic images are judged by it.

import type { numpy as np } from '@jax-js/jax';
import { SpecError } from '../errors.ts';
import { type ImageShape, pixelCount } from './image-shape.ts';
import {
  convolution,
  convolutionSpecs,
  dense,
  denseSpecs,
  type Observe,
  type Parameters,
  type ParameterSpecs,
  relu,
} from './layers.ts';
import { lowPass } from './low-pass.ts';

/** Dense layers from the image inwards, the last of which gives the features. */
export interface MlpClassifierArchitecture {
  readonly kind: 'mlp';
  /** Widths before the features; may be empty. */
  readonly hidden: readonly number[];
  /** F */
  readonly features: number;
  readonly lowPass?: LowPassed;
}

/** Strided 4 x 4 convolutions (stride 2, padding 1), one per entry of `channels`, then a dense layer of features. */
export interface ConvClassifierArchitecture {
  readonly kind: 'conv';
  readonly channels: readonly number[];
  /** F */
  readonly features: number;
  readonly lowPass?: LowPassed;
}

/**
 * Lowest frequencies along each axis that it looks at (low-pass.ts): synthetic and real images often differ most in the high
 * ones, of which it can then learn nothing wrong. Default: all.
 */
export type LowPassed = number;

export type ClassifierArchitecture = MlpClassifierArchitecture | ConvClassifierArchitecture;

export interface Classifier {
  readonly architecture: ClassifierArchitecture;
  /** D */
  readonly pixels: number;
  /** C */
  readonly classes: number;
  /** F */
  readonly featureSize: number;
  readonly parameters: ParameterSpecs;
  /** `x [B, D] in [0, 1] -> [B, F]`: the last hidden layer, after its ReLU. Keeps `parameters` alive. */
  features(parameters: Parameters, x: np.Array, observe?: Observe): np.Array;
  /** `x [B, D] in [0, 1] -> [B, C]`; probabilities are their softmax. Keeps `parameters` alive. */
  logits(parameters: Parameters, x: np.Array, observe?: Observe): np.Array;
  /** `features [B, F] -> logits [B, C]`, for those who want both and compute the layers below once. */
  classify(parameters: Parameters, features: np.Array, observe?: Observe): np.Array;
}

/**
 * The classifier of an architecture for images of the given size. Throws SpecError where they do not fit: strided layers
 * need sides that can be halved once a layer, and telling apart needs two classes or more.
 */
export function classifierOf(architecture: ClassifierArchitecture, shape: ImageShape, classes: number): Classifier {
  if (!(Number.isInteger(classes) && classes >= 2)) {
    throw new SpecError(`A classifier needs at least two classes to tell apart; these data have ${classes}.`, {
      classes,
    });
  }
  const body = architecture.kind === 'mlp' ? mlpBody(architecture, shape) : convBody(architecture, shape);
  const { features: width } = architecture;
  const seen = (x: np.Array) => (architecture.lowPass === undefined ? x : lowPass(x, shape, architecture.lowPass));
  const features: Classifier['features'] = (parameters, x, observe) =>
    relu(dense(parameters, 'features', body.run(parameters, seen(x), observe), observe)); // [B, F]
  const classify: Classifier['classify'] = (parameters, h, observe) => dense(parameters, 'classes', h, observe);
  return {
    architecture,
    pixels: pixelCount(shape),
    classes,
    featureSize: width,
    parameters: {
      ...body.parameters,
      ...denseSpecs('features', body.width, width),
      ...denseSpecs('classes', width, classes),
    },
    features,
    classify,
    logits: (parameters, x, observe) => classify(parameters, features(parameters, x, observe), observe), // [B, C]
  };
}

/**
 * A small architecture with 64 features that fits any image of 8 x 8 to 64 x 64: two strided layers (three from 64 x 64),
 * of 16, 32 (and 64) channels, as far as the sides can be halved; dense where they are odd.
 */
export function smallClassifier(shape: ImageShape): ClassifierArchitecture {
  const depth = Math.min(shape.height, shape.width) >= 64 ? 3 : 2;
  const channels = [16, 32, 64].slice(0, depth).filter((_, i) => divides(2 ** (i + 1), shape));
  return channels.length === 0
    ? { kind: 'mlp', hidden: [256], features: 64 }
    : { kind: 'conv', channels, features: 64 };
}

// --- internal ---

/** All layers below the features. */
interface Body {
  /** Of its output. */
  readonly width: number;
  readonly parameters: ParameterSpecs;
  /** `x [B, D] -> [B, width]` */
  run(parameters: Parameters, x: np.Array, observe?: Observe): np.Array;
}

function mlpBody({ hidden }: MlpClassifierArchitecture, shape: ImageShape): Body {
  const widths = [pixelCount(shape), ...hidden];
  return {
    width: widths[widths.length - 1] as number,
    parameters: Object.assign({}, ...hidden.map((width, i) => denseSpecs(`body.${i}`, widths[i] as number, width))),
    run: (parameters, x, observe) => hidden.reduce((h, _, i) => relu(dense(parameters, `body.${i}`, h, observe)), x), // [B, width i]
  };
}

function convBody({ channels }: ConvClassifierArchitecture, shape: ImageShape): Body {
  const shrink = 2 ** channels.length;
  if (!divides(shrink, shape)) {
    throw new SpecError(
      `A convolutional classifier with ${channels.length} strided layers needs images whose height and width are ` +
        `multiples of ${shrink}; these are ${shape.height} x ${shape.width}. Use fewer channels, or kind: mlp.`,
      { height: shape.height, width: shape.width },
    );
  }
  const inward = [shape.channels, ...channels];
  const width = (inward[channels.length] as number) * (shape.height / shrink) * (shape.width / shrink);
  return {
    width,
    parameters: Object.assign(
      {},
      ...channels.map((outputs, i) => convolutionSpecs(`body.${i}`, inward[i] as number, outputs)),
    ),
    run: (parameters, x, observe) => {
      const batch = x.shape[0] as number;
      const image = x.reshape([batch, shape.channels, shape.height, shape.width]);
      const last = channels.reduce((h, _, i) => relu(convolution(parameters, `body.${i}`, h, observe)), image);
      return last.reshape([batch, width]); // [B, C_last * H/shrink * W/shrink]
    },
  };
}

function divides(factor: number, { height, width }: ImageShape): boolean {
  return height % factor === 0 && width % factor === 0;
}
