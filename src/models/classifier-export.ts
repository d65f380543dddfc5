// A classifier as a file that any ONNX runtime can ask: `x [n, channels, height, width] -> logits [n, C]`.

import type { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import type { Classifier } from './classifier.ts';
import type { ImageShape } from './image-shape.ts';
import type { Parameters } from './layers.ts';
import { portableModel } from './portable-model.ts';

/** The ONNX file of `classifier`; n is free. Throws ShapeError where a parameter is missing or ill-sized. */
export function exportClassifier(
  classifier: Classifier,
  parameters: Readonly<Record<string, Float32Array>>,
  shape: ImageShape,
): Uint8Array {
  const { channels, height, width } = shape;
  return portableModel({
    label: 'classifier',
    f: (inputs: Parameters) => {
      const { x, ...own } = inputs;
      const n = (x as np.Array).shape[0] as number;
      return { logits: classifier.logits(own, (x as np.Array).reshape([n, classifier.pixels])) }; // [n, C]
    },
    inputs: (n) => ({ x: float32(n, channels, height, width) }),
    specs: classifier.parameters,
    parameters,
    description:
      `Classifier: images x [n, ${channels}, ${height}, ${width}] in [0, 1] -> logits [n, ${classifier.classes}]; ` +
      'probabilities are their softmax.',
  });
}
