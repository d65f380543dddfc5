// A decoder as a file that any ONNX runtime can draw from: `z [n, L] -> x [n, channels, height, width]`, pixels in [0, 1].
//
// This is what a silo gives away. Only parameters named `decoder.*` are written; the encoder has no way in.

import type { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import type { ArrayFunction } from '../engine/trace.ts';
import { ShapeError } from '../errors.ts';
import { type ImageShape, pixelCount } from './image-shape.ts';
import { type Parameters, sigmoid } from './layers.ts';
import { portableModel } from './portable-model.ts';
import { decoderPart, type Vae } from './vae.ts';

/** Name of the one input: latent codes [n, L], float32. */
export const DECODER_INPUT = 'z';

/** Name of the one output: images [n, channels, height, width], float32. */
export const DECODER_OUTPUT = 'x';

/**
 * The ONNX file of `vae`'s decoder; n is free. Equal parameters give equal bytes, whatever the order of the record.
 * `parameters` may be those of the whole model. Throws ShapeError where one of the decoder's is missing or ill-sized,
 * or where `shape` has not the model's number of pixels.
 */
export function exportDecoder(
  vae: Vae,
  parameters: Readonly<Record<string, Float32Array>>,
  shape: ImageShape,
): Uint8Array {
  const sides = `${shape.channels}, ${shape.height}, ${shape.width}`;
  if (pixelCount(shape) !== vae.pixels) {
    throw new ShapeError(`The model makes images of ${vae.pixels} pixels, which cannot be [${sides}].`, {
      pixels: vae.pixels,
    });
  }
  return portableModel({
    label: 'decoder',
    f: decoderFunction(vae, shape),
    inputs: (n) => ({ [DECODER_INPUT]: float32(n, vae.latent) }),
    specs: decoderPart(vae.parameters),
    parameters,
    description: `Decoder: z [n, ${vae.latent}] from N(0, I) -> images x [n, ${sides}], pixels in [0, 1].`,
  });
}

/** `{ z [n, L], ...decoder parameters } -> { x [n, channels, height, width] }`, as the engine compiles it. */
export function decoderFunction(vae: Vae, shape: ImageShape): ArrayFunction {
  return (inputs: Parameters) => {
    const { [DECODER_INPUT]: z, ...parameters } = inputs;
    const n = (z as np.Array).shape[0] as number;
    const pixels = sigmoid(vae.decode(parameters, z as np.Array)); // [n, D]
    return { [DECODER_OUTPUT]: pixels.reshape([n, shape.channels, shape.height, shape.width]) };
  };
}
