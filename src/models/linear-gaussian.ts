// The linear-Gaussian generator: every class is one Gaussian over the low frequencies of its images, or a mixture of a few.
//
// With one it is probabilistic principal component analysis (Tipping and Bishop 1999) with the noise left out, and the decoder
// is a linear map for each class, whose Lipschitz constant is its largest singular value.

import { numpy as np } from '@jax-js/jax';
import { SpecError } from '../errors.ts';
import { type CosineTransform, cosineTransform } from './cosine-transform.ts';
import { type ImageShape, pixelCount } from './image-shape.ts';
import type { LabelledDecoder } from './labelled-decoder.ts';
import type { Parameters, ParameterSpec } from './layers.ts';

/** What decides the form of the generator; nothing of it is learnt. */
export interface LinearGaussianOptions {
  /** K: Gaussians of each class. With more than one the map from z jumps, and has no Lipschitz constant. */
  readonly components: number;
  /** Low frequencies that are kept along each axis of an image; the others are zero in what is drawn. */
  readonly frequencies: number;
  /** r: directions in which each Gaussian varies, at most. */
  readonly rank: number;
}

/**
 * `decoder.offered` [C, O] chooses among the O classes that have Gaussians; `decoder.thresholds` [O, K - 1], where K > 1, lie
 * between the ranges of z[0] that stand for the Gaussians; `decoder.means` [O K, d] and `decoder.factors` [O K r, d] are in
 * coefficients, which `decoder.rows` [h, H] and `decoder.columns` [w, W] turn into pixels.
 */
export interface LinearGaussian extends LabelledDecoder {
  readonly options: LinearGaussianOptions;
  /** Ascending. Of any other class a blank image is drawn. */
  readonly offered: readonly number[];
  /** r, where the coefficients are no fewer. */
  readonly rank: number;
  readonly transform: CosineTransform;
}

/** The parameter that tells class by class whether it is offered, and where. */
export const LINEAR_GAUSSIAN_PARAMETERS = {
  offered: 'decoder.offered',
  thresholds: 'decoder.thresholds',
  means: 'decoder.means',
  factors: 'decoder.factors',
  rows: 'decoder.rows',
  columns: 'decoder.columns',
} as const;

/**
 * The generator of C classes, of which `offered` have Gaussians. Latent codes have K > 1 ? r + 1 : r dimensions. Throws SpecError
 * where a count is not a whole number of at least 1.
 */
export function linearGaussianOf(
  options: LinearGaussianOptions,
  {
    shape,
    classes,
    offered,
  }: { readonly shape: ImageShape; readonly classes: number; readonly offered: readonly number[] },
): LinearGaussian {
  for (const [name, value] of Object.entries(options)) requireCount(name, value as number);
  requireCount('offered', offered.length);
  const { components } = options;
  const transform = cosineTransform(shape, options.frequencies);
  const { height, width, size } = transform;
  const rank = Math.min(options.rank, size);
  const groups = offered.length * components;
  const names = LINEAR_GAUSSIAN_PARAMETERS;
  return {
    options,
    offered,
    rank,
    transform,
    latent: components > 1 ? rank + 1 : rank,
    classes,
    pixels: pixelCount(shape),
    parameters: {
      [names.offered]: spec(classes, offered.length),
      ...(components > 1 && { [names.thresholds]: spec(offered.length, components - 1) }),
      [names.means]: spec(groups, size),
      [names.factors]: spec(groups * rank, size),
      [names.rows]: spec(height, shape.height),
      [names.columns]: spec(width, shape.width),
    },
    draw(parameters, z, y) {
      const [n] = z.shape as [number];
      const own = (name: keyof typeof names) => (parameters[names[name]] as np.Array).ref;
      const label = np.matmul(y, own('offered')); // [B, O]
      const { chosen, code } =
        components > 1 ? choice(parameters, { z, label, components }) : { chosen: label, code: z };
      const placed = code.reshape([n, 1, rank]).mul(chosen.ref.reshape([n, groups, 1])); // [B, O K, r]
      const spread = np.matmul(placed.reshape([n, groups * rank]), own('factors')); // [B, d]
      const coefficients = spread.add(np.matmul(chosen, own('means')));
      const across = np.matmul(coefficients.reshape([n, shape.channels * height, width]), own('columns')); // [B, ch h, W]
      const upright = np.transpose(across.reshape([n, shape.channels, height, shape.width]), [0, 1, 3, 2]); // [B, ch, W, h]
      const turned = np.matmul(upright.reshape([n, shape.channels * shape.width, height]), own('rows')); // [B, ch W, H]
      const image = np.transpose(turned.reshape([n, shape.channels, shape.width, shape.height]), [0, 1, 3, 2]);
      return np.clip(image.reshape([n, pixelCount(shape)]), 0, 1); // [B, D]
    },
  };
}

// --- internal ---

/** Takes differences of z[0] and a threshold to 0 or 1: the least there is between two numbers of usual size is 2^-24. */
const STEEPNESS = 2 ** 60;

function spec(...shape: number[]): ParameterSpec {
  return { shape, dtype: 'float32', fanIn: shape[0] as number };
}

/** The Gaussian that z[0] stands for, beside the class: one-hot [B, O K], or zeros for a class that is not offered. */
function choice(
  parameters: Parameters,
  { z, label, components }: { readonly z: np.Array; readonly label: np.Array; readonly components: number },
): { readonly chosen: np.Array; readonly code: np.Array } {
  const [n, latent] = z.shape as [number, number];
  const first = z.ref.slice([], [0, 1]); // [B, 1]
  const thresholds = np.matmul(label.ref, (parameters[LINEAR_GAUSSIAN_PARAMETERS.thresholds] as np.Array).ref);
  const passed = np.clip(first.ref.sub(thresholds).mul(STEEPNESS), 0, 1); // [B, K - 1], falling from 1 to 0
  const zero = first.mul(0);
  const walls = np.concatenate([zero.ref.add(1), passed, zero], 1); // [B, K + 1]
  const component = walls.ref.slice([], [0, components]).sub(walls.slice([], [1, components + 1])); // [B, K]
  const offered = label.shape[1] as number;
  const chosen = label.reshape([n, offered, 1]).mul(component.reshape([n, 1, components]));
  return { chosen: chosen.reshape([n, offered * components]), code: z.slice([], [1, latent]) };
}

function requireCount(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new SpecError(`A linear-Gaussian generator's '${name}' must be a whole number of at least 1; got ${value}.`, {
    [name]: value,
  });
}
