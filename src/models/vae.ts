// The variational autoencoder (Kingma and Welling 2014) as pure functions: encoder and decoder of any architecture.
//
// Parameters are a flat record. Names beginning with `decoder.` are all that may ever leave a silo.

import type { numpy as np } from '@jax-js/jax';
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

export interface Vae {
  readonly architecture: Architecture;
  /** L */
  readonly latent: number;
  /** D */
  readonly pixels: number;
  readonly parameters: ParameterSpecs;
  /** `x [B, D] -> mean [B, L], logVariance [B, L]` of q(z | x). Keeps `parameters` alive. */
  encode(
    parameters: Parameters,
    x: np.Array,
    observe?: Observe,
  ): { readonly mean: np.Array; readonly logVariance: np.Array };
  /** `z [B, L] -> logits [B, D]`; pixels are their sigmoid. Keeps `parameters` alive. */
  decode(parameters: Parameters, z: np.Array, observe?: Observe): np.Array;
}

/** The autoencoder of an architecture for images of the given size. Throws SpecError where they do not fit. */
export function vaeOf(architecture: Architecture, shape: ImageShape): Vae {
  return architecture.kind === 'mlp' ? mlpVae(architecture, shape) : convVae(architecture, shape);
}

/** The decoder's share of a parameter record. */
export function decoderPart<T>(parameters: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return partOf(parameters, 'decoder.');
}

/** The encoder's share of a parameter record: what never leaves a silo. */
export function encoderPart<T>(parameters: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return partOf(parameters, 'encoder.');
}

// --- internal ---

function partOf<T>(parameters: Readonly<Record<string, T>>, prefix: string): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => name.startsWith(prefix)));
}

/** The paper's model: ReLU layers, two linear heads, a mirrored decoder; no dropout, no normalisation. */
function mlpVae(architecture: MlpArchitecture, shape: ImageShape): Vae {
  const { hidden, latent } = architecture;
  const pixels = pixelCount(shape);
  const inward = [pixels, ...hidden];
  const outward = [latent, ...[...hidden].reverse(), pixels];
  const code = inward[inward.length - 1] as number;
  const stack = (part: string, widths: readonly number[]) =>
    widths.slice(1).map((width, i) => denseSpecs(`${part}.${i}`, widths[i] as number, width));
  const run = (parameters: Parameters, part: string, x: np.Array, observe?: Observe) =>
    hidden.reduce((h, _, i) => relu(dense(parameters, `${part}.${i}`, h, observe)), x); // [B, width i]
  return {
    architecture,
    latent,
    pixels,
    parameters: Object.assign(
      {},
      ...stack('encoder', inward),
      denseSpecs('encoder.mean', code, latent),
      denseSpecs('encoder.logVariance', code, latent),
      ...stack('decoder', outward),
    ),
    encode: (parameters, x, observe) => heads(parameters, run(parameters, 'encoder', x, observe), observe),
    decode: (parameters, z, observe) => {
      const h = run(parameters, 'decoder', z, observe); // [B, first hidden width]
      return dense(parameters, `decoder.${hidden.length}`, h, observe); // [B, D]
    },
  };
}

function convVae(architecture: ConvArchitecture, shape: ImageShape): Vae {
  const { channels, latent } = architecture;
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
    architecture,
    latent,
    pixels,
    parameters: Object.assign(
      {},
      ...channels.map((width, i) => convolutionSpecs(`encoder.${i}`, inward[i] as number, width)),
      denseSpecs('encoder.mean', c * h * w, latent),
      denseSpecs('encoder.logVariance', c * h * w, latent),
      denseSpecs('decoder.0', latent, c * h * w),
      ...channels.map((_, i) =>
        convolutionSpecs(`decoder.${i + 1}`, inward[depth - i] as number, inward[depth - i - 1] as number),
      ),
    ),
    encode: (parameters, x, observe) => {
      const batch = x.shape[0] as number;
      let a = x.reshape([batch, shape.channels, shape.height, shape.width]);
      for (let i = 0; i < depth; i++) a = relu(convolution(parameters, `encoder.${i}`, a, observe)); // [B, C_i, ..]
      return heads(parameters, a.reshape([batch, c * h * w]), observe);
    },
    decode: (parameters, z, observe) => {
      const batch = z.shape[0] as number;
      let a = relu(dense(parameters, 'decoder.0', z, observe)).reshape([batch, c, h, w]);
      for (let i = 1; i <= depth; i++) {
        a = transposedConvolution(parameters, `decoder.${i}`, a, observe);
        if (i < depth) a = relu(a);
      }
      return a.reshape([batch, pixels]); // [B, D]
    },
  };
}

function heads(parameters: Parameters, h: np.Array, observe?: Observe) {
  const mean = dense(parameters, 'encoder.mean', h.ref, observe); // [B, L]
  const logVariance = dense(parameters, 'encoder.logVariance', h, observe); // [B, L]
  return { mean, logVariance };
}
