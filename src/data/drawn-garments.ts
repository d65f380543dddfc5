// Made-up pictures of garments in the manner of Fashion-MNIST: images that look foreign among digits, for runs
// without any data at hand.

import { boundingBox, type Chain, chainThrough } from './curves.ts';
import {
  DRAWN_SIDE,
  type DrawnCounts,
  type DrawnKind,
  type DrawnWish,
  drawDataSet,
  drawSet,
  type Sheet,
} from './drawn-set.ts';
import type { Draws } from './draws.ts';
import { coverShape } from './fill.ts';
import { bag, boot, sandal, sneaker, trousers } from './garment-others.ts';
import type { GarmentPart } from './garment-parts.ts';
import { coat, dress, pullover, shirt, tShirt } from './garment-tops.ts';
import type { DataSet, ImageSet } from './image-set.ts';
import { drawChain, type InkField, NO_INK, newInk } from './pen.ts';

/** Names of the classes, in the order of Fashion-MNIST. */
export const GARMENT_NAMES: readonly string[] = [
  'T-shirt',
  'Trousers',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Boot',
];

/**
 * Garments of ten classes (`GARMENT_NAMES`), bright on black, filling most of the picture: [N, 1, 28, 28].
 * Otherwise as `drawSet`, errors included.
 */
export function drawGarments(wish: DrawnWish): ImageSet {
  return drawSet(GARMENTS, wish);
}

/** Drawn garments as a data set. */
export function drawnGarments(counts: DrawnCounts): DataSet {
  return drawDataSet(GARMENTS, GARMENT_NAMES, counts);
}

// --- internal ---

/** By class, in the same order. */
const DESIGNS: readonly ((draws: Draws) => readonly GarmentPart[])[] = [
  tShirt,
  trousers,
  pullover,
  dress,
  coat,
  sandal,
  shirt,
  sneaker,
  bag,
  boot,
];

const PIXELS = DRAWN_SIDE * DRAWN_SIDE;
const GARMENTS: DrawnKind = {
  name: 'drawn-garments',
  classCount: GARMENT_NAMES.length,
  drawLimit: PIXELS + 128, // one a pixel for the grain
  draw: drawGarment,
};

function drawGarment(label: number, draws: Draws, { out, offset }: Sheet): void {
  const design = DESIGNS[label] as (typeof DESIGNS)[number];
  const parts = design(draws);
  const place = placement(draws);
  const cloth = weave(draws);
  const easel: Easel = {
    grey: new Float32Array(PIXELS),
    coverage: new Float32Array(PIXELS),
    ink: newInk(DRAWN_SIDE),
    cloth,
  };
  for (const part of parts) paint(easel, part, place(part));
  for (let i = 0; i < PIXELS; i++) out[offset + i] = Math.min(255, Math.max(0, Math.round(easel.grey[i] as number)));
}

/** From a part's own coordinates to pixels: this garment's size, place and slight turn. */
function placement(draws: Draws): (part: GarmentPart) => Chain {
  const angle = draws.normal(0.025);
  const scale = draws.uniform(12.3, 13.6);
  const wide = scale * draws.uniform(0.92, 1.02);
  const x0 = DRAWN_SIDE / 2 + draws.normal(0.4);
  const y0 = DRAWN_SIDE / 2 + draws.normal(0.4);
  return ({ kind, points }) => {
    const chain = chainThrough(kind, points);
    for (let i = 0; i < chain.length; i += 2) {
      const x = wide * (chain[i] as number);
      const y = scale * (chain[i + 1] as number);
      chain[i] = x0 + x - angle * y;
      chain[i + 1] = y0 + y + angle * x;
    }
    return chain;
  };
}

/** A picture in the making; all but `ink` are [28, 28]. Ink and coverage are blank between two parts. */
interface Easel {
  readonly grey: Float32Array;
  readonly coverage: Float32Array;
  readonly ink: InkField;
  readonly cloth: Float32Array;
}

/** Lays a part over what is there. Only the pixels around it are looked at. */
function paint({ grey, coverage, ink, cloth }: Easel, { width, tone }: GarmentPart, chain: Chain): void {
  const radius = (width ?? 0) / 2;
  if (width === null) coverShape(coverage, DRAWN_SIDE, chain);
  else drawChain(ink, chain, { startRadius: radius, endRadius: radius, reach: 0.5 });
  const box = boundingBox([chain]);
  const right = Math.min(DRAWN_SIDE - 1, Math.ceil(box.right + radius + 1));
  const bottom = Math.min(DRAWN_SIDE - 1, Math.ceil(box.bottom + radius + 1));
  for (let y = Math.max(0, Math.floor(box.top - radius - 1)); y <= bottom; y++) {
    for (let x = Math.max(0, Math.floor(box.left - radius - 1)); x <= right; x++) {
      const i = y * DRAWN_SIDE + x;
      const covered = width === null ? (coverage[i] as number) : 0.5 - (ink.distance[i] as number);
      const share = Math.min(1, Math.max(0, covered));
      grey[i] = (grey[i] as number) * (1 - share) + share * tone * (cloth[i] as number);
      coverage[i] = 0;
      ink.distance[i] = NO_INK;
    }
  }
}

/** Grey of the cloth at every pixel: light from the front, folds, perhaps stripes or checks, and grain. */
function weave(draws: Draws): Float32Array {
  const base = draws.uniform(80, 235);
  const roundness = draws.uniform(0.05, 0.3);
  const fold = draws.uniform(0, 0.12);
  const [foldX, foldY] = [draws.uniform(0.2, 0.7), draws.uniform(-0.4, 0.4)];
  const foldPhase = draws.uniform(0, 2 * Math.PI);
  const pattern = draws.pick(6); // 0: stripes across, 1: stripes down, 2: checks, else plain
  const contrast = draws.uniform(0.12, 0.4);
  const period = draws.uniform(0.9, 2.1);
  const grain = draws.uniform(0.01, 0.05);
  const cloth = new Float32Array(PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    const x = (i % DRAWN_SIDE) + 0.5;
    const y = Math.floor(i / DRAWN_SIDE) + 0.5;
    const aside = (2 * x) / DRAWN_SIDE - 1;
    const light = 1 + roundness * (0.4 - aside * aside) + fold * Math.sin(foldX * x + foldY * y + foldPhase);
    const across = pattern === 0 || pattern === 2 ? Math.sin(period * y) : 0;
    const down = pattern === 1 || pattern === 2 ? Math.sin(period * x) : 0;
    cloth[i] = base * (light + contrast * 0.5 * (across + down) + draws.uniform(-2 * grain, 2 * grain));
  }
  return cloth;
}
