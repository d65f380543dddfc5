// Bytes from outside become an ONNX model in memory, or a refusal: bounded before they are read.

import { fromBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { AlignError } from '../errors.ts';
import { refuse } from './refusal.ts';
import { checkWireBudget, type WireLimits } from './wire-budget.ts';

/** Size limit of a decoder's file: 64 MiB, some sixteen million weights. */
export const MAX_DECODER_BYTES = 64 * 2 ** 20;

/** Parses a decoder's file. Throws ReleaseError: `size`, `not-onnx`, `unknown-field` or `too-many-parts`. */
export function parseDecoder(bytes: Uint8Array, maxBytes = MAX_DECODER_BYTES): ModelProto {
  if (bytes.length === 0 || bytes.length > maxBytes) {
    refuse('size', `It has ${bytes.length} bytes; between 1 and ${maxBytes} are accepted.`, {
      sizeBytes: bytes.length,
      maxBytes,
    });
  }
  try {
    checkWireBudget(bytes, ModelProtoSchema, LIMITS);
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    if (cause instanceof AlignError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return refuse('not-onnx', `The file could not be read: ${reason}.`, {}, cause);
  }
}

// --- internal ---

const LIMITS: WireLimits = { messages: 2 ** 16, values: 2 ** 20, depth: 16 };
