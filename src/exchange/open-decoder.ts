// A decoder that passed inspection and its trial, opened to draw from: one loop for whoever wants images of it.

import type { Engine } from '../engine/engine.ts';
import { type Key, normals } from '../engine/keys.ts';
import { DECODER_INPUT, DECODER_OUTPUT } from '../models/decoder-export.ts';
import { pixelCount } from '../models/image-shape.ts';
import { DECODER_CLASS } from '../models/labelled-decoder.ts';
import type { DecoderContract } from './inspect.ts';
import { checkPixels, oneHotRows } from './probe.ts';

/** Rows decoded at once where neither the file nor the caller says. */
export const DRAWN_AT_ONCE = 250;

/** An open decoder. Close it when its images are drawn. */
export interface OpenDecoder {
  /**
   * Fills `out [count, D]` with images of z ~ N(0, I) from `key`, the first ones the same whatever the count, pixels in [0, 1].
   * `label`: the class to ask for, from 0 to C - 1; a decoder that takes none gives what it has. Throws ReleaseError for pixels
   * far outside.
   */
  draw(out: Float32Array, request: { readonly key: Key; readonly label: number | null }): Promise<void>;
  close(): Promise<void>;
}

export interface OpenDecoderOptions {
  /** Names it in messages. */
  readonly label: string;
  /** Rows decoded at once where the file leaves it open. Default `DRAWN_AT_ONCE`. */
  readonly rows?: number;
}

/** Opens the file of `contract`. Inspect and probe it first: what the runtime says of a bad file is its own words. */
export async function openDecoder(
  engine: Pick<Engine, 'openModel'>,
  onnx: Uint8Array,
  contract: DecoderContract,
  { label: name, rows: wanted = DRAWN_AT_ONCE }: OpenDecoderOptions,
): Promise<OpenDecoder> {
  const { latent, shape, classes } = contract;
  const rows = contract.batch ?? wanted;
  const program = await engine.openModel(onnx, {
    label: name,
    inputs: [
      { name: DECODER_INPUT, dtype: 'float32', shape: [rows, latent] },
      ...(classes === null ? [] : [{ name: DECODER_CLASS, dtype: 'float32', shape: [rows, classes] } as const]),
    ],
    outputs: [{ name: DECODER_OUTPUT, dtype: 'float32', shape: [rows, shape.channels, shape.height, shape.width] }],
  });
  const size = pixelCount(shape);
  return {
    async draw(out, { key, label }) {
      const z = new Float32Array(rows * latent);
      const x = new Float32Array(rows * size);
      const asked = classes === null ? null : oneHotRows(label as number, classes, rows);
      const run = program.bind(
        { [DECODER_INPUT]: z, ...(asked && { [DECODER_CLASS]: asked }) },
        { [DECODER_OUTPUT]: x },
      );
      const draws = normals(key, Math.ceil(out.length / size / rows) * z.length);
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
