// A decoder that came to the server, made to prove itself and then opened: what both pools draw from.

import type { Engine } from '../engine/engine.ts';
import { childKey, type Key, normals } from '../engine/keys.ts';
import { inspectDecoder } from '../exchange/inspect.ts';
import { requireOffers } from '../exchange/offered-classes.ts';
import { checkPixels, oneHotRows, probeDecoder } from '../exchange/probe.ts';
import type { ReceivedRelease } from '../exchange/release.ts';
import { verifyClaims } from '../exchange/verify-claims.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import { type ImageShape, pixelCount } from '../models/image-shape.ts';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';

/** An open decoder. Close it when its images are drawn. */
export interface ReceivedDecoder {
  /**
   * Fills `out [count, D]` with images of z ~ N(0, I) from `key`, the first ones the same whatever the count, pixels in [0, 1].
   * `label`: the class to ask for; a decoder that takes none gives what it has. Throws ReleaseError for pixels far outside.
   */
  draw(out: Float32Array, request: { readonly key: Key; readonly label: number | null }): Promise<void>;
  close(): Promise<void>;
}

/**
 * Inspects a release's file, checks what its statement claims of the weights, draws from it on trial, and opens it. It is
 * untrusted input until then. `classes`: C where labelled images are wanted, of which the release must offer some; null where
 * labels are not. Throws ReleaseError.
 */
export async function openReceived(
  engine: Engine,
  { silo, decoder, privacy }: ReceivedRelease,
  { shape, classes, key }: { readonly shape: ImageShape; readonly classes: number | null; readonly key: Key },
): Promise<ReceivedDecoder> {
  const { onnx } = decoder;
  const contract = inspectDecoder(onnx, { shape, classes });
  const offers = decoder.classes;
  if (classes !== null) requireOffers(contract, offers, classes);
  verifyClaims(onnx, privacy);
  await probeDecoder(engine, onnx, contract, { key: childKey(key, 'probe'), offered: offers?.offered });
  const { latent } = contract;
  const rows = contract.batch ?? CHUNK;
  const sides = [shape.channels, shape.height, shape.width];
  const program = await engine.openModel(onnx, {
    label: `decoder of ${silo}`,
    inputs: [
      { name: DECODER_INPUT, dtype: 'float32', shape: [rows, latent] },
      ...(contract.classes === null
        ? []
        : [{ name: DECODER_CLASS, dtype: 'float32', shape: [rows, contract.classes] } as const]),
    ],
    outputs: [{ name: DECODER_OUTPUT, dtype: 'float32', shape: [rows, ...sides] }],
  });
  const size = pixelCount(shape);
  return {
    async draw(out, { key: drawKey, label }) {
      const z = new Float32Array(rows * latent);
      const x = new Float32Array(rows * size);
      const asked = contract.classes === null ? null : oneHotRows(label as number, contract.classes, rows);
      const run = program.bind(
        { [DECODER_INPUT]: z, ...(asked && { [DECODER_CLASS]: asked }) },
        { [DECODER_OUTPUT]: x },
      );
      const draws = normals(drawKey, Math.ceil(out.length / size / rows) * z.length);
      for (let row = 0; row * size < out.length; row += rows) {
        z.set(draws.subarray(row * latent, row * latent + z.length));
        await run();
        checkPixels(x);
        const images = x.subarray(0, Math.min(x.length, out.length - row * size));
        out.set(
          images.map((pixel) => Math.min(1, Math.max(0, pixel))),
          row * size,
        ); // what rounding left outside
      }
    },
    close: () => program.close(),
  };
}

// --- internal ---

/** Rows decoded at once where the decoder leaves it open. */
const CHUNK = 250;
