// For a federation on one machine: the images that an experiment deals, written into a folder a silo, as if each had brought them.

import { join } from 'node:path';
import { npzBytes } from '../data/write-npz.ts';
import type { ImageSet } from '../data/image-set.ts';
import { childKey, seedKey } from '../engine/keys.ts';
import { type DataAccess, gatherMaterials } from '../experiments/materials.ts';
import type { Spec } from '../experiments/spec.ts';
import { writeFileAtomic } from '../storage/atomic-file.ts';
import { isThere } from '../storage/presence.ts';
import type { FederationImages } from './federation-spec.ts';

/** What was dealt. */
export interface DealtFolders {
  readonly images: FederationImages;
  /** Folder of a silo's images, by silo. */
  readonly folders: ReadonlyMap<string, string>;
}

/** Deals the images of `spec` as a run of it would. What is there already stays: the same spec deals the same. */
export async function dealToSilos(
  spec: Spec,
  access: DataAccess,
  folderOf: (silo: string) => string,
): Promise<DealtFolders> {
  const materials = await gatherMaterials(spec, access, childKey(seedKey(spec.seed), 'data'));
  const folders = new Map<string, string>();
  for (const { name, set } of materials.silos) {
    const folder = folderOf(name);
    const file = join(folder, 'images.npz');
    if (!isThere(file)) await writeFileAtomic(file, npzOf(set));
    folders.set(name, folder);
  }
  return { images: { shape: materials.dataSet.train.shape, classes: materials.classes }, folders };
}

// --- internal ---

function npzOf({ shape: { channels, height, width }, images, labels }: ImageSet): Uint8Array {
  const sides = [labels.length, channels, height, width];
  return npzBytes([
    { name: 'x', shape: sides, values: images },
    { name: 'y', shape: [labels.length], values: labels },
  ]);
}
