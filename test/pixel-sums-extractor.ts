// A feature extractor small enough for tests: an ONNX file whose features are sums of pixels.

import type { numpy as np } from '@jax-js/jax';
import { numpy } from '@jax-js/jax';
import { float32 } from '../src/engine/array-spec.ts';
import type { ImageShape } from '../src/models/image-shape.ts';
import { portableModel } from '../src/models/portable-model.ts';

/** `image [n, C, H, W] -> features [n, 3]`: sums of every first, second and third pixel. */
export function pixelSumsExtractor({ channels, height, width }: ImageShape): Uint8Array {
  const pixels = channels * height * width;
  return portableModel({
    label: 'sums',
    f: ({ image, weight }: Record<string, np.Array>) => {
      const rows = (image as np.Array).reshape([(image as np.Array).shape[0] as number, pixels]);
      return { features: numpy.matmul(rows, weight as np.Array) };
    },
    inputs: (n) => ({ image: float32(n, channels, height, width) }),
    specs: { weight: { shape: [pixels, 3], dtype: 'float32', fanIn: 1 } },
    parameters: {
      weight: Float32Array.from({ length: 3 * pixels }, (_, at) => Number(Math.floor(at / 3) % 3 === at % 3)),
    },
    description: 'sums',
  });
}
