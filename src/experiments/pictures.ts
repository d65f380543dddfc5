// Pictures of a run: grids of what each silo's decoder dreams, and of what the global model has learnt to dream.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { imageGridPng } from '../evaluation/image-grid.ts';
import { createPriorSampler } from '../evaluation/prior-samples.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import type { Vae } from '../models/vae.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { globalParameters } from './global-model.ts';
import type { RunFolder } from './run-folder.ts';
import type { StrategyName } from './spec.ts';

/** One picture a silo: the first images of its shares of the pool, class after class where there are some. Replaced in every round. */
export async function savePoolPictures(
  folder: RunFolder,
  pool: {
    readonly images: Float32Array;
    readonly shares: readonly { readonly silo: string; readonly start: number; readonly count: number }[];
  },
  shape: ImageShape,
): Promise<void> {
  const wanted = folder.spec.evaluation.gridImages;
  if (wanted === 0) return;
  const size = pixelCount(shape);
  for (const silo of new Set(pool.shares.map((share) => share.silo))) {
    const own = pool.shares.filter((share) => share.silo === silo);
    const each = Math.max(1, Math.floor(wanted / own.length));
    const rows = own.map(({ start, count }) =>
      pool.images.subarray(start * size, (start + Math.min(each, count)) * size),
    );
    const images = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
    let at = 0;
    for (const row of rows) {
      images.set(row, at);
      at += row.length;
    }
    if (at === 0) continue;
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
  const sample = await createPriorSampler(engine, vae, count);
  const images = await sample(parameters, { count, key: childKey(key, strategy) });
  await writeFileAtomic(folder.layout.image(`global-${strategy}`), grid(images, shape));
}

// --- internal ---

function grid(images: Float32Array, shape: ImageShape): Uint8Array {
  const count = images.length / pixelCount(shape);
  return imageGridPng({ images, shape, columns: Math.ceil(Math.sqrt(count)), scale: 2 });
}
