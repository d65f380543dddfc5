// One block of memory for everything a training step touches, shared by ONNX Runtime and the sweep kernels.
//
// WebAssembly memory can be wrapped by ordinary typed arrays, and ONNX Runtime reads and writes those in place: so
// parameters, gradients and optimizer state are never copied between the two executors.

import { ShapeError } from '../errors.ts';

/** Named float32 vectors in one WebAssembly memory, each starting on a 64-byte border. */
export interface Arena {
  readonly memory: WebAssembly.Memory;
  /** 96 KiB behind the vectors, from a 64-byte border on, for one kernel during one call: it holds nothing in between. */
  readonly scratch: Uint8Array;
  /** The vector called `name`. Throws ShapeError where there is none. */
  vector(name: string): Float32Array;
}

/** Allocates zeroed vectors of the given lengths. */
export function createArena(lengths: Readonly<Record<string, number>>): Arena {
  let bytes = 0;
  const places = Object.entries(lengths).map(([name, length]) => {
    const place = { name, offset: bytes, length };
    bytes += alignedLength(length) * 4;
    return place;
  });
  const pages = Math.ceil((bytes + SCRATCH_BYTES) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages }); // never grows: views stay valid
  const vectors = new Map(places.map((p) => [p.name, new Float32Array(memory.buffer, p.offset, p.length)]));
  return {
    memory,
    scratch: new Uint8Array(memory.buffer, bytes, SCRATCH_BYTES),
    vector(name) {
      const found = vectors.get(name);
      if (!found) throw new ShapeError(`The arena has no vector '${name}', only ${[...vectors.keys()].join(', ')}.`);
      return found;
    },
  };
}

/** `length` rounded up to a whole number of 64-byte lines. */
export function alignedLength(length: number): number {
  return Math.ceil(length / LINE_FLOATS) * LINE_FLOATS;
}

// --- internal ---

const PAGE_BYTES = 65536;
const SCRATCH_BYTES = 98304; // small enough for the second cache, large enough to call into OpenSSL rarely
const LINE_FLOATS = 16;
