// Made-up handwritten digits in the manner of MNIST, for runs without any data at hand: each image is a skeleton
// bent, slanted and written at random.

import { boundingBox, type Chain, chainThrough, type LineKind, type Point } from './curves.ts';
import { DIGIT_SKELETONS, type Skeleton } from './digit-skeletons.ts';
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
import type { DataSet, ImageSet } from './image-set.ts';
import { drawChain, inkToGrey, newInk } from './pen.ts';

/**
 * Digits of ten classes, white on black, centred, about 20 pixels large: [N, 1, 28, 28].
 * Otherwise as `drawSet`, errors included.
 */
export function drawDigits(wish: DrawnWish): ImageSet {
  return drawSet(DIGITS, wish);
}

/** Drawn digits as a data set. */
export function drawnDigits(counts: DrawnCounts): DataSet {
  const names = DIGIT_SKELETONS.map((_, digit) => String(digit));
  return drawDataSet(DIGITS, names, counts);
}

// --- internal ---

const DIGITS: DrawnKind = { name: 'drawn-digits', classCount: DIGIT_SKELETONS.length, drawLimit: 128, draw: drawDigit };

/**
 * How much hands differ. Chosen so that digits are about as hard as MNIST's: in PyTorch, two strided convolutions and
 * two dense layers, trained on 5,000 images for 12 epochs, are right on 98.0 % (8 and 16 channels) and 98.9 % (24 and
 * 48 channels, dropout) of 2,000 others; the nearest neighbour on 98.1 %.
 */
const HAND = {
  anchorStd: 0.055, // of a skeleton 2 high
  swayStd: 0.08, // likewise
  rotationStd: 0.13, // radians
  slantMean: 0.12,
  slantStd: 0.2,
  aspect: [0.75, 1.2],
  sizePixels: [18, 21],
  shiftStdPixels: 0.7,
  radiusPixels: [0.9, 2],
  softnessPixels: [1.1, 1.9],
  peak: [215, 255],
} as const;

/** A skeleton whose lines share their anchors: what is joined stays joined. */
interface Joined {
  readonly anchors: readonly Point[];
  readonly lines: readonly { readonly kind: LineKind; readonly through: readonly number[] }[];
}

const JOINED: readonly (readonly Joined[])[] = DIGIT_SKELETONS.map((hands) => hands.map(join));

function join(skeleton: Skeleton): Joined {
  const anchors: Point[] = [];
  const indexOf = ([x, y]: Point): number => {
    const found = anchors.findIndex(([ax, ay]) => ax === x && ay === y);
    return found >= 0 ? found : anchors.push([x, y]) - 1;
  };
  return { lines: skeleton.map(({ kind, points }) => ({ kind, through: points.map(indexOf) })), anchors };
}

function drawDigit(digit: number, draws: Draws, sheet: Sheet): void {
  const hands = JOINED[digit] as readonly Joined[];
  const { anchors, lines } = hands[draws.pick(hands.length)] as Joined;
  const moved = bend(anchors, draws);
  const chains = lines.map(({ kind, through }) =>
    chainThrough(
      kind,
      through.map((i) => moved[i] as Point),
    ),
  );
  const radius = draws.uniform(...HAND.radiusPixels);
  fit(chains, draws.uniform(...HAND.sizePixels) - 2 * radius, [
    DRAWN_SIDE / 2 + draws.normal(HAND.shiftStdPixels),
    DRAWN_SIDE / 2 + draws.normal(HAND.shiftStdPixels),
  ]);
  const softness = draws.uniform(...HAND.softnessPixels);
  const ink = newInk(DRAWN_SIDE);
  for (const chain of chains) {
    const startRadius = radius * draws.uniform(0.8, 1.15);
    const endRadius = radius * draws.uniform(0.7, 1.1);
    drawChain(ink, chain, { startRadius, endRadius, reach: softness / 2 });
  }
  inkToGrey(ink, { ...sheet, peak: draws.uniform(...HAND.peak), softness });
}

/** Every anchor a little elsewhere: swaying with its neighbours and on its own; then all of them stretched, slanted and turned. */
function bend(anchors: readonly Point[], draws: Draws): readonly Point[] {
  const swayX = draws.normal(HAND.swayStd);
  const swayY = draws.normal(HAND.swayStd);
  const phaseX = draws.uniform(0, 2 * Math.PI);
  const phaseY = draws.uniform(0, 2 * Math.PI);
  const angle = draws.normal(HAND.rotationStd);
  const slant = HAND.slantMean + draws.normal(HAND.slantStd);
  const aspect = draws.uniform(...HAND.aspect);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return anchors.map(([x, y]) => {
    const bentX = x + swayX * Math.sin(2 * y + phaseX) + draws.normal(HAND.anchorStd);
    const bentY = y + swayY * Math.sin(2 * x + phaseY) + draws.normal(HAND.anchorStd);
    const across = aspect * bentX - slant * bentY;
    return [cos * across - sin * bentY, sin * across + cos * bentY];
  });
}

/** Scales all chains, in place, so that the greater of width and height is `size`, with the middle at `centre`. */
function fit(chains: readonly Chain[], size: number, [centreX, centreY]: Point): void {
  const { left, right, top, bottom } = boundingBox(chains);
  const scale = size / Math.max(right - left, bottom - top);
  for (const chain of chains) {
    for (let i = 0; i < chain.length; i += 2) {
      chain[i] = centreX + scale * ((chain[i] as number) - (left + right) / 2);
      chain[i + 1] = centreY + scale * ((chain[i + 1] as number) - (top + bottom) / 2);
    }
  }
}
