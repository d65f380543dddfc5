// Images without their high frequencies: what a generator of smooth images cannot draw, a classifier need not look at.

import { numpy as np } from '@jax-js/jax';
import { cosineBasis } from './cosine-transform.ts';
import { type ImageShape, pixelCount } from './image-shape.ts';

/**
 * `x [B, D] -> [B, D]`: each channel projected on its lowest `frequencies` cosine waves along either axis (DCT-II), or on all
 * there are. An orthogonal projection: done twice it does no more.
 */
export function lowPass(x: np.Array, shape: ImageShape, frequencies: number): np.Array {
  const { channels, height, width } = shape;
  const planes = (x.shape[0] as number) * channels;
  const lines = np.matmul(x.reshape([planes * height, width]), projection(frequencies, width)); // [B ch H, W]
  const turned = np.transpose(lines.reshape([planes, height, width]), [0, 2, 1]).reshape([planes * width, height]);
  const filtered = np.matmul(turned, projection(frequencies, height)).reshape([planes, width, height]);
  return np.transpose(filtered, [0, 2, 1]).reshape([x.shape[0] as number, pixelCount(shape)]); // [B, D]
}

// --- internal ---

/** [length, length], symmetric: the basis times its transpose. */
function projection(frequencies: number, length: number): np.Array {
  const kept = Math.min(frequencies, length);
  const basis = cosineBasis(kept, length); // [kept, length]
  const values = Float32Array.from({ length: length * length }, (_, at) => {
    const [i, j] = [Math.floor(at / length), at % length];
    let sum = 0;
    for (let f = 0; f < kept; f++) sum += (basis[f * length + i] as number) * (basis[f * length + j] as number);
    return sum;
  });
  return np.array(values, { shape: [length, length] });
}
