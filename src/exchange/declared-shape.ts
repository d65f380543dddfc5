// The image size that a decoder's file declares, for readers who have decoders and no images.

import { DECODER_OUTPUT } from '../models/decoder-export.ts';
import type { ImageShape } from '../models/image-shape.ts';
import { parseDecoder } from './parse-decoder.ts';

/**
 * The sides behind n of output `x`; null where the file leaves one open. It is a claim like all that the file says: inspect
 * the decoder with this shape before anything relies on it. Throws ReleaseError for what is no model at all.
 */
export function declaredShape(onnx: Uint8Array): ImageShape | null {
  const type = parseDecoder(onnx).graph?.output.find(({ name }) => name === DECODER_OUTPUT)?.type?.value;
  const dims = type?.case === 'tensorType' ? (type.value.shape?.dim ?? []) : [];
  const [, channels, height, width] = dims.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : 0));
  const isSide = (side: number | undefined): side is number => side !== undefined && side >= 1 && side <= MAX_SIDE;
  if (dims.length !== 4 || !isSide(channels) || !isSide(height) || !isSide(width)) return null;
  return { channels, height, width };
}

// --- internal ---

/** Of any image that the product handles, and far beyond. */
const MAX_SIDE = 4096;
