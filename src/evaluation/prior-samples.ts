// Images that a trained autoencoder makes of codes from its prior, for whoever looks at them or scores them.

import type { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { type Key, normals } from '../engine/keys.ts';
import { parameterInputs, type Parameters, sigmoid } from '../models/layers.ts';
import type { Vae } from '../models/vae.ts';
import { inBatches } from './feature-extractor.ts';

/** `count` images [M, D] of z ~ N(0, I) through the decoder of these parameters. */
export type PriorSampler = (
  parameters: Readonly<Record<string, Float32Array>>,
  draw: { readonly count: number; readonly key: Key },
) => Promise<Float32Array>;

/** Compiles the decoder of `vae` once, for all parameters that come. `rows` are computed at once. */
export async function createPriorSampler(engine: Engine, vae: Vae, rows = 250): Promise<PriorSampler> {
  const decode = ({ parameters, z }: { parameters: Parameters; z: np.Array }) => sigmoid(vae.decode(parameters, z)); // [B, D]
  const specs = { parameters: vae.parameters, z: float32(rows, vae.latent) };
  const program = await engine.compile('samples of the prior', decode, specs);
  return (parameters, { count, key }) => {
    const named = parameterInputs(parameters);
    const network = {
      rows,
      inputs: vae.latent,
      outputs: vae.pixels,
      run: (z: Float32Array, value: Float32Array) => program.bind({ ...named, z }, { value })(),
    };
    return inBatches(network, normals(key, count * vae.latent));
  };
}
