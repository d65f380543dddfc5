// The encoder of a *global* model as a file: `x [n, channels, height, width] -> code [n, L]`, the mean of q(z | x).
//
// For the server's own model, which saw synthetic images only. A silo's encoder saw real ones and never leaves.

import type { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import type { ImageShape } from './image-shape.ts';
import type { Parameters } from './layers.ts';
import { portableModel } from './portable-model.ts';
import { encoderPart, type Vae } from './vae.ts';

/** The ONNX file of `vae`'s encoder; n is free. Throws ShapeError where a parameter is missing or ill-sized. */
export function exportEncoder(
  vae: Vae,
  parameters: Readonly<Record<string, Float32Array>>,
  shape: ImageShape,
): Uint8Array {
  const { channels, height, width } = shape;
  return portableModel({
    label: 'encoder',
    f: (inputs: Parameters) => {
      const { x, ...encoder } = inputs;
      const n = (x as np.Array).shape[0] as number;
      const { mean, logVariance } = vae.encode(encoder, (x as np.Array).reshape([n, vae.pixels])); // [n, L]
      logVariance.dispose();
      return { code: mean };
    },
    inputs: (n) => ({ x: float32(n, channels, height, width) }),
    specs: encoderPart(vae.parameters),
    parameters,
    description: `Encoder: images x [n, ${channels}, ${height}, ${width}] in [0, 1] -> code [n, ${vae.latent}], the mean of q(z | x).`,
  });
}
