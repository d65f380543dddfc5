// A synthetic set as the files of a format that others read: IDX, NumPy's .npz, PNG folders, Parquet.

import { encode } from 'fast-png';
import { SpecError } from '../errors.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { contentHash } from '../storage/content-hash.ts';
import { toInterleaved } from './channel-order.ts';
import { encodeIdxImages, encodeIdxLabels } from './idx.ts';
import { idxFileName } from './idx-files.ts';
import type { SyntheticSet } from './synthetic-set.ts';
import { npzBytes } from './write-npz.ts';
import { parquetBytes } from './write-parquet.ts';

/** What a set can be written as. */
export const SYNTHETIC_FORMATS = ['idx', 'npz', 'png', 'parquet'] as const;
export type SyntheticFormat = (typeof SYNTHETIC_FORMATS)[number];

/** Images that are written as single files at most. */
export const MAX_PNG_FILES = 200_000;

/** A file that is to be. */
export interface NamedFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Throws SpecError where a format cannot hold such images, before anything is drawn. */
export function requireFormatFits(format: SyntheticFormat, shape: ImageShape, count: number): void {
  if (format === 'idx' && shape.channels !== 1) {
    throw new SpecError(
      `--format idx: expected grey images, as IDX files of images hold; these have ${shape.channels} channels. Choose npz, png or parquet.`,
      { path: '--format', channels: shape.channels },
    );
  }
  if (format === 'png' && count > MAX_PNG_FILES) {
    throw new SpecError(
      `--format png: expected at most ${MAX_PNG_FILES} images, which are a file each; got ${count}. Choose parquet, npz or idx.`,
      { path: '--format', images: count },
    );
  }
}

/**
 * The files, one after the other: PNG files are made when they are asked for. The same set gives the same bytes. `idx`:
 * MNIST's names for a training set; `npz`: `synthetic.npz` with `images`, `labels`, `silos`; `png`: a folder a class, and
 * `metadata.csv`; `parquet`: `synthetic.parquet`.
 */
export function* syntheticFiles(set: SyntheticSet, format: SyntheticFormat): Generator<NamedFile> {
  const { shape, images, labels, origins, classes } = set;
  const { channels, height, width } = shape;
  const count = origins.length;
  if (format === 'idx') {
    const pixels = encodeIdxImages({ count, height, width, pixels: images });
    yield { path: idxFileName('train-images'), bytes: pixels };
    if (labels) yield { path: idxFileName('train-labels'), bytes: encodeIdxLabels(labels) };
  } else if (format === 'npz') {
    const sides = channels === 1 ? [count, height, width] : [count, height, width, channels];
    const arrays = [
      { name: 'images', shape: sides, values: toInterleaved(images, shape) },
      ...(labels ? [{ name: 'labels', shape: [count], values: labels }] : []),
      { name: 'silos', shape: [count], values: origins },
    ];
    yield { path: 'synthetic.npz', bytes: npzBytes(arrays) };
  } else if (format === 'png') {
    const lines = [`file_name,${labels ? 'label,' : ''}silo,sha256`];
    for (const { path, png, label, silo } of rowsOf(set)) {
      yield { path, bytes: png };
      lines.push([path, ...(label === null ? [] : [label]), silo, contentHash(png)].join(','));
    }
    yield { path: METADATA, bytes: new TextEncoder().encode(`${lines.join('\n')}\n`) };
  } else {
    const names = classes === null ? null : Array.from({ length: classes }, (_, label) => String(label));
    yield { path: 'synthetic.parquet', bytes: parquetBytes([...rowsOf(set)], names) };
  }
}

/** Whether a file is one of many that another file lists with its hash. */
export function isListedElsewhere(path: string): boolean {
  return path.endsWith('.png');
}

// --- internal ---

/** The library `datasets` joins the images of a folder with the lines of a file of this name. */
const METADATA = 'metadata.csv';

function* rowsOf({ shape, images, labels, origins, silos }: SyntheticSet) {
  const { channels, height, width } = shape;
  const size = pixelCount(shape);
  const seen = new Map<string, number>();
  for (const [i, origin] of origins.entries()) {
    const label = labels ? (labels[i] as number) : null;
    const folder = label === null ? 'images' : String(label);
    const number = (seen.get(folder) ?? 0) + 1;
    seen.set(folder, number);
    const data = toInterleaved(images.subarray(i * size, (i + 1) * size), shape);
    yield {
      path: `${folder}/${String(number).padStart(5, '0')}.png`,
      png: encode({ width, height, channels, data, depth: 8 }),
      label,
      silo: silos[origin] as string,
    };
  }
}
