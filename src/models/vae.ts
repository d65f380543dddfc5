// The variational autoencoder (Kingma and Welling 2014) as pure functions: encoder and decoder of any architecture.
//
// Parameters are a flat record. Names beginning with `decoder.` are all that may ever leave a silo.

import type { numpy as np } from '@jax-js/jax';
import type { Architecture } from './architecture.ts';
import type { ImageShape } from './image-shape.ts';
import type { Observe, Parameters, ParameterSpecs } from './layers.ts';
import { type Posterior, vaeStacks } from './vae-stacks.ts';

export interface Vae {
  readonly architecture: Architecture;
  /** L */
  readonly latent: number;
  /** D */
  readonly pixels: number;
  readonly parameters: ParameterSpecs;
  /** `x [B, D] -> mean [B, L], logVariance [B, L]` of q(z | x). Keeps `parameters` alive. */
  encode(parameters: Parameters, x: np.Array, observe?: Observe): Posterior;
  /** `z [B, L] -> logits [B, D]`; pixels are their sigmoid. Keeps `parameters` alive. */
  decode(parameters: Parameters, z: np.Array, observe?: Observe): np.Array;
}

/** The autoencoder of an architecture for images of the given size. Throws SpecError where they do not fit. */
export function vaeOf(architecture: Architecture, shape: ImageShape): Vae {
  const { latent, pixels, encoder, first, rest, encode, open, finish } = vaeStacks(architecture, shape);
  return {
    architecture,
    latent,
    pixels,
    parameters: { ...encoder, ...first, ...rest },
    encode: (parameters, x, observe) => encode(parameters, { x }, observe),
    decode: (parameters, z, observe) => finish(parameters, open(parameters, z, observe), observe), // [B, D]
  };
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
