// A pen: the distance of every pixel to the lines drawn so far, from which soft-edged ink follows.

import type { Chain } from './curves.ts';

/** Signed distances to the edge of the ink, negative inside, of a square picture of `side` pixels. */
export interface InkField {
  readonly side: number;
  /** [side, side]; pixel (x, y) has its centre at (x + 0.5, y + 0.5). */
  readonly distance: Float32Array;
}

/** Distance where nothing was drawn. */
export const NO_INK = 1e3;

/** A field without ink. */
export function newInk(side: number): InkField {
  return { side, distance: new Float32Array(side * side).fill(NO_INK) };
}

/**
 * Draws a chain with a round pen whose radius goes from `startRadius` to `endRadius` along it, in pixels. Only pixels
 * within `reach` of the edge get exact distances: as far as the ink may be soft.
 */
export function drawChain(
  ink: InkField,
  chain: Chain,
  {
    startRadius,
    endRadius,
    reach,
  }: { readonly startRadius: number; readonly endRadius: number; readonly reach: number },
): void {
  const segments = chain.length / 2 - 1;
  const perSegment = (endRadius - startRadius) / Math.max(segments, 1);
  for (let i = 0; i < segments; i++) {
    const radius = startRadius + i * perSegment;
    drawSegment(ink, chain, 2 * i, radius, perSegment, Math.max(radius, radius + perSegment) + reach);
  }
}

/**
 * Ink as grey, [side * side] bytes from `offset` of `out`: `peak` (0..255) inside, 0 outside, and between them a
 * smooth edge, `softness` pixels wide.
 */
export function inkToGrey(
  { distance }: InkField,
  {
    peak,
    softness,
    out,
    offset,
  }: { readonly peak: number; readonly softness: number; readonly out: Uint8Array; readonly offset: number },
): void {
  for (let i = 0; i < distance.length; i++) {
    const t = 0.5 - (distance[i] as number) / softness;
    if (t <= 0) continue;
    out[offset + i] = t >= 1 ? peak : peak * t * t * (3 - 2 * t) + 0.5;
  }
}

// --- internal ---

function drawSegment(ink: InkField, chain: Chain, at: number, radius: number, widening: number, margin: number): void {
  const { side, distance } = ink;
  const x0 = chain[at] as number;
  const y0 = chain[at + 1] as number;
  const dx = (chain[at + 2] as number) - x0;
  const dy = (chain[at + 3] as number) - y0;
  const perLength2 = 1 / Math.max(dx * dx + dy * dy, 1e-12);
  const margin2 = margin * margin;
  const left = Math.max(0, Math.floor(Math.min(x0, x0 + dx) - margin));
  const right = Math.min(side - 1, Math.ceil(Math.max(x0, x0 + dx) + margin));
  const top = Math.max(0, Math.floor(Math.min(y0, y0 + dy) - margin));
  const bottom = Math.min(side - 1, Math.ceil(Math.max(y0, y0 + dy) + margin));
  for (let y = top; y <= bottom; y++) {
    const py = y + 0.5 - y0;
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - x0;
      let t = (px * dx + py * dy) * perLength2;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const ex = px - t * dx;
      const ey = py - t * dy;
      const distance2 = ex * ex + ey * ey;
      if (distance2 >= margin2) continue;
      const d = Math.sqrt(distance2) - radius - t * widening;
      const i = y * side + x;
      if (d < (distance[i] as number)) distance[i] = d;
    }
  }
}
