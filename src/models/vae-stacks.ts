// Encoder and decoder of an architecture as stacks of layers: what an autoencoder and a class-conditional one share.

import { numpy as np } from '@jax-js/jax';
import { SpecError } from '../errors.ts';
import type { Architecture, ConvArchitecture, MlpArchitecture } from './architecture.ts';
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
  transposedConvolution,
} from './layers.ts';

/** q(z | x) = N(mean, exp(logVariance)), each [B, L]. */
export interface Posterior {
  readonly mean: np.Array;
  readonly logVariance: np.Array;
}

export interface VaeStacks {
  /** L */
  readonly latent: number;
  /** D */
  readonly pixels: number;
  /** Named `encoder.*`. */
  readonly encoder: ParameterSpecs;
  /** Of the affine map from the code, `decoder.0`. */
  readonly first: ParameterSpecs;
  /** Of the layers behind it, `decoder.1` and on. */
  readonly rest: ParameterSpecs;
  /** Width of what `decoder.0` gives. */
  readonly firstWidth: number;
  /** `x [B, D]`, and `y [B, C]` where there are classes, `-> q(z | x, y)`. */
  encode(parameters: Parameters, input: { readonly x: np.Array; readonly y?: np.Array }, observe?: Observe): Posterior;
  /** `z [B, L] -> [B, firstWidth]`, before its ReLU. */
  open(parameters: Parameters, z: np.Array, observe?: Observe): np.Array;
  /** `h [B, firstWidth]`, as `open` gives it, `-> logits [B, D]`. */
  finish(parameters: Parameters, h: np.Array, observe?: Observe): np.Array;
}

/**
 * The stacks for images of a size and C classes, 0 for none. Classes enter the encoder where its first dense layer is: with
 * the pixels (`mlp`), or with the features of the last convolution (`conv`). Throws SpecError where they do not fit.
 */
export function vaeStacks(architecture: Architecture, shape: ImageShape, classes = 0): VaeStacks {
  return architecture.kind === 'mlp'
    ? mlpStacks(architecture, shape, classes)
    : convStacks(architecture, shape, classes);
}

// --- internal ---

/** The paper's model: ReLU layers, two linear heads, a mirrored decoder; no dropout, no normalisation. */
function mlpStacks({ hidden, latent }: MlpArchitecture, shape: ImageShape, classes: number): VaeStacks {
  const pixels = pixelCount(shape);
  const inward = [pixels + classes, ...hidden];
  const outward = [...[...hidden].reverse(), pixels];
  const stack = (part: string, widths: readonly number[], from: number): ParameterSpecs =>
    Object.assign(
      {},
      ...widths.slice(1).map((width, i) => denseSpecs(`${part}.${i + from}`, widths[i] as number, width)),
    );
  return {
    latent,
    pixels,
    encoder: {
      ...stack('encoder', inward, 0),
      ...headSpecs(inward[inward.length - 1] as number, latent),
    },
    first: denseSpecs('decoder.0', latent, outward[0] as number),
    rest: stack('decoder', outward, 1),
    firstWidth: outward[0] as number,
    encode: (parameters, { x, y }, observe) => {
      const h = hidden.reduce((a, _, i) => relu(dense(parameters, `encoder.${i}`, a, observe)), joined(x, y)); // [B, width i]
      return heads(parameters, h, observe);
    },
    open: (parameters, z, observe) => dense(parameters, 'decoder.0', z, observe),
    finish: (parameters, h, observe) =>
      hidden.reduce((a, _, i) => dense(parameters, `decoder.${i + 1}`, relu(a), observe), h), // [B, ..], at last [B, D]
  };
}

function convStacks({ channels, latent }: ConvArchitecture, shape: ImageShape, classes: number): VaeStacks {
  const shrink = 2 ** channels.length;
  if (shape.height % shrink !== 0 || shape.width % shrink !== 0) {
    throw new SpecError(
      `A convolutional model with ${channels.length} strided layers needs images whose height and width are multiples ` +
        `of ${shrink}; these are ${shape.height} x ${shape.width}. Use fewer channels in 'model.channels', or kind: mlp.`,
      { path: 'model.channels', height: shape.height, width: shape.width },
    );
  }
  const pixels = pixelCount(shape);
  const inward = [shape.channels, ...channels];
  const [h, w, c] = [shape.height / shrink, shape.width / shrink, inward[inward.length - 1] as number];
  const depth = channels.length;
  return {
    latent,
    pixels,
    encoder: Object.assign(
      {},
      ...channels.map((width, i) => convolutionSpecs(`encoder.${i}`, inward[i] as number, width)),
      headSpecs(c * h * w + classes, latent),
    ),
    first: denseSpecs('decoder.0', latent, c * h * w),
    rest: Object.assign(
      {},
      ...channels.map((_, i) =>
        convolutionSpecs(`decoder.${i + 1}`, inward[depth - i] as number, inward[depth - i - 1] as number),
      ),
    ),
    firstWidth: c * h * w,
    encode: (parameters, { x, y }, observe) => {
      const batch = x.shape[0] as number;
      let a = x.reshape([batch, shape.channels, shape.height, shape.width]);
      for (let i = 0; i < depth; i++) a = relu(convolution(parameters, `encoder.${i}`, a, observe)); // [B, C_i, ..]
      return heads(parameters, joined(a.reshape([batch, c * h * w]), y), observe);
    },
    open: (parameters, z, observe) => dense(parameters, 'decoder.0', z, observe),
    finish: (parameters, opened, observe) => {
      const batch = opened.shape[0] as number;
      let a = relu(opened).reshape([batch, c, h, w]);
      for (let i = 1; i <= depth; i++) {
        a = transposedConvolution(parameters, `decoder.${i}`, a, observe);
        if (i < depth) a = relu(a);
      }
      return a.reshape([batch, pixels]); // [B, D]
    },
  };
}

function headSpecs(inputs: number, latent: number): ParameterSpecs {
  return { ...denseSpecs('encoder.mean', inputs, latent), ...denseSpecs('encoder.logVariance', inputs, latent) };
}

function heads(parameters: Parameters, h: np.Array, observe?: Observe): Posterior {
  const mean = dense(parameters, 'encoder.mean', h.ref, observe); // [B, L]
  const logVariance = dense(parameters, 'encoder.logVariance', h, observe); // [B, L]
  return { mean, logVariance };
}

function joined(h: np.Array, y?: np.Array): np.Array {
  return y ? np.concatenate([h, y], 1) : h; // [B, width + C]
}
