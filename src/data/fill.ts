// Filled shapes with smooth edges: how much of each pixel a closed chain covers.

import { boundingBox, type Chain } from './curves.ts';

/**
 * Adds to `coverage`, [side, side], the part of each pixel that lies inside of `chain` (its end joined to its start;
 * where it crosses itself, inside and outside alternate): exact across, in four steps down.
 */
export function coverShape(coverage: Float32Array, side: number, chain: Chain): void {
  const { top, bottom } = boundingBox([chain]);
  const first = Math.max(0, Math.floor(top * STEPS));
  const last = Math.min(side * STEPS - 1, Math.ceil(bottom * STEPS));
  for (let line = first; line <= last; line++) {
    const crossings = crossingsAt(chain, (line + 0.5) / STEPS);
    const row = Math.floor(line / STEPS) * side;
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      coverSpan(coverage, row, side, crossings[i] as number, crossings[i + 1] as number);
    }
  }
}

// --- internal ---

const STEPS = 4;

/** Where the outline crosses the height `y`, from left to right. */
function crossingsAt(chain: Chain, y: number): readonly number[] {
  const found: number[] = [];
  let x0 = chain[chain.length - 2] as number;
  let y0 = chain[chain.length - 1] as number;
  for (let i = 0; i < chain.length; i += 2) {
    const x1 = chain[i] as number;
    const y1 = chain[i + 1] as number;
    if (y0 <= y !== y1 <= y) found.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
    x0 = x1;
    y0 = y1;
  }
  return found.sort((a, b) => a - b);
}

function coverSpan(coverage: Float32Array, row: number, side: number, from: number, to: number): void {
  const left = Math.max(0, from);
  const right = Math.min(side, to);
  for (let x = Math.floor(left); x < right; x++) {
    const part = Math.min(right, x + 1) - Math.max(left, x);
    coverage[row + x] = (coverage[row + x] as number) + part / STEPS;
  }
}
