// Many images from decoders, in parts: memory holds their bytes, and the floats of one part.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key } from '../engine/keys.ts';
import { AbortedError, SpecError, StateError } from '../errors.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { type SyntheticSet, toByte } from '../data/synthetic-set.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { drawLabelledPool } from '../server/labelled-pool.ts';
import { drawPool } from '../server/pool.ts';

export interface DrawOptions {
  readonly engine: Engine;
  /** The newest decoder of each silo, with classes in all of them or in none. */
  readonly releases: readonly ReceivedRelease[];
  readonly shape: ImageShape;
  readonly amount: SyntheticAmount;
  readonly key: Key;
  /** Images drawn so far, after each part. */
  readonly onDrawn?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Floats in memory at once, about. Another number gives other images. Default 2^23, which is 32 MiB. */
  readonly partPixels?: number;
}

/** Of each class that anyone offers, or of each silo's decoder where images have no labels. */
export interface SyntheticAmount {
  readonly per: 'class' | 'silo';
  readonly count: number;
}

/** Rows of one silo, and of one class where there are labels; rows of a set lie share after share. */
export interface SyntheticShare {
  readonly silo: string;
  readonly class: number | null;
  readonly start: number;
  readonly count: number;
}

export interface DrawnSet extends SyntheticSet {
  readonly shares: readonly SyntheticShare[];
  /** Classes of the federation that nobody offers, ascending. */
  readonly missing: readonly number[];
}

/** Bytes of pixels in one set at most: 680,000 images of 28 x 28. */
export const MAX_SET_BYTES = 2 ** 29;

/**
 * The images that are going to be drawn. Throws SpecError where the amount is not of the kind that the decoders give, or more
 * than `MAX_SET_BYTES`.
 */
export function plannedImages({ releases, shape, amount }: Pick<DrawOptions, 'releases' | 'shape' | 'amount'>): number {
  const isLabelled = labelledClasses(releases) !== null;
  if (isLabelled !== (amount.per === 'class')) {
    const [asked, wanted] = isLabelled ? ['--per-silo', '--per-class'] : ['--per-class', '--per-silo'];
    const why = isLabelled
      ? 'the decoders of this run are asked for a class, and give labelled images'
      : 'the decoders of this run take no class, so their images have no labels (task: classify gives labels)';
    throw new SpecError(`${asked}: ${why}. Say ${wanted} ${amount.count} instead.`, { path: asked });
  }
  const images = amount.count * groupsOf(releases);
  if (images * pixelCount(shape) <= MAX_SET_BYTES) return images;
  const most = Math.floor(MAX_SET_BYTES / pixelCount(shape) / groupsOf(releases));
  throw new SpecError(
    `--per-${amount.per}: expected at most ${most}, so that all pixels take up to ${MAX_SET_BYTES} bytes; got ${amount.count}. ` +
      'Draw several sets with different seeds.',
    { path: `--per-${amount.per}`, most },
  );
}

/**
 * Draws them: balanced, in equal shares from all silos that offer a class. The same decoders, amount and key give the same
 * bytes. Throws as `plannedImages`, ReleaseError where a decoder breaks its word, AbortedError.
 */
export async function drawSyntheticSet(options: DrawOptions): Promise<DrawnSet> {
  const { releases, shape, amount, key, onDrawn, signal, partPixels = 2 ** 23 } = options;
  const total = plannedImages(options);
  const classes = labelledClasses(releases);
  const size = pixelCount(shape);
  const perPart = Math.max(1, Math.floor(partPixels / size / groupsOf(releases)));
  const pieces = new Map<string, Piece>();
  let [done, missing] = [0, [] as readonly number[]];
  for (let part = 0; done < total; part++) {
    if (signal?.aborted) throw new AbortedError('Stopped while drawing synthetic images.');
    const count = Math.min(perPart, amount.count - part * perPart);
    const drawing = { ...options, shape, key: childKey(key, `part-${part}`) };
    const pool =
      classes === null
        ? { ...(await drawPool({ ...drawing, images: count, imagesPer: 'silo' })), missing: [] }
        : await drawLabelledPool({ ...drawing, perClass: count, classes });
    for (const share of pool.shares) {
      const label = 'class' in share ? (share.class as number) : null;
      const name = `${label}/${share.silo}`;
      const known = pieces.get(name) ?? { silo: share.silo, class: label, images: [] };
      const floats = pool.images.subarray(share.start * size, (share.start + share.count) * size);
      pieces.set(name, { ...known, images: [...known.images, Uint8Array.from(floats, toByte)] });
    }
    ({ missing } = pool);
    done += pool.images.length / size;
    onDrawn?.(done, total);
  }
  const silos = releases.map(({ silo }) => silo);
  const ordered = [...pieces.values()].sort(
    (a, b) => (a.class ?? 0) - (b.class ?? 0) || silos.indexOf(a.silo) - silos.indexOf(b.silo),
  );
  return { ...joined(ordered, { shape, silos, classes, total }), missing };
}

// --- internal ---

/** Images of one class and silo, part after part. */
interface Piece {
  readonly silo: string;
  readonly class: number | null;
  readonly images: readonly Uint8Array[];
}

/** C; null where images have no labels. */
function labelledClasses(releases: readonly ReceivedRelease[]): number | null {
  const [first] = releases;
  if (!first) {
    throw new StateError('No decoder ever came in this run, so there is nothing to draw from.', {});
  }
  return first.decoder.classes?.count ?? null;
}

/** Classes offered, or silos. */
function groupsOf(releases: readonly ReceivedRelease[]): number {
  if (labelledClasses(releases) === null) return releases.length;
  return new Set(releases.flatMap(({ decoder }) => decoder.classes?.offered ?? [])).size;
}

function joined(
  pieces: readonly Piece[],
  { shape, silos, classes, total }: Pick<SyntheticSet, 'shape' | 'silos' | 'classes'> & { readonly total: number },
): Omit<DrawnSet, 'missing'> {
  const size = pixelCount(shape);
  const images = new Uint8Array(total * size); // [M, D]
  const labels = classes === null ? null : new Uint8Array(total);
  const origins = new Uint16Array(total);
  const shares: SyntheticShare[] = [];
  let row = 0;
  for (const piece of pieces) {
    const start = row;
    for (const bytes of piece.images) {
      images.set(bytes, row * size);
      row += bytes.length / size;
    }
    labels?.fill(piece.class as number, start, row);
    origins.fill(silos.indexOf(piece.silo), start, row);
    shares.push({ silo: piece.silo, class: piece.class, start, count: row - start });
  }
  return { shape, silos, classes, images, labels, origins, shares };
}
