// A decoder from outside is untrusted input: what is checked before anything of it is executed.
//
// These checks bound the file and what it may contain, not what it computes: a small graph can ask for large tensors.
// So opening it (runtimes fold constants) and drawing from it are a second step, `probeDecoder`.

import type { ImageShape } from '../models/image-shape.ts';
import { contentHash } from '../storage/content-hash.ts';
import { inspectGraph } from './inspect-graph.ts';
import { inspectModel } from './inspect-model.ts';
import { inspectPorts } from './inspect-ports.ts';
import { inspectShapeOperands } from './inspect-shapes.ts';
import { parseDecoder } from './parse-decoder.ts';

/** What the receiver knows before the file comes. */
export interface ExpectedDecoder {
  readonly shape: ImageShape;
  /** The default is 64 MiB. */
  readonly maxBytes?: number;
  /**
   * C where labelled images are expected, which a decoder that takes no class may give too, of the one class it offers; 'any'
   * where whatever the file says will do. The default is null: only `z` may go in.
   */
  readonly classes?: number | 'any' | null;
}

/** What can be relied on after inspection. */
export interface DecoderContract {
  /** L */
  readonly latent: number;
  readonly shape: ImageShape;
  /** Images of one run: a number where the file fixes it, null where n is free. */
  readonly batch: number | null;
  /** C where the file takes `class [n, C]`, null where it takes `z` alone. */
  readonly classes: number | null;
  readonly sizeBytes: number;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
}

/** Inspects a decoder's file without executing it. Throws ReleaseError with `facts.reason`, and nothing else. */
export function inspectDecoder(bytes: Uint8Array, expected: ExpectedDecoder): DecoderContract {
  const graph = inspectModel(parseDecoder(bytes, expected.maxBytes));
  const ports = inspectPorts(graph, expected.shape, expected.classes ?? null);
  inspectGraph(graph);
  inspectShapeOperands(graph);
  return {
    ...ports,
    shape: expected.shape,
    sizeBytes: bytes.length,
    sha256: contentHash(bytes),
  };
}
