// Where the colours of an image lie: files mostly keep a pixel's three numbers together, models want one plane after another.

import { type ImageShape, pixelCount } from '../models/image-shape.ts';

/** What the axes of an array of images mean. */
export interface ImageAxes {
  /** N */
  readonly count: number;
  readonly shape: ImageShape;
  /** Whether the last axis is the colour: [N, H, W, C] instead of [N, C, H, W]. */
  readonly interleaved: boolean;
}

/** Least side of images whose colour axis has to be found by its size, which is 1 or 3. */
export const LEAST_SIDE = 8;

/**
 * The meaning of [N, H, W], [N, H, W, C] or [N, C, H, W] with C of 1 or 3; null for any other shape. Sides are not
 * checked, but with sides from `LEAST_SIDE` up there is only one answer.
 */
export function imageAxes(sides: readonly number[]): ImageAxes | null {
  const [count = 0, a = 0, b = 0, c = 0] = sides;
  if (sides.length === 3) return { count, shape: { channels: 1, height: a, width: b }, interleaved: false };
  if (sides.length !== 4) return null;
  if (isColour(c)) return { count, shape: { channels: c, height: a, width: b }, interleaved: true };
  return isColour(a) ? { count, shape: { channels: a, height: b, width: c }, interleaved: false } : null;
}

/** [N, H, W, C] as [N, C, H, W]. Images of one channel are returned as they are, not copied. */
export function toPlanes(interleaved: Uint8Array, shape: ImageShape): Uint8Array {
  if (shape.channels === 1) return interleaved;
  const planes = new Uint8Array(interleaved.length);
  eachNumber(interleaved.length, shape, (inPlanes, together) => {
    planes[inPlanes] = interleaved[together] as number;
  });
  return planes;
}

/** [N, C, H, W] as [N, H, W, C]: the way back. */
export function toInterleaved(planes: Uint8Array, shape: ImageShape): Uint8Array {
  if (shape.channels === 1) return planes;
  const interleaved = new Uint8Array(planes.length);
  eachNumber(planes.length, shape, (inPlanes, together) => {
    interleaved[together] = planes[inPlanes] as number;
  });
  return interleaved;
}

// --- internal ---

function isColour(side: number): boolean {
  return side === 1 || side === 3;
}

/** Both places of every number. */
function eachNumber(length: number, shape: ImageShape, move: (inPlanes: number, together: number) => void): void {
  const { channels } = shape;
  const area = shape.height * shape.width;
  const size = pixelCount(shape);
  for (let start = 0; start < length; start += size) {
    for (let channel = 0; channel < channels; channel++) {
      for (let pixel = 0; pixel < area; pixel++) {
        move(start + channel * area + pixel, start + pixel * channels + channel);
      }
    }
  }
}
