// PNG grids of images: what the silos' decoders dream, at a glance.

import { encode } from 'fast-png';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { ShapeError } from '../errors.ts';

export interface ImageGridOptions {
  /** [M, D] Numbers, clamped to 0 to 1, or bytes. What is not a number is painted black. */
  readonly images: Float32Array | Uint8Array;
  /** One channel gives a grey picture, three give RGB. */
  readonly shape: ImageShape;
  /** Images a row. */
  readonly columns: number;
  /** Pixels of the picture along one pixel of an image. Default 1. */
  readonly scale?: number;
  /** Pixels between images and around them. Default 2. */
  readonly gap?: number;
  /** [M] Whole numbers to print above the images: labels, silo numbers. */
  readonly labels?: ArrayLike<number>;
}

/** The bytes of a PNG file, the same for the same input. Throws ShapeError where sizes do not fit. */
export function imageGridPng(options: ImageGridOptions): Uint8Array {
  const { images, shape, scale = 1, gap = 2, labels } = options;
  const size = pixelCount(shape);
  const count = images.length / size;
  checkSizes(options, count);

  const bytes = images instanceof Uint8Array ? images : Uint8ClampedArray.from(images, (value) => 255 * value);
  const columns = Math.min(options.columns, count);
  const rows = Math.ceil(count / columns);
  const caption = labels === undefined ? 0 : GLYPH_HEIGHT * scale + gap;
  const tile = { width: shape.width * scale + gap, height: shape.height * scale + gap + caption };
  const canvas: Canvas = createCanvas(columns * tile.width + gap, rows * tile.height + gap, shape.channels);
  for (let i = 0; i < count; i++) {
    const x = gap + (i % columns) * tile.width;
    const y = gap + Math.floor(i / columns) * tile.height;
    if (labels !== undefined) {
      paintNumber(canvas, labels[i] as number, { x, y, scale, width: tile.width - gap });
    }
    paintImage(canvas, bytes.subarray(i * size, (i + 1) * size), { x, y: y + caption, scale, shape });
  }
  return encode({ ...canvas, depth: 8 });
}

// --- internal ---

interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

/** Between the images: neither the black of a background nor the white of a stroke. */
const GAP_GREY = 72;
const CAPTION_GREY = 235;
const GLYPH_HEIGHT = 5;
const GLYPH_WIDTH = 3;
/** 0 to 9, then the minus: five rows of three dots, top left first. */
const GLYPHS = [
  '111101101101111',
  '010110010010111',
  '111001111100111',
  '111001111001111',
  '101101111001001',
  '111100111001111',
  '111100111101111',
  '111001010010010',
  '111101111101111',
  '111101111001111',
  '000000111000000',
];

function checkSizes({ shape, columns, scale = 1, gap = 2, labels }: ImageGridOptions, count: number): void {
  if (shape.channels !== 1 && shape.channels !== 3) {
    throw new ShapeError(`A picture has 1 or 3 channels; these images have ${shape.channels}.`, {
      channels: shape.channels,
    });
  }
  if (!(Number.isInteger(count) && count > 0)) {
    throw new ShapeError(`Expected one or more whole images of ${pixelCount(shape)} numbers each; got ${count}.`, {
      count,
    });
  }
  if (![columns, scale, gap + 1].every((value) => Number.isInteger(value) && value >= 1)) {
    throw new ShapeError(
      `Expected whole columns and scale from 1 and gap from 0; got ${columns}, ${scale} and ${gap}.`,
    );
  }
  if (labels !== undefined && labels.length !== count) {
    throw new ShapeError(`${count} images have ${labels.length} labels.`, { count, labels: labels.length });
  }
}

function createCanvas(width: number, height: number, channels: number): Canvas {
  return { width, height, channels, data: new Uint8Array(width * height * channels).fill(GAP_GREY) };
}

interface ImagePlace {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  readonly shape: ImageShape;
}

/** `image` is [channels, height, width]. */
function paintImage(canvas: Canvas, image: ArrayLike<number>, { x, y, scale, shape }: ImagePlace): void {
  for (let row = 0; row < shape.height * scale; row++) {
    for (let column = 0; column < shape.width * scale; column++) {
      const from = Math.floor(row / scale) * shape.width + Math.floor(column / scale);
      const to = ((y + row) * canvas.width + x + column) * canvas.channels;
      for (let channel = 0; channel < canvas.channels; channel++) {
        canvas.data[to + channel] = image[channel * shape.height * shape.width + from] as number;
      }
    }
  }
}

interface NumberPlace {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  /** Digits are centred in it; those that do not fit are left out. */
  readonly width: number;
}

function paintNumber(canvas: Canvas, value: number, { x, y, scale, width }: NumberPlace): void {
  const advance = (GLYPH_WIDTH + 1) * scale;
  const digits = String(Math.round(value))
    .split('')
    .slice(0, Math.floor((width + scale) / advance));
  const start = x + Math.floor((width - (digits.length * advance - scale)) / 2);
  digits.forEach((digit, i) => {
    const glyph = GLYPHS[digit === '-' ? 10 : Number(digit)] ?? '';
    for (let row = 0; row < GLYPH_HEIGHT * scale; row++) {
      for (let column = 0; column < GLYPH_WIDTH * scale; column++) {
        if (glyph[Math.floor(row / scale) * GLYPH_WIDTH + Math.floor(column / scale)] !== '1') continue;
        const to = ((y + row) * canvas.width + start + i * advance + column) * canvas.channels;
        canvas.data.fill(CAPTION_GREY, to, to + canvas.channels);
      }
    }
  });
}
