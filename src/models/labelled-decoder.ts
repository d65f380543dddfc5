// A generator that is asked for a class: `(z, class) -> x`, as a function and as a file that any ONNX runtime can draw from.

import type { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import type { ArrayFunction } from '../engine/trace.ts';
import { ShapeError } from '../errors.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from './decoder-export.ts';
import { type ImageShape, pixelCount } from './image-shape.ts';
import type { Parameters, ParameterSpecs } from './layers.ts';
import { portableModel } from './portable-model.ts';

/** Name of the second input of a labelled decoder: classes [n, C], float32, 1 at the class and 0 elsewhere. */
export const DECODER_CLASS = 'class';

/** What a labelled decoder's file computes, however it was made. */
export interface LabelledDecoder {
  /** L */
  readonly latent: number;
  /** C: all classes of the federation, of which a silo may offer a few. */
  readonly classes: number;
  /** D */
  readonly pixels: number;
  /** Of what is drawn from; every name begins with `decoder.`. */
  readonly parameters: ParameterSpecs;
  /** `z [B, L] ~ N(0, I), classes [B, C] one-hot -> pixels [B, D] in [0, 1]`. Keeps `parameters` alive. */
  draw(parameters: Parameters, z: np.Array, classes: np.Array): np.Array;
}

/**
 * The ONNX file of `decoder`; n is free. Equal parameters give equal bytes, whatever the order of the record. `parameters`
 * may be those of a whole model. Throws ShapeError where one of the decoder's is missing or ill-sized, or where `shape` has
 * not the decoder's number of pixels.
 */
export function exportLabelledDecoder(
  decoder: LabelledDecoder,
  parameters: Readonly<Record<string, Float32Array>>,
  shape: ImageShape,
): Uint8Array {
  const { latent, classes, pixels } = decoder;
  const sides = `${shape.channels}, ${shape.height}, ${shape.width}`;
  if (pixelCount(shape) !== pixels) {
    throw new ShapeError(`The decoder makes images of ${pixels} pixels, which cannot be [${sides}].`, { pixels });
  }
  return portableModel({
    label: 'labelled decoder',
    f: labelledDecoderFunction(decoder, shape),
    inputs: (n) => ({ [DECODER_INPUT]: float32(n, latent), [DECODER_CLASS]: float32(n, classes) }),
    specs: decoder.parameters,
    parameters,
    description:
      `Labelled decoder: z [n, ${latent}] from N(0, I), class [n, ${classes}] one-hot -> images x [n, ${sides}], pixels in ` +
      '[0, 1].',
  });
}

/** `{ z [n, L], class [n, C], ...parameters } -> { x [n, channels, height, width] }`, as the engine compiles it. */
export function labelledDecoderFunction(decoder: LabelledDecoder, shape: ImageShape): ArrayFunction {
  return (inputs: Parameters) => {
    const { [DECODER_INPUT]: z, [DECODER_CLASS]: classes, ...parameters } = inputs;
    const n = (z as np.Array).shape[0] as number;
    const pixels = decoder.draw(parameters, z as np.Array, classes as np.Array); // [n, D]
    return { [DECODER_OUTPUT]: pixels.reshape([n, shape.channels, shape.height, shape.width]) };
  };
}
