// Pictures of a run: grids of what each silo's decoder dreams, and of what the global model has learnt to dream.

import type { numpy as np } from '@jax-js/jax';
import { float32 } from '../engine/array-spec.ts';
import type { Engine } from '../engine/engine.ts';
import { childKey, type Key, normals } from '../engine/keys.ts';
import { imageGridPng } from '../evaluation/image-grid.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { type Parameters, sigmoid } from '../models/layers.ts';
import type { Vae } from '../models/vae.ts';
import type { Pool } from '../server/pool.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { globalParameters } from './global-model.ts';
import type { RunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';

/** One picture a silo: the first images of its share of the pool. Replaced in every round. */
export async function savePoolPictures(folder: RunFolder, pool: Pool, shape: ImageShape): Promise<void> {
  const wanted = folder.spec.evaluation.gridImages;
  if (wanted === 0) return;
  const size = pixelCount(shape);
  for (const { silo, start, count } of pool.shares) {
    const shown = Math.min(wanted, count);
    if (shown === 0) continue;
    const images = pool.images.subarray(start * size, (start + shown) * size);
    await writeFileAtomic(folder.layout.image(`decoder-${silo}`), grid(images, shape));
  }
}

/** One picture of images that the global model makes of z ~ N(0, I). */
export async function savePictures(options: {
  readonly strategy: StrategyName;
  readonly folder: RunFolder;
  readonly engine: Engine;
  readonly vae: Vae;
  readonly shape: ImageShape;
  readonly key: Key;
}): Promise<void> {
  const { strategy, folder, engine, vae, shape, key } = options;
  const count = folder.spec.evaluation.gridImages;
  if (count === 0) return;
  const parameters = await globalParameters(folder, strategy);
  const decode = ({ parameters, z }: { parameters: Parameters; z: np.Array }) => sigmoid(vae.decode(parameters, z));
  const specs = { parameters: vae.parameters, z: float32(count, vae.latent) };
  const program = await engine.compile('global samples', decode, specs);
  const images = new Float32Array(count * vae.pixels);
  const named = Object.fromEntries(Object.entries(parameters).map(([name, v]) => [`parameters.${name}`, v]));
  const z = normals(childKey(key, strategy), count * vae.latent);
  await program.bind({ ...named, z }, { value: images })();
  await writeFileAtomic(folder.layout.image(`global-${strategy}`), grid(images, shape));
}

// --- internal ---

function grid(images: Float32Array, shape: ImageShape): Uint8Array {
  const count = images.length / pixelCount(shape);
  return imageGridPng({ images, shape, columns: Math.ceil(Math.sqrt(count)), scale: 2 });
}
