// The pieces that drawn garments are made of.

import type { LineKind, Point } from './curves.ts';

/** A piece of a garment: a filled outline, or a line `width` wide. */
export interface GarmentPart {
  readonly kind: LineKind;
  /** -1..1 across and down, x to the right. */
  readonly points: readonly Point[];
  /** Width of a line in pixels; null: fill the outline. */
  readonly width: number | null;
  /** Brightness relative to the cloth; 0 cuts a hole. */
  readonly tone: number;
}

/** A filled outline with corners. */
export function fill(points: readonly Point[], tone = 1): GarmentPart {
  return { kind: 'straight', points, width: null, tone };
}

/** A filled outline without corners. */
export function round(points: readonly Point[], tone = 1): GarmentPart {
  return { kind: 'loop', points, width: null, tone };
}

/** A smooth line, `width` pixels wide. */
export function line(points: readonly Point[], width: number, tone: number): GarmentPart {
  return { kind: 'curve', points, width, tone };
}

/** An outline from its right half, from top to bottom. */
export function mirrored(half: readonly Point[]): readonly Point[] {
  return [...half, ...half.toReversed().map(([x, y]): Point => [-x, y])];
}

/** A part and its mirror image. */
export function bothSides(part: GarmentPart): readonly GarmentPart[] {
  return [part, { ...part, points: part.points.map(([x, y]): Point => [-x, y]) }];
}
