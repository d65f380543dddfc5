// Images that decoders gave, as bytes with what is known of each: its class where one was asked for, and whose it is.

import type { ImageShape } from '../models/image-shape.ts';

/** M synthetic images, class after class where there are labels, and within that silo after silo. */
export interface SyntheticSet {
  readonly shape: ImageShape;
  /** [M, D] */
  readonly images: Uint8Array;
  /** [M] The class that was asked for; null where decoders take none. */
  readonly labels: Uint8Array | null;
  /** C; null where there are no labels. */
  readonly classes: number | null;
  /** Names, in the order of the spec. */
  readonly silos: readonly string[];
  /** [M] Index into `silos`. */
  readonly origins: Uint16Array;
}

/** The byte of a pixel in [0, 1]: round(255 x), halves upwards. */
export function toByte(pixel: number): number {
  return Math.round(255 * pixel);
}
