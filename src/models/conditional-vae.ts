// The class-conditional variational autoencoder (Kingma et al. 2014, arXiv 1406.5298; Sohn et al. 2015) as pure functions:
// its decoder draws images of a class that it is asked for.

import type { numpy as np } from '@jax-js/jax';
import { SpecError } from '../errors.ts';
import type { Architecture } from './architecture.ts';
import type { ImageShape } from './image-shape.ts';
import type { LabelledDecoder } from './labelled-decoder.ts';
import { type LatentFlow, latentFlow, type LatentFlowOptions } from './latent-flow.ts';
import { classSpecs, dense, type Observe, type Parameters, type ParameterSpecs, sigmoid } from './layers.ts';
import { decoderPart } from './vae.ts';
import { type Posterior, vaeStacks } from './vae-stacks.ts';

/** What codes are drawn from: N(0, I) as it is, or carried by a flow to where the codes of a class lie. */
export type LatentPrior = { readonly kind: 'normal' } | ({ readonly kind: 'flow' } & LatentFlowOptions);

export interface ConditionalVae {
  readonly architecture: Architecture;
  readonly prior: LatentPrior;
  /** L */
  readonly latent: number;
  /** C */
  readonly classes: number;
  /** D */
  readonly pixels: number;
  /** Of encoder, decoder and prior. */
  readonly parameters: ParameterSpecs;
  /** The learnt prior, if there is one. */
  readonly flow: LatentFlow | null;
  /** Of `x [B, D]` and one-hot `y [B, C]`. Keeps `parameters` alive. */
  encode(parameters: Parameters, image: { readonly x: np.Array; readonly y: np.Array }, observe?: Observe): Posterior;
  /** `z [B, L], y [B, C] -> logits [B, D]`; pixels are their sigmoid. Keeps `parameters` alive. */
  decode(parameters: Parameters, code: { readonly z: np.Array; readonly y: np.Array }, observe?: Observe): np.Array;
  /** What leaves a silo: prior, decoder and sigmoid. */
  readonly generator: LabelledDecoder;
}

/**
 * The class-conditional autoencoder of an architecture for images of a size. The decoder's first layer is
 * z W0 + b0 + y Wc + bc, with a layer of its own for the class (`decoder.class`): at a fixed class that is one bias, and
 * Lipschitz bounds with respect to z need not know it. b0 and bc are one vector too many, so that all layers are alike.
 * Throws SpecError where architecture, classes or prior do not fit.
 */
export function conditionalVaeOf(
  architecture: Architecture,
  { shape, classes, prior }: { readonly shape: ImageShape; readonly classes: number; readonly prior: LatentPrior },
): ConditionalVae {
  requireCount('classes', classes);
  if (prior.kind === 'flow') [prior.steps, ...prior.hidden].forEach((count) => requireCount('prior', count));
  const stacks = vaeStacks(architecture, shape, classes);
  const { latent, pixels, encoder, first, rest, firstWidth } = stacks;
  const flow = prior.kind === 'flow' ? latentFlow(prior, latent, classes) : null;
  const parameters: ParameterSpecs = {
    ...encoder,
    ...first,
    ...classSpecs(CLASS_LAYER, classes, firstWidth),
    ...rest,
    ...flow?.parameters,
  };
  const decode: ConditionalVae['decode'] = (values, { z, y }, observe) => {
    const opened = stacks.open(values, z, observe).add(dense(values, CLASS_LAYER, y, observe)); // [B, firstWidth]
    return stacks.finish(values, opened, observe); // [B, D]
  };
  return {
    architecture,
    prior,
    latent,
    classes,
    pixels,
    parameters,
    flow,
    encode: stacks.encode,
    decode,
    generator: {
      latent,
      classes,
      pixels,
      parameters: decoderPart(parameters),
      draw(values, e, y) {
        const z = flow ? flow.carry(values, e, y.ref) : e; // [B, L]
        return sigmoid(decode(values, { z, y })); // [B, D]
      },
    },
  };
}

// --- internal ---

const CLASS_LAYER = 'decoder.class';

function requireCount(what: string, count: number): void {
  if (Number.isInteger(count) && count >= 1) return;
  throw new SpecError(`A conditional autoencoder's '${what}' must be whole numbers of at least 1; got ${count}.`, {
    [what]: count,
  });
}
