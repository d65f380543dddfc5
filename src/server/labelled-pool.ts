// Decoders become labelled images: of every class that anyone offers equally many, however many silos offer it.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { shareOut } from './pool.ts';
import { withReceived } from './received-decoder.ts';

/** M synthetic images with labels, class after class, and within a class silo after silo. */
export interface LabelledPool {
  /** [M, D], in [0, 1] */
  readonly images: Float32Array;
  /** [M] */
  readonly labels: Uint8Array;
  /** Which rows came from which silo, in order. */
  readonly shares: readonly LabelledShare[];
  /** Classes that nobody offers, ascending: no image has them. */
  readonly missing: readonly number[];
}

/** Rows of one class from one silo. */
export interface LabelledShare {
  readonly silo: string;
  readonly class: number;
  readonly start: number;
  readonly count: number;
}

export interface LabelledPoolOptions {
  readonly engine: Engine;
  readonly releases: readonly ReceivedRelease[];
  /** Images of each class that anyone offers. */
  readonly perClass: number;
  /** C: all classes of the federation. */
  readonly classes: number;
  readonly shape: ImageShape;
  readonly key: Key;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Draws `perClass` images of every offered class, in equal shares from the silos that offer it, the remainder from the first
 * ones. Every decoder is inspected, made to prove its claims and tried first. An image depends on the key, its silo's decoder,
 * its class and its place in the share alone, so who else takes part changes how many images a silo gives and nothing about
 * them. Throws ReleaseError, AbortedError.
 */
export async function drawLabelledPool(options: LabelledPoolOptions): Promise<LabelledPool> {
  const { engine, releases, perClass, classes, shape, key, signal } = options;
  const { shares, missing } = sharesOf(releases, perClass, classes);
  const size = pixelCount(shape);
  const last = shares.at(-1);
  const count = last ? last.start + last.count : 0;
  const images = new Float32Array(count * size);
  const labels = new Uint8Array(count);
  for (const share of shares) labels.fill(share.class, share.start, share.start + share.count);
  for (const release of releases) {
    if (signal?.aborted) throw new AbortedError('Stopped while drawing synthetic images.');
    const siloKey = childKey(key, release.silo);
    await withReceived(engine, release, { shape, classes, key: siloKey }, async (decoder) => {
      for (const share of shares.filter(({ silo }) => silo === release.silo)) {
        if (signal?.aborted) throw new AbortedError('Stopped while drawing synthetic images.');
        const out = images.subarray(share.start * size, (share.start + share.count) * size);
        await decoder.draw(out, { key: childKey(siloKey, `class-${share.class}`), label: share.class });
      }
    });
  }
  return { images, labels, shares, missing };
}

// --- internal ---

function sharesOf(
  releases: readonly ReceivedRelease[],
  perClass: number,
  classes: number,
): { readonly shares: readonly LabelledShare[]; readonly missing: readonly number[] } {
  const shares: LabelledShare[] = [];
  const missing: number[] = [];
  let start = 0;
  for (let label = 0; label < classes; label++) {
    const offering = releases.filter(({ decoder }) => decoder.classes?.offered.includes(label));
    if (offering.length === 0) {
      missing.push(label);
      continue;
    }
    const counts = shareOut(perClass, 'total', offering.length);
    for (const [i, { silo }] of offering.entries()) {
      const count = counts[i] as number;
      if (count > 0) shares.push({ silo, class: label, start, count });
      start += count;
    }
  }
  return { shares, missing };
}
